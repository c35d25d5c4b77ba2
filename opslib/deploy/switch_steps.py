"""The steps that go live: databases that a migration needs, the migration, the containers, their health."""

from __future__ import annotations

import time
from typing import Any

from opslib.compose.health import wait_healthy
from opslib.compose.project import Project
from opslib.compose.services import up
from opslib.compose.stack import Stack
from opslib.deploy import switch
from opslib.deploy.files import below, relative
from opslib.deploy.files_step import staging
from opslib.deploy.render import moved, to_text
from opslib.deploy.seen import Seen
from opslib.deploy.strategies import hold, roll
from opslib.deploy.strategies.steps import early, gap, looked, rolled, show, stop_first
from opslib.migrate import run as migration
from opslib.migrate.job import with_job
from opslib.migrate.steps import told
from opslib.migrate.tools import commands
from opslib.run import watchdog
from opslib.run.step import Run, Step
from opslib.settings.model import Migrate
from opslib.state import releases
from opslib.state.sums import parse_sums
from opslib.target.base import Target
from opslib.target.transfer import put_bytes, read_file

Memo = dict[str, Any]


def databases_step(seen: Seen) -> Step[Memo]:
    """Start what the migration needs and does not run: on a first deploy, the databases."""

    def look(run: Run) -> Memo | None:
        spec = run.target.host.migrate
        if spec is None or not _migrates(seen, spec.service):
            return None
        migration.check(seen.project, spec, run.host)
        absent = _absent(seen.project, seen.stack, spec.service)
        return {**_way_back(run, seen), "services": absent} if absent else None

    def do(run: Run, memo: Memo) -> None:
        project, deploy = switch.released(run.target, seen.name, run.id), run.target.host.deploy
        _keep_way_back(run, seen, memo)
        switch.arm(run, memo, seen.tools)
        up(run.target, project, memo["services"])
        checks, timeout = switch.checks(run.target.host, memo["services"]), switch.patience(deploy, project)
        wait_healthy(run.target, project, memo["services"], checks=checks, stable=deploy.stable, timeout=timeout)
        seen.started.update(memo["services"])

    return Step(
        "databases", look, do, switch.back, switches=True, show=lambda memo: f"start {', '.join(memo['services'])}"
    )


def _absent(project: Project, stack: Stack, service: str) -> list[str]:
    """What the service depends on, as deep as it goes, and that is not up."""
    needs: list[str] = []
    todo = list(project.services[service].depends_on)
    while todo:
        name = todo.pop(0)
        if name in project.services and name not in needs:
            needs.append(name)
            todo += project.services[name].depends_on
    one_shots = project.one_shots()
    return sorted(
        name
        for name in needs
        if not stack.service(name)
        or any(
            not one.running and not (name in one_shots and one.state == "exited" and one.exit_code == 0)
            for one in stack.service(name)
        )
    )


def migrate_step(seen: Seen) -> Step[Memo]:
    """Run the migration in the new image of its service, where that image is new."""

    def look(run: Run) -> Memo | None:
        spec = run.target.host.migrate
        if spec is None or not _migrates(seen, spec.service):
            return None
        migration.check(seen.project, spec, run.host)
        project = _migrated_so_far(run, seen, spec) if run.plan else _new(run, seen)
        before = migration.revision(run.target, project, spec, run.id) if project is not None else None
        return {"project": seen.name, "release": run.id, "before": before, "command": " ".join(commands(spec).up)}

    def do(run: Run, memo: Memo) -> str:
        spec = run.target.host.migrate
        assert spec is not None
        project = _new(run, seen)
        migration.migrate(run, project, spec, memo["before"])
        after = migration.revision(run.target, project, spec, run.id)
        seen.migration = {"before": memo["before"], "after": after}
        return told(spec, memo["before"], after)

    def show(memo: Memo) -> str:
        at = f"; the schema is at {memo['before']}" if memo["before"] else ""
        return f"{memo['command']} in the new image{at}"

    return Step("migrate", look, do, not_undone, show=show)


def _migrated_so_far(run: Run, seen: Seen, spec: Migrate) -> Project | None:
    """The live release, whose image can say where the schema is before the new one is there; None where it cannot."""
    if seen.last is None or spec.service not in seen.last.images or not seen.stack.running:
        return None
    return _released(run, seen, seen.last.id)


def not_undone(run: Run, memo: Memo) -> None:
    """A migration is never undone by itself: say where the schema was and is."""
    spec = run.target.host.migrate
    if spec is None or read_file(run.target, releases.stack_file(run.target, memo["release"])) is None:
        return
    released = switch.released(run.target, memo["project"], memo["release"])
    project = with_job(run.target, released, memo["release"])
    after = migration.revision(run.target, project, spec, run.id)
    if commands(spec).status is None:
        run.note(f"the migration ({memo['command']}) may have changed the schema; it is not undone", warning=True)
    elif after != memo["before"]:
        run.note(
            f"the schema is at {after or 'an unknown revision'} and was at {memo['before'] or 'no revision'}: "
            "a migration is not undone by itself",
            warning=True,
        )


def _new(run: Run, seen: Seen) -> Project:
    return _released(run, seen, run.id)


def _released(run: Run, seen: Seen, release: str) -> Project:
    project = switch.released(run.target, seen.name, release)
    return project if seen.swarm is None else with_job(run.target, project, release)


def _migrates(seen: Seen, service: str) -> bool:
    """Whether the image of the migrating service is another one than the last release's."""
    if service not in seen.project.services or seen.last is None:
        return True
    pin, old = seen.images.pins.get(seen.project.services[service].image), seen.last.images.get(service)
    return pin is None or old is None or pin.id != old.id


def up_step(seen: Seen) -> Step[Memo]:
    """Recreate what has changed. From here to `health` a watchdog on the server knows the way back."""

    def look(run: Run) -> Memo | None:
        ways = seen.ways(run)
        services = [name for name in seen.recreate if name in ways.stopped and name not in seen.started]
        orphans = early(seen.orphans, ways)
        if not services and not orphans and not seen.started:
            return None
        return {**_way_back(run, seen), "services": services, "remove": sorted({one.service for one in orphans}),
                "why": {name: stop_first(ways, name, seen.recreate[name]) for name in services},
                "gap": gap(seen.strategy, seen.stack, services, seen.last)}  # fmt: skip

    def do(run: Run, memo: Memo) -> str:
        began = time.monotonic()
        _keep_way_back(run, seen, memo)
        project = switch.released(run.target, seen.name, run.id)
        orphans = early(seen.orphans, seen.ways(run))
        switch.forward(run, project, memo["services"], orphans, before=memo, tools=seen.tools)
        seen.gap = time.monotonic() - began
        return ", ".join(memo["services"])

    return Step("up", look, do, switch.back, show=shown)


def shown(memo: Memo) -> str:
    """What `up` recreates and removes."""
    words = [*memo["why"].values(), *(f"remove {name}" for name in memo["remove"])]
    return f"{', '.join(words)}{memo['gap']}"


def roll_step(seen: Seen, here: Target | None) -> Step[Memo]:
    """Double what can be doubled, and have the proxy know of it."""

    def look(run: Run) -> Memo | None:
        return looked(run, seen.strategy, seen.ways(run), seen.project, seen.stack, _way_back(run, seen), seen.orphans)

    def do(run: Run, memo: Memo) -> str:
        _keep_way_back(run, seen, memo)
        seen.gap += rolled(run, memo, seen.orphans, seen.tools, here)
        return ", ".join(memo["why"])

    return Step("roll", look, do, roll.back, show=show)


def health_step(seen: Seen) -> Step[Memo]:
    """Wait until every service is healthy; then the watchdog is called off, unless old containers stay: the hold does
    it."""

    def look(run: Run) -> Memo | None:
        touched = seen.recreate or seen.started or seen.orphans
        return {"services": sorted(seen.project.services)} if touched else None

    def do(run: Run, memo: Memo) -> None:
        began = time.monotonic()
        project, kept = _new(run, seen), hold.kept(run)
        switch.healthy(run.target, project, kept)
        seen.gap += time.monotonic() - began if seen.gap else 0.0  # where nothing was stopped all of it served
        switch.healthy(run.target, project, kept, settled=run.target.host.deploy.stable)
        if not hold.begun(run):
            watchdog.disarm(run.target, run.id)

    return Step("health", look, do, show=lambda memo: ", ".join(memo["services"]))


# -- the way back


def _way_back(run: Run, seen: Seen) -> Memo:
    stage = staging(run) if seen.files or seen.env.write is not None else None
    stack = None
    if seen.in_place and seen.previous is not None and _other_mounts(run, seen):
        stack = f"{releases.folder(run.target, seen.previous)}/back.yml"
    return switch.memo(seen.name, run.id, seen.previous, stage, stack)


def _keep_way_back(run: Run, seen: Seen, memo: Memo) -> None:
    """In place nobody puts the project's files back: the old containers get the release's copies of what they mount
    instead, where these differ."""
    if memo["stack"] is not None and seen.last_stack is not None:
        put_bytes(run.target, to_text(moved(seen.last_stack, _other_mounts(run, seen))), memo["stack"])


def _other_mounts(run: Run, seen: Seen) -> dict[str, str]:
    """Mounted files and folders of the project that are no longer those of the last release: where they are, and
    where the release keeps its own."""
    if seen.last is None or seen.last_stack is None:
        return {}
    folder = releases.folder(run.target, seen.last.id)
    recorded = parse_sums((read_file(run.target, f"{folder}/files.sha256") or b"").decode(errors="surrogateescape"))
    now = {path: one.sha256 for path, one in seen.sources.items()}
    found: dict[str, str] = {}
    for service in seen.last_stack.get("services", {}).values():
        for mount in service.get("volumes") or []:
            path = relative(str(mount.get("source", "")), run.target.root) if mount.get("type") == "bind" else None
            if not path or (not mount.get("read_only") and path not in recorded):
                continue
            old = {one: digest for one, digest in recorded.items() if below(one, [path])}
            if old and any(now.get(one) != digest for one, digest in old.items()):
                found[f"{run.target.root}/{path}"] = f"{folder}/compose/{path}"
    return found
