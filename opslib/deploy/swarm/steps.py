"""The steps of a deploy and of a rollback that go live on a Swarm."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from opslib.compose import swarm
from opslib.compose.swarm import Swarm
from opslib.deploy import switch
from opslib.deploy.files_step import staging
from opslib.deploy.render import Config, to_text
from opslib.deploy.rollback_look import Back
from opslib.deploy.seen import Seen
from opslib.deploy.swarm import objects, render
from opslib.deploy.swarm import switch as swarmed
from opslib.errors import OpsError
from opslib.run import watchdog
from opslib.run.step import Run, Step
from opslib.state import releases
from opslib.target.base import Target
from opslib.target.docker import docker
from opslib.target.transfer import put_bytes, read_file

Memo = dict[str, Any]


def record(target: Target, stack: Config, release: str) -> None:
    """Keep the stack as the Swarm takes it beside the release's own."""
    put_bytes(target, to_text(render.swarm_form(stack, target.root)), releases.swarm_file(target, release))


def secrets_step(seen: Seen) -> Step[Memo]:
    """Make the secrets and configs whose content is new. Those of the release before stay until it is not kept."""

    def look(run: Run) -> Memo | None:
        there = _swarm(seen)
        wanted = render.names(seen.config)
        new = {*(wanted["secrets"] - there.secrets), *(wanted["configs"] - there.configs)}
        return {"new": sorted(new)} if new else None

    def do(run: Run, memo: Memo) -> str:
        return ", ".join(objects.create(run.target, seen.name, seen.config, seen.contents, _swarm(seen)))

    return Step("secrets", look, do, show=lambda memo: f"new: {', '.join(memo['new'])}")


def databases_step(seen: Seen) -> Step[Memo]:
    """Start what keeps data and does not run yet, where a migration needs it: on a first deploy, the databases."""

    def look(run: Run) -> Memo | None:
        spec = run.target.host.migrate
        if spec is None:
            return None
        new = {name: one for name, one in seen.config["services"].items() if name not in _swarm(seen).services}
        absent = sorted(name for name, one in new.items() if name != spec.service and render.keeps_data(one))
        return {**_way_back(run, seen), "services": absent} if absent else None

    def do(run: Run, memo: Memo) -> None:
        target = run.target
        stack = json.loads(read_file(target, releases.swarm_file(target, run.id)) or b"{}")
        stack["services"] = {name: stack["services"][name] for name in memo["services"]}
        swarmed.arm(run, memo, seen.tools)
        swarmed.folders(target, seen.project)
        swarmed.deploy(target, seen.name, "-", feed=json.dumps(stack).encode())
        project = switch.released(target, seen.name, run.id)
        swarmed.wait(target, project, memo["services"], _swarm(seen))

    return Step("databases", look, do, swarmed.back, show=lambda memo: f"start {', '.join(memo['services'])}")


def stack_step(seen: Seen) -> Step[Memo]:
    """Tell the Swarm, wait until it has converged, and remove what is no longer wanted."""

    def look(run: Run) -> Memo | None:
        before = _way_back(run, seen)
        return stack_memo(before, seen.config, seen.recreate, gone(_swarm(seen), seen.project.services))

    def do(run: Run, memo: Memo) -> str:
        began = time.monotonic()
        forced = [name for name, words in seen.recreate.items() if words == ["asked for"]]
        forward(run, memo, seen.tools, _swarm(seen), forced)
        seen.gap = time.monotonic() - began if memo["stops"] else 0.0
        return ", ".join(memo["services"])

    return Step("stack", look, do, swarmed.back, show=show)


def back_step(back: Back) -> Step[Memo]:
    """The same of a rollback."""

    def look(run: Run) -> Memo | None:
        assert back.swarm is not None
        stage = staging(run) if back.files or back.env_write else None
        before = swarmed.memo(run, back.current.project, back.current.id, stage, back.swarm)
        return stack_memo(before, back.stack, back.recreate, gone(back.swarm, back.project.services))

    def do(run: Run, memo: Memo) -> str:
        assert back.swarm is not None
        began = time.monotonic()
        forward(run, memo, back.tools, back.swarm)
        back.gap = time.monotonic() - began if memo["stops"] else 0.0
        return ", ".join(memo["services"])

    return Step("stack", look, do, swarmed.back, show=show)


def gone(seen: Swarm, wanted: Collection[str]) -> list[str]:
    """The services of the stack that are no longer wanted."""
    return sorted(seen.services.keys() - set(wanted))


def stack_memo(before: Memo, stack: Config, recreate: Mapping[str, list[str]], remove: Collection[str]) -> Memo | None:
    """What the Swarm is told: `services` with how each is updated, and `stops`, those of which nothing answers
    meanwhile; None where there is nothing to tell."""
    if not recreate and not remove:
        return None
    entries = {name: stack["services"][name] for name in recreate}
    hows = {name: f"{name} ({'; '.join(words)}): {render.how(entries[name])}" for name, words in recreate.items()}
    stops = [name for name, entry in entries.items() if f"{before['project']}_{name}" in before["versions"]
             and render.order(entry) == "stop-first" and _one(entry)]  # fmt: skip
    return {**before, "services": sorted(recreate), "how": hows, "stops": stops, "remove": list(remove)}


def _one(entry: Mapping[str, Any]) -> bool:
    return int((entry.get("deploy") or {}).get("replicas", 1)) == 1


def show(memo: Memo) -> str:
    """What the Swarm is told, and what does not answer meanwhile."""
    words = [*memo["how"].values(), *(f"remove {name}" for name in memo["remove"])]
    if memo["stops"]:
        words.append(f"nothing answers of {', '.join(memo['stops'])} from the stop until the new task is healthy")
    return "; ".join(words)


def forward(run: Run, memo: Memo, tools: str | None, before: Swarm, forced: Collection[str] = ()) -> None:
    """Deploy the run's own release. `forced` are replaced although nothing of them has changed. Raises OpsError."""
    target, name = run.target, memo["project"]
    project = switch.released(target, name, run.id)
    swarmed.arm(run, memo, tools)
    swarmed.folders(target, project)
    swarmed.deploy(target, name, releases.swarm_file(target, run.id))
    for service in forced:
        target.run(docker(target.host, "service", "update", "--detach", "--quiet", "--force", f"{name}_{service}"))
    swarmed.healthy(target, project, before)
    swarmed.remove(target, name, memo["remove"])
    watchdog.disarm(target, run.id)


def sealed(target: Target, project: str, stack: Config) -> dict[str, str]:
    """The digests of what runs. Raises OpsError for a service that is not what the release says."""
    seen = swarm.look(target, project)
    for name, entry in stack["services"].items():
        one = seen.services.get(name)
        if one is None or one.image != entry["image"]:
            what = f"runs {one.image}" if one else "is not in the Swarm"
            raise OpsError(f"service {name} {what}, and the release has {entry['image']}", host=target.host.name,
                           next=f"inv logs --service {name} --host {target.host.name}")  # fmt: skip
    return swarmed.digests(seen)


def unused_step(project: str) -> Step[Memo]:
    """When every host has committed: the secrets and configs go that no release names any more."""

    def look(run: Run) -> Memo | None:
        return {"project": project}

    return Step("unused", look, objects.prune, final=True, show=lambda memo: "secrets and configs of no release")


def _way_back(run: Run, seen: Seen) -> Memo:
    stage = staging(run) if seen.files or seen.env.write is not None else None
    return swarmed.memo(run, seen.name, seen.previous, stage, _swarm(seen))


def _swarm(seen: Seen) -> Swarm:
    assert seen.swarm is not None
    return seen.swarm


Undo = Callable[[Run, Memo], None]


def either(back: Undo) -> Undo:
    """The undo of a step that both a Swarm and Compose have."""
    return lambda run, memo: swarmed.back(run, memo) if memo.get("swarm") else back(run, memo)
