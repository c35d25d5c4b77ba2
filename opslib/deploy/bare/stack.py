"""Networks, volumes and containers, made by Docker Compose itself; and the databases started alone."""

from __future__ import annotations

import time
from typing import Any

from opslib.backup.restore.cold import EMPTY
from opslib.backup.restore.context import Place, from_memo
from opslib.command import bash
from opslib.compose import services
from opslib.compose.health import wait_healthy
from opslib.compose.project import Project
from opslib.compose.script import docker_script
from opslib.compose.stack import Stack, look
from opslib.deploy import switch
from opslib.deploy.bare.free import destinations
from opslib.deploy.bare.look import Bare
from opslib.deploy.files import relative
from opslib.deploy.preflight import parse_listeners
from opslib.engines.instance import Instance
from opslib.errors import OpsError
from opslib.run.step import Run, Step
from opslib.target.base import Target
from opslib.target.docker import exec_in

Memo = dict[str, Any]

# $1 the project, $2 how many networks stay; those, then the volumes that go. -v: volumes without a name go along.
_AWAY = """l="label=com.docker.compose.project=$1"; n=$2; shift 2; stay=" ${*:1:n} "; shift "$n"
ids=$(docker ps -aq --no-trunc --filter "$l") || exit; [ -z "$ids" ] || docker rm -f -v $ids >/dev/null || exit
for name in $(docker network ls --filter "$l" --format '{{.Name}}'); do
  case $stay in *" $name "*) ;; *) docker network rm "$name" >/dev/null || exit ;; esac
done
for v in "$@"; do docker volume rm --force -- "$v" >/dev/null || exit; done"""
_ABSENT = 'cd -- "$1" || exit; shift; for p in "$@"; do [ -e "./$p" ] || printf "%s\\0" "$p"; done; true'
_EMPTY_FOLDERS = """cd -- "$1" || exit; shift
for p in "$@"; do [ ! -d "./$p" ] || find "./$p" -depth -type d -empty -delete; done"""
_SOCKETS = "echo '# sockets'; cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; true"


def create_step(bare: Bare) -> Step[Memo]:
    """Make everything that Compose makes, and start nothing. From here on the undo knows what was there before."""
    seen, ctx = bare.seen, bare.ctx

    def look_first(run: Run) -> Memo:
        there = {one.name for one in seen.stack.all_volumes}
        made = sorted({one.name for one in seen.project.volumes.values() if not one.external} - there)
        return {
            "project": seen.name, "tools": ctx.tools, "release": run.id, "volumes": made, "empty": list(bare.empty),
            "networks": list(seen.stack.networks), "services": sorted(seen.project.services),
            "running": needs(seen.project, bare.databases), "folders": _absent(run.target, bare),
        }  # fmt: skip

    def do(run: Run, memo: Memo) -> str:
        for base, _ in destinations(ctx, bare.chosen):
            if relative(base, run.target.root) is not None:
                run.target.run(bash('mkdir -p -- "$1"', base))
        services.create(run.target, switch.released(run.target, seen.name, run.id))
        return show(memo)

    def show(memo: Memo) -> str:
        volumes = f", volumes {', '.join(memo['volumes'])}" if memo["volumes"] else ""
        return f"containers of {', '.join(memo['services'])}, their networks{volumes}"

    return Step("create", look_first, do, away, show=show)


def away(run: Run, memo: Memo) -> None:
    """Take away what the run has made, and nothing that was there before. Raises OpsError where somebody has started
    the services since: then there may be data in them that nobody else has."""
    target, ctx = run.target, from_memo(run.target, memo)
    stack = look(target, memo["project"])
    others = sorted({one.service for one in stack.running} - set(memo["running"]))
    if others:
        raise OpsError(
            f"{', '.join(others)} were started by somebody since: what the run has made stays",
            host=run.host,
            next=f"docker stop them to have it taken away; to keep it, remove {target.state}/run.log there",
        )
    made = [name for name in memo["volumes"] if _is(stack, name, memo["project"])]
    networks = memo["networks"]
    target.run(docker_script(target.host, _AWAY, memo["project"], str(len(networks)), *networks, *made, limit=300))
    for name in memo["empty"]:  # proven empty before: all that is in it came with this run
        target.run(ctx.script(EMPTY, Place(kind="volume", source=name)))
    run.note("taken away again: the containers and networks that the run had made"
             + (f", the volumes {', '.join(made)}" if made else ""))  # fmt: skip
    if memo["folders"]:
        target.run(ctx.script(_EMPTY_FOLDERS, Place(kind="folder", source=target.root), *memo["folders"]))


def _is(stack: Stack, name: str, project: str) -> bool:
    volume = stack.volume(name)
    return volume is not None and volume.project == project


def _absent(target: Target, bare: Bare) -> list[str]:
    """The folders of the project that are not there, and that the engine or this run will make."""
    sources = {one.source for service in bare.seen.project.services.values() for one in service.mounts
               if one.type == "bind"}  # fmt: skip
    sources |= {base for base, _ in destinations(bare.ctx, bare.chosen)}
    paths = sorted({path for one in sources if (path := relative(one, target.root))})
    printed = target.run(bash(_ABSENT, target.root, *paths)).out if paths else b""
    return [path for path in printed.decode("utf-8", "surrogateescape").split("\0") if path]


def needs(project: Project, names: tuple[str, ...]) -> list[str]:
    """The services and whatever they depend on, as deep as it goes."""
    found: list[str] = []
    todo = list(names)
    while todo:
        name = todo.pop(0)
        if name in project.services and name not in found:
            found.append(name)
            todo += project.services[name].depends_on
    return sorted(found)


def databases_step(bare: Bare) -> Step[Memo]:
    """Start the databases alone, and wait until they are themselves: a new one is set up by a server of its own,
    which is soon gone."""
    names = list(bare.databases)

    def look_first(run: Run) -> Memo | None:
        return {"services": needs(bare.seen.project, bare.databases)} if names else None

    def do(run: Run, memo: Memo) -> str:
        target, deploy = run.target, run.target.host.deploy
        project = switch.released(target, bare.seen.name, run.id)
        services.up(target, project, names)
        checks = switch.checks(target.host, dict.fromkeys(names))
        wait_healthy(target, project, names, checks=checks, stable=deploy.stable, timeout=deploy.timeout)
        for name in names:
            _settled(bare, name, deploy.timeout)
        bare.ctx.stack(fresh=True)
        return ", ".join(memo["services"])

    return Step("start databases", look_first, do, show=lambda memo: f"{', '.join(memo['services'])}, alone")


def _settled(bare: Bare, service: str, timeout: float) -> None:
    """Wait until the server takes connections from others: while an image sets its data up, it takes none. One that
    is told never to is used as it is after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        at = bare.ctx.instance(service, fresh=True)
        if _listens(bare.ctx.target, at) or time.monotonic() > deadline:
            return
        time.sleep(0.5)


def _listens(target: Target, at: Instance) -> bool:
    said = target.run(exec_in(target.host, at.container, "sh", "-c", _SOCKETS), check=False)
    if not said.ended.ok:
        return True
    return any(one.port == at.port and one.address != "::1" and not one.address.startswith("127.")
               for one in parse_listeners(said.text))  # fmt: skip
