"""`inv deploy` as the list of its steps, and how to undo each in a fresh process."""

from __future__ import annotations

from opslib.deploy import keep, switch
from opslib.deploy.diff import diff
from opslib.deploy.files_step import files_step, put_back
from opslib.deploy.images import build_step, pin_step, ship_step
from opslib.deploy.look import survey
from opslib.deploy.options import DeployOptions
from opslib.deploy.release_steps import adopt_step, prune_step, record_step, seal_step
from opslib.deploy.scanned import scan_step
from opslib.deploy.seen import Seen
from opslib.deploy.strategies import hold, roll
from opslib.deploy.strategies.steps import check, chosen
from opslib.deploy.swarm import objects
from opslib.deploy.swarm import steps as swarm
from opslib.deploy.swarm import switch as swarmed
from opslib.deploy.swarm.look import ways as swarm_ways
from opslib.deploy.switch_steps import databases_step, health_step, migrate_step, not_undone, roll_step, up_step
from opslib.run.step import AnyStep, Recovery, Run


def steps(run: Run, options: DeployOptions) -> list[AnyStep]:
    """What brings the project here live on the run's host; an empty list where it is live and healthy already."""
    seen = survey(run, options)
    run.result.update(project=seen.name, release=seen.previous, changes=seen.changes.as_json())
    if not seen.changes:
        return []
    seen.strategy = chosen(run, options.strategy)
    if seen.swarm is not None:
        run.result.update(strategy=swarm_ways(seen.config, seen.recreate, seen.swarm))
    else:
        check(run, seen.strategy, seen.project, seen.stack, seen.recreate)
        run.result.update(strategy=seen.ways(run).as_json(seen.strategy))
    if run.plan:
        run.result["diff"] = diff(seen, run.target.host, options.here, run.id)
    return [
        *backup_steps(run, seen, options),
        adopt_step(seen),
        files_step(seen),
        build_step(seen, options),
        ship_step(seen, options),
        pin_step(seen),
        scan_step(seen, options),
        record_step(seen),
        *(_on_a_swarm(seen) if seen.swarm is not None else _with_compose(seen, options)),
        seal_step(seen),
        prune_step(seen),
        *([swarm.unused_step(seen.name)] if seen.swarm is not None else []),
    ]


def _with_compose(seen: Seen, options: DeployOptions) -> list[AnyStep]:
    return [
        databases_step(seen),
        migrate_step(seen),
        up_step(seen),
        roll_step(seen, options.here),
        health_step(seen),
        hold.step(seen.name, seen.previous),
    ]


def _on_a_swarm(seen: Seen) -> list[AnyStep]:
    return [swarm.secrets_step(seen), swarm.databases_step(seen), migrate_step(seen), swarm.stack_step(seen)]


def backup_steps(run: Run, seen: Seen, options: DeployOptions) -> list[AnyStep]:
    """The steps of a backup where the host file asks for one first and there is something to back up."""
    wanted = run.target.host.deploy.backup_first and options.backup is not None and seen.stack.containers
    return options.backup(run) if wanted and options.backup is not None else []


RECOVERIES: dict[str, Recovery] = {
    "adopt": Recovery(),
    "files": Recovery(undo=put_back),
    "build": Recovery(),
    "images": Recovery(),
    "tag": Recovery(),
    "scan": Recovery(),
    "record": Recovery(undo=keep.failed),
    "secrets": Recovery(),
    "databases": Recovery(undo=swarm.either(switch.back)),
    "migrate": Recovery(undo=not_undone),
    "up": Recovery(undo=switch.back),
    "roll": Recovery(undo=roll.back),
    "switch": Recovery(undo=roll.back),
    "stack": Recovery(undo=swarmed.back),
    "health": Recovery(),
    hold.NAME: Recovery(undo=hold.undo, finish=hold.finish),
    "seal": Recovery(),
    "prune": Recovery(finish=keep.prune),
    "unused": Recovery(finish=objects.prune),
}
