"""Making a backup set: found, staged, one artifact after the other, published last; then what is outdated goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from opslib.backup import byhand, keys, prune, staging, window
from opslib.backup.look import Options, Work, consistent, look_for
from opslib.backup.manifest import FILE, KINDS, Artifact, Kind, Manifest, encode
from opslib.backup.offsite import push
from opslib.backup.sets import SetInfo, directory, list_sets
from opslib.backup.source import Snapshots, Source, Stage, finished
from opslib.backup.space import check_room
from opslib.errors import Unhealthy
from opslib.events import Progress
from opslib.run.record import Record, failed, now
from opslib.run.step import AnyStep, NotYet, Recovery, Run, Step, recoveries
from opslib.target.transfer import put_bytes

__all__ = ["RECOVERIES", "Options", "judge", "steps"]
_FACTS = "backup"


def steps(run: Run, options: Options | None = None) -> list[AnyStep]:
    """The steps of a backup. The set's id is the run's; it stands in the result as `set`, beside what was made."""
    chosen = options or Options()
    made = [_prepare(chosen), *_copies(run, chosen), _publish()]
    if not chosen.prune:
        return made
    return [*made, *([push.after_backup()] if run.target.host.backup.stores else []), prune.after_backup()]


def _copies(run: Run, options: Options) -> list[AnyStep]:
    """A step for each kind, and before the volumes one for all that is copied while its writers stand still; before
    everything for one point in time: what has its snapshot by then is copied when they have gone on."""
    kinds = options.kinds or KINDS
    made: list[AnyStep] = [_kind(kind) for kind in kinds]
    held = [window.hold(_FACTS), _copy("backup.held", _held, begins=True), window.release()]
    if consistent(run.target.host, options):
        return [*held, *made]
    if "volume" in kinds and not options.safety and window.wanted(run.target.host):
        at = list(kinds).index("volume")
        made[at:at] = held
    return made


def judge(record: Record) -> None:
    """Turn a service that did not come back after it was held, and a store that did not get its copy, into an error,
    data that nothing covers into a finding (exit 3): the set is there, and it is not all."""
    for host in record.hosts:
        broken = window.not_back(host.result, host.host) if host.ok else None
        if broken:
            failed(host, broken)
        missing = host.result.get("uncovered") or []
        push.judge(host)
        moved = window.went_on(host.result)
        if host.ok and moved:
            failed(host, moved)
        if host.ok and missing:
            what = "; ".join(one["what"] for one in missing)
            failed(host, Unhealthy(f"nothing backs up {what}", left=f"the set {host.result['set']} holds the rest",
                                   next=missing[0]["do"]))  # fmt: skip


# -- finding and staging


def _prepare(options: Options) -> Step[Any]:
    def look(run: Run) -> dict[str, Any]:
        if run.plan:
            run.facts[_FACTS] = work = look_for(run, options, ship=False)
            return {"stage": _stage_folder(run), "sources": [one.title for one in work.found.sources]}
        return {"stage": _stage_folder(run)}

    def do(run: Run, memo: dict[str, Any]) -> str:
        run.facts[_FACTS] = work = look_for(run, options, ship=True)
        work.safety = bool(options.safety)
        for warning in work.found.warnings:
            run.note(warning, warning=True)
        sets = list_sets(run.target)
        work.recipients = _recipients(run, sets)
        reserve = check_room(run.target, work.found.sources, sets)

        def moved(what: str, done: int) -> None:
            run.target.tell(Progress(run.host, what, done))

        staging.make(run.target, memo["stage"])
        also = run.facts.get(keys.OF_THE_RUN)  # of a restore, which has to read its own safety copy
        to = (*work.recipients, *([also] if also and work.recipients else []))
        work.stage = Stage(run.target, memo["stage"], work.tools, reserve, moved, to)
        return f"{len(work.found.sources)} sources"

    return Step("backup.prepare", look, do, undo=_remove_stage, show=lambda memo: ", ".join(memo["sources"]))


def _recipients(run: Run, sets: Sequence[SetInfo]) -> tuple[str, ...]:
    """The public keys that the set is encrypted to; that they are others than before is said. Raises OpsError as
    `keys.refuse_in_clear`."""
    before = next((one.manifest.recipients for one in reversed(sets) if one.whole and one.manifest), ())
    wanted = keys.refuse_in_clear(run.target, before)
    if before and set(before) != set(wanted):
        now = f"encrypted to {', '.join(wanted)}" if wanted else "in clear"
        run.note(f"from this set on sets are {now}; those before were encrypted to {', '.join(before)}", warning=True)
    return wanted


def _stage_folder(run: Run) -> str:
    return staging.stage_folder(run.target, run.id)


def _remove_stage(run: Run, memo: dict[str, Any]) -> None:
    for begun in run.facts[_FACTS].begun.values() if _FACTS in run.facts else ():
        begun.close()
    staging.remove(run.target, memo["stage"])


# -- the artifacts


def _kind(kind: Kind) -> Step[Any]:
    def live(work: Work) -> list[Source]:
        apart = _held(work)
        return [one for one in work.found.sources if one.kind == kind and one not in apart]

    return _copy(f"backup.{kind}", live)


def _held(work: Work) -> list[Source]:
    return window.held(work.found.sources, consistent=work.consistent)


def _copy(name: str, choose: Callable[[Work], list[Source]], *, begins: bool = False) -> Step[Any]:
    """A step that copies the sources. `begins`: and then begins the copies of all others that have snapshots, for one
    point in time; they are the last, so that what takes long has not to share the machine with them."""

    def mine(run: Run) -> tuple[list[Source], list[tuple[Source, Snapshots]]]:
        if _FACTS not in run.facts:
            raise NotYet("what there is to copy")
        work: Work = run.facts[_FACTS]
        first = work.found.sources if begins and work.consistent else ()
        return choose(work), [(one, one) for one in first if isinstance(one, Snapshots)]

    def look(run: Run) -> dict[str, Any] | None:
        sources, later = mine(run)
        titles = [one.title for one in sources] + [f"snapshot of {one.title}" for one, _ in later]
        return {"sources": titles} if titles else None

    def do(run: Run, memo: dict[str, Any]) -> str:
        work: Work = run.facts[_FACTS]
        made: list[Artifact] = []
        sources, later = mine(run)
        assert work.stage is not None
        for source in sources:
            begun = work.begun.pop(source.stem, None)
            new = finished(begun) if begun else source.take(work.stage)
            made += [_as_written(work, work.stage, one) for one in new]
        for source, snapshots in later:
            work.begun[source.stem] = snapshots.begin(work.stage)
        if work.safety:
            made = [replace(one, facts={**one.facts, "safety": True}) for one in made]
        for artifact in made:
            for warning in artifact.facts.get("warnings", ()):
                run.note(f"{artifact.title}: {warning}", warning=True)
        work.artifacts += made
        return f"{len(made)} artifacts, {sum(one.bytes for one in made)} bytes"

    return Step(name, look, do, show=lambda memo: ", ".join(memo["sources"]))


def _as_written(work: Work, stage: Stage, one: Artifact) -> Artifact:
    """An artifact with what its source did not have to know."""
    one = replace(one, image=work.images.get(one.image or "", one.image), file=stage.named(one.file))
    return replace(one, by_hand=(byhand.KEY, *one.by_hand)) if stage.recipients else one


# -- publishing


def _publish() -> Step[Any]:
    def look(run: Run) -> dict[str, Any]:
        return {"stage": _stage_folder(run), "set": f"{directory(run.target)}/{run.id}"}

    def do(run: Run, memo: dict[str, Any]) -> str:
        work: Work = run.facts[_FACTS]
        manifest = _manifest(run, work)
        put_bytes(run.target, encode(manifest), f"{memo['stage']}/{FILE}", mode=0o440)
        run.result.update(_result(manifest, staging.publish(run.target, memo["stage"], run.id), work))
        return f"{manifest.id}, {manifest.bytes} bytes"

    return Step("backup.publish", look, do, show=lambda memo: memo["set"])


def _version() -> str:
    try:
        return metadata.version("opslib")
    except metadata.PackageNotFoundError:  # run from its source folder
        return "unknown"


def _manifest(run: Run, work: Work) -> Manifest:
    import getpass
    import socket

    who = f"{getpass.getuser()}@{socket.gethostname()}"
    return Manifest(
        id=run.id, created=now("microseconds"), host=run.host, project=work.project,
        root=run.target.root, by=who,
        opslib=_version(), engine=work.engine, release=work.release, recipients=work.recipients,
        consistent=window.moment(run) if work.consistent else None,
        seconds=round(time.monotonic() - work.began, 3), artifacts=tuple(work.artifacts),
    )  # fmt: skip


def _result(manifest: Manifest, folder: str, work: Work) -> dict[str, Any]:
    names = ("file", "kind", "name", "service", "bytes", "raw_bytes", "counts")
    told = [text for one in manifest.artifacts for text in one.facts.get("warnings", ())]
    return {
        "set": manifest.id, "folder": folder, "bytes": manifest.bytes,
        "raw_bytes": sum(one.raw_bytes for one in manifest.artifacts), "seconds": manifest.seconds,
        "consistent": to_builtins(manifest.consistent),
        "artifacts": [{name: getattr(one, name) for name in names} for one in manifest.artifacts],
        "uncovered": [{"service": one.service, "what": one.what, "do": one.do} for one in work.found.uncovered],
        "warnings": [*work.found.warnings, *told],
    }  # fmt: skip


RECOVERIES: dict[str, Recovery] = {
    **recoveries(_prepare(Options()), window.hold(_FACTS)),
    **prune.RECOVERIES,
    **push.RECOVERIES,
}
"""What the next run needs of the steps that an earlier one left behind."""
