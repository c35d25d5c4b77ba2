"""Making a backup set: found, staged, one artifact after the other, published last; then what is outdated goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from opslib.backup.found import Found
from opslib.backup.manifest import FILE, KINDS, Artifact, Engine, Kind, Manifest, encode
from opslib.backup.pack import remove_command
from opslib.backup.prune import outdated
from opslib.backup.sets import directory, list_sets
from opslib.backup.source import Source, Stage
from opslib.backup.sources import find, find_here
from opslib.backup.space import check_room
from opslib.command import bash
from opslib.errors import OpsError, Unhealthy
from opslib.events import Progress
from opslib.run.record import Record, failed, now
from opslib.run.step import AnyStep, NotYet, Recovery, Run, Step, recoveries
from opslib.target.transfer import put_bytes

if TYPE_CHECKING:
    from opslib.target.base import Target

_FACTS = "backup"
_DIGESTS = 4 * 3600.0  # seconds to read a set back


@dataclass(frozen=True, slots=True)
class Options:
    """`kinds` (empty: all) and `pick` choose among the sources that are found. `here` is this machine's engine, for the
    tools image. `prune`: whether outdated sets go afterwards. `safety`: it is the safety copy of a restore."""

    kinds: tuple[Kind, ...] = ()
    pick: Callable[[Source], bool] = lambda source: True
    here: Target | None = None
    prune: bool = True
    safety: bool = False


@dataclass(slots=True)
class _Work:
    """What one step learnt for the next."""

    found: Found
    tools: str = ""
    project: str = ""
    engine: Engine | None = None
    release: str | None = None
    began: float = field(default_factory=time.monotonic)
    stage: Stage | None = None
    artifacts: list[Artifact] = field(default_factory=list)
    safety: bool = False


def steps(run: Run, options: Options | None = None) -> list[AnyStep]:
    """The steps of a backup. The set's id is the run's; it stands in the result as `set`, beside what was made."""
    chosen = options or Options()
    made = [_prepare(chosen), *(_kind(kind) for kind in chosen.kinds or KINDS), _publish()]
    return [*made, _prune()] if chosen.prune else made


def judge(record: Record) -> None:
    """Turn data that nothing covers into a finding (exit 3): the set is there, and it is not all."""
    for host in record.hosts:
        missing = host.result.get("uncovered") or []
        if host.ok and missing:
            what = "; ".join(one["what"] for one in missing)
            failed(host, Unhealthy(f"nothing backs up {what}", left=f"the set {host.result['set']} holds the rest",
                                   next=missing[0]["do"]))  # fmt: skip


def found(run: Run) -> Found:
    """What the first step found."""
    return run.facts[_FACTS].found  # type: ignore[no-any-return]


# -- finding and staging


def _prepare(options: Options) -> Step[Any]:
    def look(run: Run) -> dict[str, Any]:
        if run.plan:
            run.facts[_FACTS] = work = _look(run, options, ship=False)
            return {"stage": _stage_folder(run), "sources": [one.title for one in work.found.sources]}
        return {"stage": _stage_folder(run)}

    def do(run: Run, memo: dict[str, Any]) -> str:
        run.facts[_FACTS] = work = _look(run, options, ship=True)
        work.safety = options.safety
        for warning in work.found.warnings:
            run.note(warning, warning=True)
        reserve = check_room(run.target, work.found.sources)

        def moved(what: str, done: int) -> None:
            run.target.tell(Progress(run.host, what, done))

        run.target.run(bash(_MAKE, directory(run.target), memo["stage"]))
        work.stage = Stage(run.target, memo["stage"], work.tools, reserve, moved)
        return f"{len(work.found.sources)} sources"

    return Step("backup.prepare", look, do, undo=_remove_stage, show=lambda memo: ", ".join(memo["sources"]))


# What an earlier run left half done goes: under the lock, nobody else is writing here.
_MAKE = """set -eu; umask 007; cd -- "$1"; for d in .*.part; do [ ! -d "$d" ] || rm -rf -- "$d"; done; mkdir -- "$2\""""


def _stage_folder(run: Run) -> str:
    return f"{directory(run.target)}/.{run.id}.part"


def _remove_stage(run: Run, memo: dict[str, Any]) -> None:
    run.target.run(remove_command(memo["stage"]))


def _look(run: Run, options: Options, *, ship: bool) -> _Work:
    target = run.target
    if target.host.is_local and not target.host.compose:
        work = _Work(find_here(target), project=target.host.project or target.root.rsplit("/", 1)[-1])
    else:
        work = _look_at_stack(run, options, ship=ship)
    found = work.found
    found.sources = [one for one in found.sources if options.pick(one)]
    if options.kinds:
        found.sources = [one for one in found.sources if one.kind in options.kinds]
        found.uncovered.clear()
    if not found.sources:
        what = " or ".join(options.kinds) or "nothing"
        raise OpsError(
            f"there is {what if not options.kinds else 'no ' + what} to back up in project {work.project}",
            host=run.host,
            next="inv ps shows what runs; `backup: sources:` in the host file names what looking does not find",
        )
    return work


def _look_at_stack(run: Run, options: Options, *, ship: bool) -> _Work:
    from opslib.compose.engine import look_at_engine
    from opslib.compose.recognise import recognise_project
    from opslib.compose.stack import look
    from opslib.state import releases

    target = run.target
    engine = look_at_engine(target)
    tools = _tools(target, options.here, ship=ship)
    project = recognise_project(target, target.host)
    stack = look(target, project)
    current = releases.current(releases.read(target))
    return _Work(
        find(target, stack, tools, options.kinds or KINDS), tools, project,
        Engine(docker=engine.version, compose=engine.compose_version, arch=engine.arch),
        current.id if current else None,
    )  # fmt: skip


def _tools(target: Target, here: Target | None, *, ship: bool) -> str:
    from opslib.images.info import images_of
    from opslib.images.tools import ensure_tools, tools_tag

    if ship:
        return ensure_tools(target, here)
    tag = target.host.tools_image or tools_tag()
    if tag not in images_of(target, [tag]):
        raise NotYet("what there is to back up, once the tools image is there to look with")
    return tag


# -- the artifacts


def _kind(kind: Kind) -> Step[Any]:
    def mine(run: Run) -> Sequence[Source]:
        if _FACTS not in run.facts:
            raise NotYet(f"the {kind} sources")
        return [one for one in run.facts[_FACTS].found.sources if one.kind == kind]

    def look(run: Run) -> dict[str, Any] | None:
        sources = mine(run)
        return {"sources": [one.title for one in sources]} if sources else None

    def do(run: Run, memo: dict[str, Any]) -> str:
        work: _Work = run.facts[_FACTS]
        made: list[Artifact] = []
        for source in mine(run):
            assert work.stage is not None
            made += source.take(work.stage)
        if work.safety:
            made = [replace(one, facts={**one.facts, "safety": True}) for one in made]
        for artifact in made:
            for warning in artifact.facts.get("warnings", ()):
                run.note(f"{artifact.title}: {warning}", warning=True)
        work.artifacts += made
        return f"{len(made)} artifacts, {sum(one.bytes for one in made)} bytes"

    return Step(f"backup.{kind}", look, do, show=lambda memo: ", ".join(memo["sources"]))


# -- publishing

# The digests are read back from the disk before the manifest says them.
_CHECK = 'cd -- "$1" && sha256sum --check --quiet --strict'
_RENAME = 'sync -- "$1"/* "$1" && mv -T -- "$1" "$2" && sync -- "$(dirname -- "$2")"'


def _publish() -> Step[Any]:
    def look(run: Run) -> dict[str, Any]:
        return {"stage": _stage_folder(run), "set": f"{directory(run.target)}/{run.id}"}

    def do(run: Run, memo: dict[str, Any]) -> str:
        work: _Work = run.facts[_FACTS]
        listing = "".join(f"{one.sha256}  {one.file}\n" for one in work.artifacts)
        run.target.run(bash(_CHECK, memo["stage"], feed=listing.encode(), limit=_DIGESTS))
        manifest = _manifest(run, work)
        put_bytes(run.target, encode(manifest), f"{memo['stage']}/{FILE}", mode=0o440)
        run.target.run(bash(_RENAME, memo["stage"], memo["set"], limit=600))
        run.result.update(_result(manifest, memo["set"], work))
        return f"{manifest.id}, {manifest.bytes} bytes"

    return Step("backup.publish", look, do, show=lambda memo: memo["set"])


def _manifest(run: Run, work: _Work) -> Manifest:
    import getpass
    import socket

    return Manifest(
        id=run.id, created=now(), host=run.host, project=work.project, by=f"{getpass.getuser()}@{socket.gethostname()}",
        opslib=metadata.version("opslib"), engine=work.engine, release=work.release,
        seconds=round(time.monotonic() - work.began, 3), artifacts=tuple(work.artifacts),
    )  # fmt: skip


def _result(manifest: Manifest, folder: str, work: _Work) -> dict[str, Any]:
    names = ("file", "kind", "name", "service", "bytes", "raw_bytes", "counts")
    told = [text for one in manifest.artifacts for text in one.facts.get("warnings", ())]
    return {
        "set": manifest.id, "folder": folder, "bytes": manifest.bytes,
        "raw_bytes": sum(one.raw_bytes for one in manifest.artifacts), "seconds": manifest.seconds,
        "artifacts": [{name: getattr(one, name) for name in names} for one in manifest.artifacts],
        "uncovered": [{"service": one.service, "what": one.what, "do": one.do} for one in work.found.uncovered],
        "warnings": [*work.found.warnings, *told],
    }  # fmt: skip


# -- pruning


def _prune() -> Step[Any]:
    return Step("backup.prune", _outdated, _remove, final=True, show=lambda memo: ", ".join(memo["gone"]))


def _outdated(run: Run) -> dict[str, Any] | None:
    if run.plan:
        raise NotYet("which sets are outdated, once the new one is verified")
    gone = outdated(list_sets(run.target), run.target.host.backup.keep.last)
    return {"gone": [one.folder for one in gone]} if gone else None


def _remove(run: Run, memo: dict[str, Any]) -> str:
    for folder in memo["gone"]:
        run.target.run(remove_command(folder))
    run.result["pruned"] = [folder.rsplit("/", 1)[-1] for folder in memo["gone"]]
    return f"{len(memo['gone'])} sets"


RECOVERIES: dict[str, Recovery] = recoveries(_prepare(Options()), _prune())
"""What the next run needs of the steps that an earlier one left behind."""
