"""What a deploy to a Swarm knows before it begins, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from opslib.compose import swarm
from opslib.compose.project import Project
from opslib.compose.stack import Stack
from opslib.compose.swarm import Swarm
from opslib.deploy.render import Config
from opslib.deploy.swarm import objects, render
from opslib.errors import BadSettings, OpsError
from opslib.run.step import Run
from opslib.state.releases import SWARM, Release


def look(run: Run, project: str) -> Swarm:
    """The Swarm that the host decides over. Raises OpsError where there is none, or it is one of several nodes."""
    seen, host = swarm.look(run.target, project), run.host
    if seen.state != "active":
        live = (
            ", and `live-restore` is on in its daemon.json, with which it can be in none" if seen.live_restore else ""
        )
        raise OpsError(f"the machine is in no Swarm ({seen.state}){live}", host=host, left="everything",
                       next=f"inv host.swarm --host {host} forms one of this node")  # fmt: skip
    if not seen.manager:
        raise OpsError("the machine is a worker of its Swarm: it decides nothing there", host=host, left="everything",
                       next="`address:` in the host file: a manager")  # fmt: skip
    if len(seen.nodes) > 1:
        raise OpsError(
            f"the Swarm has {len(seen.nodes)} nodes ({', '.join(seen.nodes)}), and opslib brings images, files and "
            "data to one: tasks on the others would find none of them", host=host, left="everything",
            next="docker node rm those that are gone; deploy to a Swarm of several nodes by hand",
        )  # fmt: skip
    return seen


def prepared(
    run: Run, project: str, config: Config, here: Path, env: bytes
) -> tuple[Config, Swarm, dict[render.Key, bytes]]:
    """The stack as a Swarm can have it, each secret and config named by what it holds; the Swarm; and what they hold.
    `here` is the project's folder on this machine, `env` the text of its env file.

    Raises BadSettings and OpsError for what cannot go well; says what a Swarm has no use for.
    """
    seen, spec = look(run, project), run.target.host.deploy
    render.refuse(config, spec.single, run.host)
    objects.refuse_absent(config, seen, run.host)
    if run.plan and spec.proxy is not None:
        run.note("`deploy: proxy:` has no part in the strategy swarm: tasks are found by their names")
    for name, keys in render.ignored(config).items():
        run.note(f"{name}: a Swarm has no {', '.join(keys)}", warning=True)
    contents = objects.contents(run.target, config, here, env)
    return render.versioned(render.without_order(config), contents), seen, contents


def new_ports(seen: Swarm | None, project: Project, services: Iterable[str]) -> list[str]:
    """The services whose ports somebody else could have: those that the Swarm publishes for them are its own."""
    held = {str(number) for one in seen.services.values() for number, _ in one.ports} if seen else set()
    return [name for name in services if not {port.published for port in project.services[name].ports} <= held]


def refuse_other_way(strategy: str, stack: Stack, host: str) -> None:
    """Raises OpsError where the project runs in the other of both ways: its volumes would have two writers."""
    tasks = sorted({one.service for one in stack.containers if one.task})
    if strategy == SWARM and (found := sorted({one.service for one in stack.running if not one.task})):
        raise OpsError(
            f"{', '.join(found)} of {stack.project} run as containers of Docker Compose; tasks of a Swarm beside them "
            "would write to the same volumes", host=host, left="everything",
            next=f"docker compose -p {stack.project} down there (volumes stay), then deploy again",
        )  # fmt: skip
    if strategy != SWARM and tasks:
        raise OpsError(
            f"{', '.join(tasks)} of {stack.project} run as a stack of a Swarm; containers of Docker Compose beside "
            "them would write to the same volumes", host=host, left="everything",
            next=f"`deploy: {{strategy: swarm}}` in the host file; or docker stack rm {stack.project} there first "
            "(volumes stay)",
        )  # fmt: skip


def to_go_back(run: Run, live: Release, old: Release, stack: Config, given: str | None) -> Swarm | None:
    """The Swarm, where the live release is a stack of one; None where it is not. Raises BadSettings for an old release
    or a strategy of the other way, OpsError where a secret or config of the old one is gone."""
    swarmed, strategy = live.strategy == SWARM, given or run.target.host.deploy.strategy
    if (old.strategy == SWARM) != swarmed or (strategy == SWARM) != swarmed:
        other = f"release {old.id} with {old.strategy}" if (old.strategy == SWARM) != swarmed else f"this is {strategy}"
        raise BadSettings(
            f"release {live.id} was deployed with the strategy {live.strategy}, and {other}: there is no way from a "
            "Swarm to Compose or back", host=run.host, left="everything",
            next=f"inv releases shows the strategy of each; --strategy {live.strategy} goes back among those",
        )  # fmt: skip
    if not swarmed:
        return None
    seen, wanted = look(run, live.project), render.names(stack)
    gone = sorted((wanted["secrets"] - seen.secrets) | (wanted["configs"] - seen.configs))
    if gone:
        raise OpsError(f"release {old.id} cannot come back: of its secrets and configs {', '.join(gone)} is gone",
                       host=run.host, left="everything", next="inv releases, and choose another with --to")  # fmt: skip
    return seen


def ways(stack: Config, recreate: Mapping[str, object], seen: Swarm) -> dict[str, object]:
    """For `--json`: what the Swarm does with each service."""
    beside = {
        name for name in recreate if name in seen.services and render.order(stack["services"][name]) != "stop-first"
    }
    found = {
        name: {"how": "beside" if name in beside else "stop first",
               "why": render.how(stack["services"][name])}
        for name in recreate
    }  # fmt: skip
    return {"name": SWARM, "services": found}
