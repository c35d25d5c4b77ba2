"""How backups and restores look on a screen; with `--json` the same results are printed as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opslib.tasks._show import by_hand
from opslib.ui.text import size

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.run.step import Run
    from opslib.ui import Ui


def made(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """backup.all and the others that make a set."""
    result = host.result
    if "set" not in result:
        return {}
    count = len(result["artifacts"])
    ui.say(f"set {result['set']}: {count} artifacts, {size(result['bytes'])} of {size(result['raw_bytes'])}")
    ui.say(f"in {result['folder']}")
    if moment := result.get("consistent"):
        ui.say(_moment(moment))
    else:
        for one in result.get("held", ()):
            ui.say(f"{one['container']} was {one['how']} for {one['seconds']} s")
    return {"SET": result["set"], "SIZE": size(result["bytes"]), **pushed(ui, host)}


def pushed(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """backup.push, and the end of a backup."""
    stores = host.result.get("stores") or ()
    for one in stores:
        if one["error"] is None:
            gone = f", {len(one['pruned'])} removed there" if one["pruned"] else ""
            ui.say(f"{one['store']}: {len(one['sent'])} sets sent, {size(one['bytes'])}{gone}")
    return {"SENT TO": ", ".join(one["store"] for one in stores if one["error"] is None)} if stores else {}


def pulled(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """backup.pull. The last line is what it was brought for."""
    if "folder" in host.result:
        kept = len(host.result["kept"])
        already = f", of which {kept} artifacts were here already" if kept else ""
        ui.say(f"set {host.result['set']} from {host.result['store']}, {size(host.result['bytes'])}{already}")
        ui.say(f"in {host.result['folder']}; to restore it: inv restore --file {host.result['set']} --host {host.host}")
    return {"SET": host.result.get("set", ""), "FROM": host.result.get("store", "")}


def sets(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """backup.list."""
    if not host.result["sets"]:
        ui.say("no backup sets yet")
        return {"WHOLE SETS": "0"}
    stores = bool(host.result["stores"])
    rows = [
        [
            one["id"],
            size(one["bytes"]) if "bytes" in one else "",
            _holds(one.get("artifacts", ())),
            *([", ".join(name for name, why in one["places"].items() if why is None) or "nowhere"] if stores else []),
            "; ".join(_remarks(one)),
        ]
        for one in host.result["sets"]
    ]
    ui.table(["SET", "SIZE", "HOLDS", *(["WHOLE IN"] if stores else []), ""], rows, right=[1])
    whole = [one["id"] for one in host.result["sets"] if None in one["places"].values() and not one.get("safety")]
    return {"WHOLE SETS": str(len(whole)), "NEWEST": whole[-1] if whole else ""}


def _remarks(one: dict[str, Any]) -> list[str]:
    elsewhere = [f"{name}: {why}" for name, why in one["places"].items() if why is not None and name != "host"]
    marks = {"encrypted": one.get("recipients"), "safety copy of a restore": one.get("safety")}
    own = one["places"].get("host") or ", ".join(text for text, there in marks.items() if there)
    return [own, *elsewhere] if own else elsewhere


def one_set(ui: Ui, host: HostRecord) -> None:
    """backup.show."""
    result, manifest = host.result, host.result["manifest"]
    ui.say(f"set {result['id']} of {manifest['host']}, project {manifest['project']}, by {manifest['by']}")
    ui.say(f"in {result['folder']}" + (f": {result['wrong']}" if result["wrong"] else ""))
    if engine := manifest["engine"]:
        ui.say(f"made on {engine['arch']} with Docker {engine['docker']}, Docker Compose {engine['compose']}")
    if moment := manifest.get("consistent"):
        ui.say(_moment(moment))
        for one in moment["went_on"]:
            ui.say(f"  but {one}")
    if manifest["recipients"]:
        ui.say(f"encrypted to {', '.join(manifest['recipients'])}")
    rows = [
        [one["file"], size(one["bytes"]), size(one["raw_bytes"]), counted(one["counts"]),
         " ".join(filter(None, (one["image"], str(one["facts"].get("server") or "").partition(" ")[0])))]
        for one in manifest["artifacts"]
    ]  # fmt: skip
    ui.table(["FILE", "SIZE", "CONTENT", "COUNTED", "MADE FROM"], rows, right=[1, 2])
    for one in manifest["artifacts"]:
        by_hand(ui, f"to restore {one['file']} without opslib, in that folder:", one["by_hand"])


def _moment(moment: dict[str, Any]) -> str:
    stopped = ", ".join(moment["stopped"])
    stood = f"{stopped} stopped for {moment['seconds']} s" if stopped else "no service had to stop"
    killed = f"; {', '.join(moment['killed'])} had to be killed" if moment["killed"] else ""
    return f"one point in time, {moment['at']}: {stood}{killed}"


def new_key(ui: Ui, host: HostRecord) -> None:
    """backup.key."""
    result = host.result
    if not host.ok:
        return
    ui.say("public key, for the host file:")
    ui.say(f"  backup: {{encrypt_to: {result['recipient']}}}")
    if result["file"]:
        ui.say(f"private key: in {result['file']}")
    else:
        ui.say("private key, shown this once:")
        ui.say(f"  {result['identity']}")
    ui.say(
        "Keep the private key where the backups are not, twice: in a password manager, and on paper in another place."
    )
    ui.say("Without it no set that is encrypted can ever be read. It belongs on no server, in no repository.")


def _holds(titles: Sequence[str]) -> str:
    kinds = Counter(title.split(" ", 1)[0] for title in titles)
    return ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in kinds.items())


def counted(counts: dict[str, Any]) -> str:
    """Rows of a database, keys of Redis, files of a folder: whichever the artifact has."""
    numbers = [each["keys"] if isinstance(each, dict) else each for each in counts.values()]
    if "files" in counts and "dirs" in counts:
        return f"{counts['files']:,} files"
    what = "keys" if any(isinstance(each, dict) for each in counts.values()) else "rows"
    return f"{sum(numbers):,} {what}" if numbers else ""


# -- restore


def will_be_overwritten(ui: Ui, run: Run) -> None:
    """In front of the question."""
    import msgspec

    from opslib.backup.restore.options import Preview
    from opslib.events import Note

    for line in msgspec.convert(run.result["restore"], Preview).lines():
        ui.tell(Note(run.host, line))


def restored(ui: Ui, host: HostRecord) -> None:
    """restore. The last line is the way back."""
    result = host.result
    for part in result.get("restored", ()):
        before = counted(part["before"] or {}) or "nothing"
        after = counted(part["after"]) or "nothing counted"
        ui.say(f"{part['part']}: {before} before, {after} now")
    if copy := result.get("safety_copy"):
        ui.say(f"safety copy {copy}; to go back: inv restore --file {copy} --host {host.host}{_all_of(result)}")


def _all_of(result: dict[str, Any]) -> str:
    """A safety copy is of the whole, also where a part was put back."""
    whole = [part["of"] for part in result.get("restored", ()) if part["of"] != part["part"]]
    return f" (that is all of {', '.join(whole)} as it was: what is written there until then is lost)" if whole else ""


def will_be_pruned(ui: Ui, run: Run) -> bool:
    """What becomes of each set, in front of the question; False where there is nothing to ask."""
    from opslib.events import Note

    for one in run.result["shrunk"]:
        now, was = (f"{size(one[name])} in {one[f'{name}_in']}" for name in ("now", "was"))
        ui.tell(Note(run.host, f"{one['title']} has {now}, and had {was}: is that as it should be?", warning=True))
    for one in run.result["sets"]:
        ui.tell(Note(run.host, f"{'keep  ' if one['keep'] else 'REMOVE'}  {one['set']}  {one['why']}"))
    return bool(run.result["shrunk"]) or not all(one["keep"] for one in run.result["sets"])


def pruned(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """backup.prune."""
    if not host.ok:
        return {}
    gone = len(host.result.get("pruned", ()))
    stay = len(host.result["sets"]) - gone
    ui.say(f"{gone} sets removed, {stay} stay")
    return {"REMOVED": str(gone), "STAY": str(stay)}
