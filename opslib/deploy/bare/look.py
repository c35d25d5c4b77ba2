"""The one look before `restore --bare`: the set, the project, and that nothing of it is there yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from opslib.backup.databases import DATABASES
from opslib.backup.manifest import Manifest
from opslib.backup.restore import check
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context
from opslib.backup.restore.locate import locate
from opslib.backup.restore.options import Item, Preview
from opslib.backup.restore.preview import counted, made_by
from opslib.compose.engine import Engine, look_at_engine
from opslib.compose.stack import Stack, look
from opslib.deploy.bare import files, free
from opslib.deploy.bare.options import BareOptions
from opslib.deploy.files import below
from opslib.deploy.look import survey as survey_deploy
from opslib.deploy.options import DeployOptions
from opslib.deploy.seen import Seen
from opslib.errors import BadSettings, OpsError
from opslib.images.tools import ensure_tools
from opslib.run.step import Run
from opslib.settings.dotenv import read_env_file
from opslib.state.releases import SWARM


@dataclass(frozen=True, slots=True)
class Bare:
    """What is known before anything is done. `folder` is where the artifacts are, or will be, on the host;
    `databases` are the services that have to run for the load, `empty` the volumes that are there already."""

    chosen: Chosen
    deploy: DeployOptions
    seen: Seen
    ctx: Context
    folder: str
    databases: tuple[str, ...]
    empty: tuple[str, ...]


def survey(run: Run, options: BareOptions) -> Bare:
    """Look at the set, the project and the host, and refuse what cannot go well. Nothing is changed.

    Raises BadSettings (the set, the project's files, variables that are not set), OpsError (something of the project
    is there, no room, a damaged set), and what a deploy refuses.
    """
    target, host = run.target, run.host
    if target.host.deploy.strategy == SWARM:
        raise BadSettings(
            "--bare starts a project as containers of Compose, not as a stack of a Swarm", host=host, left="everything",
            next=f"inv deploy --host {host}, then inv restore --file SET --host {host}",
        )  # fmt: skip
    chosen = locate(target, options.restore)
    if chosen.manifest is None or not chosen.whole:
        raise BadSettings("--bare brings a whole set back", host=host, left="everything",
                          next=f"name a set: inv backup.list --host {host}")  # fmt: skip
    identities = check.identities(chosen, options.restore)
    engine = look_at_engine(target)
    _refuse_stack(look(target, target.host.project or chosen.manifest.project), host)
    deploy, missing = files.choose(run, chosen, options, identities)
    seen = _survey(run, deploy, options, chosen.manifest)
    wanted = [path for path in missing if below(path, seen.mounts.read)]
    if wanted:
        raise files.lacks(wanted, options.deploy.root, host)
    _tell(run, chosen.manifest, seen, deploy.root)
    databases = _databases(chosen, seen, host)
    free.refuse_outside(target, seen)
    tools = ensure_tools(target, options.restore.here)
    ctx = Context(target, tools, seen.name, options.restore.here, identities=identities)
    empty = free.refuse_data(ctx, chosen, seen)
    _refuse_room(ctx, chosen, engine)
    check.verify(target, chosen)
    run.result["restore"] = _preview(chosen).as_json()
    folder = f"{target.state}/restore-{run.id}" if chosen.sent else chosen.folder
    return Bare(chosen, deploy, seen, ctx, folder, databases, empty)


def _refuse_stack(stack: Stack, host: str) -> None:
    if stack.containers:
        there = ", ".join(sorted({one.service or one.name for one in stack.containers}))
        raise OpsError(
            f"the project {stack.project} is there ({there}): --bare is for a machine that has nothing of it",
            host=host,
            left="everything",
            next=f"inv restore --file SET --host {host} puts the data into the stack that is there",
        )


def _survey(run: Run, deploy: DeployOptions, options: BareOptions, manifest: Manifest) -> Seen:
    """As a deploy looks; where there is no env file the error says which variables it is to have, and where it goes."""
    host, root = run.target.host, options.deploy.root.resolve()
    try:
        return survey_deploy(run, deploy)
    except BadSettings as error:
        env = root / (host.env_file or ".env")
        texts = (deploy.root / file for file in host.compose)
        names = files.needed(path.read_text("utf-8", "replace") for path in texts if path.is_file())
        if env.is_file() or not names:
            raise
        where = "--files set brings it back with the project's files" if manifest.recipients else "no set holds it"
        raise BadSettings(
            f"there is no env file, and the compose files use {', '.join(names)}",
            host=host.name,
            left="everything",
            next=f"put the old machine's env file at {env}: it is sent as a deploy sends it, 0600; {where}",
        ) from error


def _tell(run: Run, manifest: Manifest, seen: Seen, root: Path) -> None:
    """What differs from the machine that the set was made on, and may be meant."""
    held = next(iter(manifest.of("project")), None)
    if held is None:
        return
    was, now = held.facts.get("commit"), seen.git.commit if seen.git else None
    if was and now and was != now:
        run.note(f"the set was made of commit {was[:12]}, the project here is at {now[:12]}; --files set brings back "
                 "the files as they were", warning=True)  # fmt: skip
    env = root / (seen.env.name or ".env")
    known = read_env_file(env) if env.is_file() else {}
    gone = [name for name in held.facts.get("variables") or () if name not in known]
    if gone and known:
        run.note(f"the old machine's env file had {', '.join(gone)} too", warning=True)


def _databases(chosen: Chosen, seen: Seen, host: str) -> tuple[str, ...]:
    services = dict.fromkeys(one.service or "" for one in chosen.artifacts if one.kind in DATABASES)
    for one in chosen.artifacts:
        if one.kind in DATABASES and one.service not in seen.project.services:
            raise BadSettings(
                f"the set holds {one.title}, and the compose files have no service {one.service}: "
                f"{', '.join(seen.project.services)}",
                host=host, left="everything", next="--files set brings the compose files back as they were",
            )  # fmt: skip
    return tuple(services)


def _refuse_room(ctx: Context, chosen: Chosen, engine: Engine) -> None:
    from opslib.backup.restore import space

    needs = [
        (one.title, engine.root_dir, max(one.raw_bytes, int(one.facts.get("size") or 0))) for one in chosen.artifacts
    ]
    if chosen.sent:
        needs.append(("what is sent", ctx.target.state, sum(one.bytes for one in chosen.artifacts)))
    space.refuse_short(ctx.target, needs)


def _preview(chosen: Chosen) -> Preview:
    items = (
        Item(one.title, None, (counted(one.kind, one.counts) or f"what {one.file} holds") + made_by(chosen, one.file))
        for one in chosen.artifacts
        if one.facts.get("part") != "globals"
    )
    return Preview(chosen.title, tuple(items), (), "not needed: nothing is there")
