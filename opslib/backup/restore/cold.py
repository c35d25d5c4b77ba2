"""An engine that does not start, because its data are damaged: they are copied as files and put away, the engine makes
itself new ones, and the restore goes on into these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opslib.backup import sets
from opslib.backup.manifest import Manifest
from opslib.backup.restore import runkey
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context, DoesNotStart, Place, from_memo
from opslib.backup.restore.places import mounted
from opslib.backup.unpack import UNPACK
from opslib.command import bash
from opslib.engines.known import ENGINES
from opslib.errors import OpsError
from opslib.run.step import AnyStep, Run, Step
from opslib.target.docker import docker

EMPTY = 'set -eu; cd -- "$1"; find . -mindepth 1 -maxdepth 1 -exec rm -rf -- {} +; sync -f .'

# $1 the folder, $2 the archive, $3 how many parts of its names lead to the folder
REFILL = (
    UNPACK
    + """set -euo pipefail; cd -- "$1"; find . -mindepth 1 -maxdepth 1 -exec rm -rf -- {} +
unpack "$2" | tar -xpf - --strip-components="$3" --numeric-owner --same-owner --acls \\
  --xattrs --xattrs-include='*'; sync -f ."""
)


def look(ctx: Context, chosen: Chosen) -> dict[str, Place]:
    """The services to be restored whose engine does not start, and where it keeps its data.

    Raises OpsError for one that runs and cannot be used: its data are not touched for that.
    """
    found: dict[str, Place] = {}
    for artifact in chosen.artifacts:
        service = artifact.service or ""
        if artifact.kind not in ENGINES or service in found or not ctx.stack().service(service):
            continue
        try:
            ctx.instance(service)
        except DoesNotStart:
            containers = ctx.stack().service(service)
            at = ENGINES[artifact.kind].data(containers[0], artifact.facts)
            place = mounted(ctx, containers[0], at)
            if place.kind == "folder" and place.sub:
                place = Place(kind="folder", source=f"{place.source}/{place.sub}")
            found[service] = Place(kind=place.kind, source=place.source)
    return found


def step(ctx: Context, cold: dict[str, Place]) -> list[AnyStep]:
    """The step that gives each such engine new data; none where all start."""

    def looking(run: Run) -> dict[str, Any]:
        return {
            "project": ctx.project, "tools": ctx.tools, "set": f"{sets.directory(run.target)}/{run.id}",
            "mark": mark(run), runkey.KEY: run.facts.get(runkey.KEY, ""),
            "engines": [{"service": name, "kind": place.kind, "source": place.source} for name, place in cold.items()],
        }  # fmt: skip

    def do(run: Run, memo: dict[str, Any]) -> str:
        run.target.run(bash(': >"$1" && sync -- "$1"', memo["mark"]))
        for service, place in cold.items():
            _stop(ctx, service)
            run.target.run(ctx.script(EMPTY, place))
            ctx.instance(service, fresh=True)
        return f"{', '.join(cold)} started with new data"

    return [Step("new data folder", looking, do, put_back)] if cold else []


def mark(run: Run) -> str:
    return f"{run.target.state}/emptied.{run.id}"


def put_back(run: Run, memo: dict[str, Any]) -> None:
    """Put the old files back from the safety copy, if they were taken away."""
    if run.target.run(bash('[ -e "$1" ] || echo no', memo["mark"])).text:
        return
    ctx = from_memo(run.target, memo)
    manifest = sets.find(run.target, memo["set"]).manifest
    for engine in memo["engines"]:
        _stop(ctx, engine["service"])
        place = Place(kind=engine["kind"], source=engine["source"])
        file = _archive(manifest, place)
        parts = "0" if place.kind == "volume" else "2"  # ./NAME/
        archive = ctx.set_path(memo["set"], file)
        run.target.run(ctx.script(REFILL, place, archive, parts, set_folder=memo["set"]))
    forget(run, memo["mark"])


def forget(run: Run, mark: str) -> None:
    """Nothing is to be put back any more."""
    run.target.run(bash('rm -f -- "$1"', mark))


def _archive(manifest: Manifest | None, place: Place) -> str:
    for artifact in manifest.artifacts if manifest else ():
        facts = artifact.facts
        if place.kind == "volume" and artifact.kind == "volume" and facts.get("volume") == place.source:
            return artifact.file
        if artifact.kind == "files" and f"{facts['base'].rstrip('/')}/{facts['paths'][0]}" == place.source:
            return artifact.file
    raise OpsError(f"the copy of {place.source} is gone")


def _stop(ctx: Context, service: str) -> None:
    ids: Sequence[str] = [one.id for one in ctx.stack(fresh=True).service(service)]
    ctx.target.run(docker(ctx.target.host, "stop", *ids, limit=900))
