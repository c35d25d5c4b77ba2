"""How the results of tasks look on a screen; with `--json` the same results are printed as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opslib.ui.text import seconds, size

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.run.step import Run
    from opslib.ui import Ui

_SEVERITY = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "bold red")}


# -- deploy, build, migrate, releases, rollback, ps


def released(ui: Ui, host: HostRecord) -> None:
    """deploy, rollback."""
    result = host.result
    if "set" in result:
        ui.say(f"backup set {result['set']} was made first")
        for one in result["uncovered"]:
            ui.say(f"nothing backs up {one['what']}: {one['do']}", mark="! ", mark_style="yellow")
    if host.ok and host.changed:
        before = f", before it {result['previous']}" if result.get("previous") else ""
        ui.say(f"release {result['release']}{before}; the switch took {seconds(result['gap_seconds'])}")


def images(ui: Ui, host: HostRecord) -> None:
    """build."""
    rows = [
        [service, one["image"], size(one["bytes"]), size(one["before"]) if one["before"] is not None else ""]
        for service, one in host.result.get("images", {}).items()
    ]
    if rows:
        ui.table(["SERVICE", "IMAGE", "SIZE", "BEFORE"], rows, right=[2, 3])


def migrated(ui: Ui, host: HostRecord) -> None:
    """migrate."""
    if "after" in host.result:
        before, after = (host.result[key] or "an unknown revision" for key in ("before", "after"))
        ui.say(f"the schema is at {after}" + (f", it was at {before}" if before != after else ""))


def releases(ui: Ui, host: HostRecord) -> None:
    """releases."""
    if not host.result["releases"]:
        ui.say("nothing was deployed here yet")
        return
    rows = [
        [one["id"], "live" if one["current"] else one["outcome"], _commit(one), one["by"], _origin(one)]
        for one in host.result["releases"]
    ]
    ui.table(["RELEASE", "STATE", "COMMIT", "BY", ""], rows)


def release(ui: Ui, host: HostRecord) -> None:
    """releases --show."""
    one = host.result["release"]
    facts = {
        "release": f"{one['id']}, {one['outcome']}", "made": f"{one['at']} by {one['by']}", "commit": _commit(one),
        "what": _origin(one), "schema": one["revision"] or "",
        "backup": f"{one['backup']}, the data before it" if one["backup"] else "",
    }  # fmt: skip
    for name, text in facts.items():
        if text:
            ui.say(f"{name.ljust(8)} {text}")
    ui.table(["SERVICE", "IMAGE", "KEPT AS"], [[name, pin["name"], pin["tag"]] for name, pin in one["images"].items()])
    _by_hand(ui, "to bring it back without opslib, on the server:", host.result["by_hand"])


def services(ui: Ui, host: HostRecord) -> None:
    """ps."""
    rows = [
        [
            one["service"],
            f"{one['state']}, {one['health']}" if one["health"] else one["state"],
            seconds(one["uptime"]) if one["uptime"] is not None else "",
            one["image"],
            " ".join(one["ports"]),
        ]
        for one in host.result["services"]
    ]
    if rows:
        ui.table(["SERVICE", "STATE", "UP", "IMAGE", "PORTS"], rows, right=[2])
    else:
        ui.say(f"nothing of {host.result['project']} is there")


def _commit(one: dict[str, Any]) -> str:
    return f"{(one['commit'] or '')[:12]}{' and changes' if one['dirty'] else ''}"


def _origin(one: dict[str, Any]) -> str:
    if one["adopted"]:
        return "what was running before opslib"
    return f"rollback to {one['restored']}" if one["restored"] else ""


# -- backup


def made(ui: Ui, host: HostRecord) -> None:
    """backup.all and the others that make a set."""
    result = host.result
    if "set" not in result:
        return
    count = len(result["artifacts"])
    ui.say(f"set {result['set']}: {count} artifacts, {size(result['bytes'])} of {size(result['raw_bytes'])}")
    ui.say(f"in {result['folder']}")
    for one in result.get("held", ()):
        ui.say(f"{one['container']} was {one['how']} for {one['seconds']} s")


def sets(ui: Ui, host: HostRecord) -> None:
    """backup.list."""
    if not host.result["sets"]:
        ui.say("no backup sets yet")
        return
    rows = [
        [
            one["id"],
            size(one["bytes"]) if "bytes" in one else "",
            _holds(one.get("artifacts", ())),
            one["wrong"] or ("safety copy of a restore" if one["safety"] else ""),
        ]
        for one in host.result["sets"]
    ]
    ui.table(["SET", "SIZE", "HOLDS", ""], rows, right=[1])


def one_set(ui: Ui, host: HostRecord) -> None:
    """backup.show."""
    result, manifest = host.result, host.result["manifest"]
    ui.say(f"set {result['id']} of {manifest['host']}, project {manifest['project']}, by {manifest['by']}")
    ui.say(f"in {result['folder']}" + (f": {result['wrong']}" if result["wrong"] else ""))
    if engine := manifest["engine"]:
        ui.say(f"made on {engine['arch']} with Docker {engine['docker']}, Docker Compose {engine['compose']}")
    rows = [
        [one["file"], size(one["bytes"]), size(one["raw_bytes"]), _counted(one["counts"]),
         " ".join(filter(None, (one["image"], str(one["facts"].get("server") or "").partition(" ")[0])))]
        for one in manifest["artifacts"]
    ]  # fmt: skip
    ui.table(["FILE", "SIZE", "CONTENT", "COUNTED", "MADE FROM"], rows, right=[1, 2])
    for one in manifest["artifacts"]:
        _by_hand(ui, f"to restore {one['file']} without opslib, in that folder:", one["by_hand"])


def verified(ui: Ui, host: HostRecord) -> None:
    """backup.verify."""
    ui.say(f"set {host.result['set']}")
    for one in host.result.get("artifacts", ()):
        mark, style = _SEVERITY["ok" if one["ok"] else "error"]
        how = one["why"] or (f"digest and {one['content']}" if one["content"] else "digest")
        ui.say(f"{one['file']}: {how}", mark=f"{mark} ", mark_style=style)


def _holds(titles: Sequence[str]) -> str:
    kinds = Counter(title.split(" ", 1)[0] for title in titles)
    return ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in kinds.items())


def _counted(counts: dict[str, Any]) -> str:
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
        before = _counted(part["before"] or {}) or "nothing"
        after = _counted(part["after"]) or "nothing counted"
        ui.say(f"{part['part']}: {before} before, {after} now")
    if copy := result.get("safety_copy"):
        ui.say(f"safety copy {copy}; to go back: inv restore --file {copy} --host {host.host}{_all_of(result)}")


def _all_of(result: dict[str, Any]) -> str:
    """A safety copy is of the whole, also where a part was put back."""
    whole = [part["of"] for part in result.get("restored", ()) if part["of"] != part["part"]]
    return f" (that is all of {', '.join(whole)} as it was: what is written there until then is lost)" if whole else ""


# -- cron, host


def cron_job(ui: Ui, host: HostRecord) -> None:
    """cron.install, cron.show, cron.remove."""
    job = host.result
    if job["line"] is None:
        ui.say(f"{host.host}: nothing in the crontab")
        return
    ui.say(f"{host.host}: {job['schedule']}, output in {job['log']}")
    ui.say(f"  {job['line']}", "dim")


def findings(ui: Ui, host: HostRecord) -> None:
    """host.check: a line for each thing that was looked at, and below it what to do."""
    width = max(len(finding["rule"]) for finding in host.result["findings"])
    for finding in host.result["findings"]:
        mark, style = _SEVERITY[finding["severity"]]
        ui.say(f"{finding['rule'].ljust(width)}  {finding['what']}", mark=f"{mark} ", mark_style=style)
        if finding["do"]:
            ui.say(f"{' ' * (width + 4)}{finding['do']}", "dim")


def host_keys(ui: Ui, host: HostRecord) -> None:
    """host.trust."""
    for key in host.result["keys"]:
        how = "is known" if key["known"] else f"written to {key['file']}" if "file" in key else "is not known"
        ui.say(f"{key['machine']}: {key['type']} key {key['fingerprint']} {how}")


def _by_hand(ui: Ui, title: str, commands: Sequence[str]) -> None:
    if commands:
        ui.say(f"\n{title}")
        for command in commands:
            ui.say(f"  {command}", "dim")
