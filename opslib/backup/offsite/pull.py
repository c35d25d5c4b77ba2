"""Bringing a set from a store back to the host.

An artifact has its name in the stage once all of it has arrived. So a pull that was broken off leaves what is whole,
and the next one goes on with the artifact at which it was; to readers there is no set before all of them are there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opslib.backup import staging
from opslib.backup.manifest import FILE, decode
from opslib.backup.offsite.place import Offsite, chosen
from opslib.backup.pack import LONG
from opslib.backup.sets import SetInfo, choose, list_sets
from opslib.backup.space import make_room
from opslib.backup.verify import digests
from opslib.command import bash
from opslib.errors import OpsError
from opslib.run.step import AnyStep, Recovery, Run, Step, recoveries
from opslib.stores.store import Content, Store
from opslib.target.transfer import fill, put_bytes

Memo = dict[str, Any]

_WRITE = """set -eu; umask 027; rm -f -- "$1.part"; cat >"$1.part"; chmod 0440 -- "$1.part"; sync -- "$1.part"
mv -fT -- "$1.part" "$1\""""
# $1 the stage, then the files that stay.
_ONLY = """set -eu; shopt -s nullglob dotglob; cd -- "$1"; shift
for f in *; do for keep in "$@"; do [ "$f" != "$keep" ] || continue 2; done; rm -rf -- "$f"; done"""
# $1 the stage. Prints how many artifacts are left in it; a stage without any goes.
_HALF = """set -eu; shopt -s nullglob dotglob; cd -- "$1" 2>/dev/null || exit 0
rm -f -- *.part manifest.json; files=(*)
if [ "${#files[@]}" -gt 0 ]; then echo "${#files[@]}"; else rmdir -- "$1"; fi"""


def steps(run: Run, wanted: str, store: str | None, *, hidden: bool = False) -> list[AnyStep]:
    """The step of `backup.pull`. The first store of the host file that has the set whole is taken; with `hidden` as it
    was filled, also what has been deleted or written over there. Raises OpsError."""
    specs = chosen(run.target.host, store)

    def look(run: Run) -> Memo | None:
        place, one = _find(run, wanted, [Offsite(run, spec, hidden=hidden) for spec in specs])
        mine = next((other for other in list_sets(run.target) if other.id == one.id), None)
        run.result.update(set=one.id, store=place.called)
        if mine is not None and mine.whole and mine.manifest == one.manifest:
            run.note(f"{one.id} is here already, in {mine.folder}")
            return None
        if mine is not None and not mine.wrong.startswith("it is being made"):
            why = mine.wrong or mine.damaged or "it is another set of the same name"
            raise OpsError(f"{mine.folder} is there: {why}", host=run.host, next="move it away, then pull again")
        stage, size = staging.stage_folder(run.target, one.id), one.manifest.bytes if one.manifest else 0
        far = not run.target.host.is_local
        return {"store": place.called, "set": one.id, "stage": stage, "bytes": size, "far": far, "hidden": hidden}

    def do(run: Run, memo: Memo) -> str:
        with Offsite(run, chosen(run.target.host, memo["store"])[0], hidden=memo["hidden"]) as place:
            kept, came = _bring(place, memo["set"], memo["stage"])
        run.result["folder"] = staging.publish(run.target, memo["stage"], memo["set"])
        run.result.update(bytes=memo["bytes"], brought=came, kept=kept)
        return f"{came} bytes from {memo['store']}" + (f", {len(kept)} artifacts were here already" if kept else "")

    return [Step("backup.pull", look, do, _undo, show=_show)]


def _undo(run: Run, memo: Memo) -> None:
    """What is half goes. Idempotent."""
    whole = run.target.run(bash(_HALF, memo["stage"], limit=600)).text
    if whole:
        hidden = " --hidden" if memo.get("hidden") else ""  # a note of an older opslib does not say
        again = f"inv backup.pull --set {memo['set']}{hidden} --host {run.host}"
        what = f"{whole} artifacts that arrived whole wait in {memo['stage']} until the next backup"
        run.note(f"{what}; to go on with them: {again}", warning=True)


def _show(memo: Memo) -> str:
    way = ", through this machine" if memo["far"] else ""
    which = ", as it was first sent there" if memo["hidden"] else ""
    return f"{memo['set']}, {memo['bytes']} bytes, from {memo['store']}{way}{which}"


def _find(run: Run, wanted: str, places: list[Offsite]) -> tuple[Offsite, SetInfo]:
    """The newest set that is meant, and the first store that has it whole."""
    found: list[tuple[Offsite, SetInfo]] = []
    said: list[str] = []
    for place in places:
        try:
            with place:
                one = choose(place.sets(), wanted, run.host)
        except OpsError as error:
            said.append(f"{place.url}: {error.what}")
            continue
        if one.whole:
            found.append((place, one))
        else:
            said.append(f"{one.folder} is no whole set: {one.wrong or one.damaged}")
    if not found:
        raise OpsError(
            "\n    ".join(said), host=run.host, left="everything",
            next="inv backup.list shows what is where; `folder:` of a store names the host's folder there; --hidden "
            "sees what was deleted or written over in a bucket with versions",
        )  # fmt: skip
    for text in said:
        run.note(text, warning=True)
    return max(found, key=lambda pair: pair[1].manifest.created if pair[1].manifest else "")


def _bring(place: Offsite, set_id: str, stage: str) -> tuple[list[str], int]:
    """Fill the stage. Returns the files that were there already, and the bytes that came."""
    target = place.run.target
    text = place.read(set_id, FILE)
    manifest = decode(text, f"{place.url}/{set_id}/{FILE}")
    make_room(target, 0)  # its folder is there
    staging.go_on(target, stage)
    kept = [file for file, wrong in digests(target, stage, manifest.artifacts).items() if not wrong]
    target.run(bash(_ONLY, stage, *kept, limit=600))
    missing = [one for one in manifest.artifacts if one.file not in kept]
    make_room(target, sum(one.bytes for one in missing))
    for artifact in missing:
        content = Content(artifact.bytes, artifact.sha256)
        place.ask(_receiving(place, set_id, artifact.file, content, f"{stage}/{artifact.file}"))
    wrong = [f"{file}: {what}" for file, what in digests(target, stage, missing).items() if what]
    if wrong:
        raise OpsError("what arrived reads back as something else: " + "\n    ".join(wrong), host=place.run.host)
    put_bytes(target, text, f"{stage}/{FILE}", mode=0o440)
    return kept, sum(one.bytes for one in missing)


def _receiving(place: Offsite, set_id: str, file: str, content: Content, path: str) -> Callable[[Store], None]:
    def work(store: Store) -> None:
        passing = place.passing(file, content.bytes)

        def give(write: Callable[[bytes], None]) -> None:
            def sink(block: bytes) -> None:
                passing.take(block)
                write(block)

            store.get(place.key(set_id, file), sink)
            passing.check(content, f"{place.url}/{set_id}/{file}")

        fill(place.run.target, bash(_WRITE, path, limit=LONG), give)

    return work


RECOVERIES: dict[str, Recovery] = recoveries(Step("backup.pull", lambda run: None, lambda run, memo: None, _undo))
"""What the next run needs of a set that an earlier one left half brought."""
