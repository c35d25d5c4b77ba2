"""The one look before a deploy: what is here, what is there, and so what is to be done."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opslib.compose import references
from opslib.compose.engine import look_at_engine
from opslib.compose.project import Project, parse_project
from opslib.compose.recognise import recognise_project
from opslib.compose.stack import look
from opslib.deploy import changes, gate, look_losses, losses, pins, preflight, private, sources
from opslib.deploy.context import Ignore, build_key, files_in
from opslib.deploy.files import FileChanges, Mounts, below, decide, mounts_of
from opslib.deploy.look_env import look_at_env
from opslib.deploy.options import DeployOptions, in_place
from opslib.deploy.place import there
from opslib.deploy.render import Config, from_text
from opslib.deploy.resolve import build_here, in_a_copy, in_its_folder
from opslib.deploy.seen import Seen, tell
from opslib.deploy.strategies import hold
from opslib.deploy.swarm import look as swarm_look
from opslib.deploy.swarm.render import Key
from opslib.env.sources import env_here
from opslib.errors import BadSettings, CommandFailed
from opslib.images.build import to_build
from opslib.images.info import images_of
from opslib.images.tools import tools_tag
from opslib.run.later import Later
from opslib.run.step import Run
from opslib.state import releases
from opslib.state.releases import Release
from opslib.state.sums import parse_sums
from opslib.target.base import Target
from opslib.target.transfer import read_file


@dataclass(frozen=True, slots=True)
class Before:
    """What was released: the project's name, its releases, the one that runs, its stack, its files' digests. `other` is
    the stack of the release before, where that was of a project with another name."""

    name: str
    releases: list[Release]
    last: Release | None = None
    stack: Config | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    other: Config | None = None


def survey(run: Run, options: DeployOptions) -> Seen:
    """Look here and there, and refuse what cannot go well. Nothing is changed.

    Raises BadSettings (files, variables), OpsError (the env file was changed there, a volume would be empty, no room,
    a port is taken), and what the connection and the engine raise.
    """
    target, host, root = run.target, run.target.host, options.root.resolve()
    began, local = time.monotonic(), in_place(run.target, options.root)
    if not host.compose:
        raise BadSettings(f"there is no compose file in {root}", host=host.name, next="see `compose:` in the host file")
    env_name = host.env_file or ".env"
    gate.refuse(run, options)
    referred = references.compose_files(root, host.compose)
    named = [path for path in referred.files if not sources.excluded(path, host, env_name)]
    before = _before(target, root, options.name)
    looking = Later(lambda: look(target, before.name))
    asked = _refs(before.last)
    imaged = Later(lambda: images_of(target, asked))
    git = options.git or options.once.ask("git", lambda: sources.git(options.here, root))
    listed = options.git.tracked if options.git else sources.chosen(options.here, root, host, git)
    chosen = [*listed, *named]
    wanted = tuple(path for path in chosen if not sources.excluded(path, host, env_name))
    read, left_out = options.once.ask(wanted, lambda: sources.read(root, wanted))
    mine = dict(read)
    seen = {} if local else there(target, target.root, {*mine, *before.files, env_name})
    ours = options.once.ask(("env file", env_name, local), lambda: env_here(root, env_name, local=local))
    env = look_at_env(
        run, root, ours, before.last, env_name, seen[env_name].sha256 if env_name in seen else None, options.env, local
    )
    if local or (env.write is None and all(path in seen and seen[path].sha256 == mine[path].sha256 for path in named)):
        config = in_its_folder(target, before.name, host.compose, env.name)
    else:
        config = in_a_copy(
            target, before.name, host.compose, env.name, run=run.id, root=root, sources=mine, named=named,
            absent=referred.absent, env=env.write,
        )  # fmt: skip
    seen_swarm, contents, strategy = None, dict[Key, bytes](), options.strategy or host.deploy.strategy
    if strategy == releases.SWARM:
        text = env.write if env.write is not None or not env.name else read_file(target, f"{target.root}/{env.name}")
        config, seen_swarm, contents = swarm_look.prepared(run, before.name, config, root, text or b"")
    project = parse_project(config, root=target.root, files=host.compose, env_file=env.name)
    mounts = mounts_of(project)
    more = _more(run.target, root, config, mounts, mine, env_name, local)
    mine.update(more)
    if not local:
        seen.update(there(target, target.root, more) if more else {})
    files = FileChanges() if local else decide(mine, before.files, seen, mounts.write)
    builds = _builds(options, target, config, project)
    stack, images = looking.get(), imaged.get()
    swarm_look.refuse_other_way(strategy, stack, run.host)
    if run.plan:
        stack = hold.without_kept(target, stack)
    shut, unknown = private.closed(referred.private, mine, project, private.users(config, stack))
    mine.update(shut)
    images.update(images_of(target, [one.image for one in project.services.values() if one.image not in asked]))
    by_image = {project.services[one].image: one for one in to_build(project, host.build.services)}
    found = pins.choose(project, images, before.last, builds, by_image, run.id, again=options.build)
    result = Seen(
        root, local, began, before.name, before.releases, before.last, before.stack, git, named, referred.private, mine,
        mounts, files, env, config, project, stack, images, builds, found,
        changes.orphans(project, stack.containers), options.redeploy, swarm=seen_swarm, contents=contents,
    )  # fmt: skip
    result.reconsider(run.id)
    result.changes = _changes(result)
    if result.changes:
        _preflight(run, result, options, before)
        tell(run, result.files, left_out)
        private.warn(run, [name for name in unknown if name in result.recreate])
        if git is not None and git.dirty and not result.images.build:  # a build says it itself, with the version
            run.note(f"there are changes that are not committed: not all of this is in {git.commit}", warning=True)
    return result


def _before(target: Target, root: Path, name: str | None) -> Before:
    everything = releases.read(target)
    name = name or _name(target, root, everything)
    known = [one for one in everything if one.project == name]
    last, newest = releases.current(known), releases.current(everything)
    other = _stack(target, newest) if newest is not None and newest.project != name else None
    if last is None:
        return Before(name, known, other=other)
    recorded = read_file(target, f"{releases.folder(target, last.id)}/files.sha256") or b""
    files = parse_sums(recorded.decode(errors="surrogateescape"))
    return Before(name, known, last, _stack(target, last), files, other)


def _stack(target: Target, release: Release) -> Config:
    return from_text(read_file(target, releases.stack_file(target, release.id)) or b"{}")


def _refs(last: Release | None) -> list[str]:
    """The images that can be asked for before the compose files were read."""
    return [tools_tag(), *(text for pin in (last.images.values() if last else ()) for text in (pin.name, pin.tag))]


def _name(target: Target, root: Path, known: list[Release]) -> str:
    """The project's name: the host file's, the last release's, what runs from the folder, what the files say."""
    last = releases.current(known)
    if target.host.project or last is None:
        try:
            return recognise_project(target, target.host, references.project_name(root, target.host.compose))
        except CommandFailed:
            look_at_engine(target)  # says it better where there is no engine to use
            raise
    return last.project


def _more(
    target: Target,
    root: Path,
    config: Config,
    mounts: Mounts,
    mine: Mapping[str, sources.Source],
    env: str,
    local: bool,
) -> dict[str, sources.Source]:
    """The files that only the resolved stack names: what services mount read-only, and what the server builds from."""
    host = target.host
    paths = _mounted(root, mounts, mine, host.files is None)
    if host.build.on == "remote" and not local:
        paths += _contexts(root, target.root, config)
    wanted = [path for path in paths if path not in mine and not sources.excluded(path, host, env)]
    return sources.read(root, wanted)[0]


def _mounted(root: Path, mounts: Mounts, mine: Mapping[str, sources.Source], folders: bool) -> list[str]:
    """What services only read of the project's folder: files, and (`folders`) whole folders of which nothing was
    listed."""
    found: list[str] = []
    for path in sorted(mounts.read):
        if path in mine or below(path, mounts.write):
            continue
        if (root / path).is_file():
            found.append(path)
        elif folders and (root / path).is_dir() and not any(one.startswith(f"{path}/") for one in mine):
            found += [f"{path}/{one}" for one in files_in(root / path, Ignore(""))]
    return found


def _contexts(root: Path, there: str, config: Config) -> list[str]:
    """The files of the build contexts below the project's folder, where the server builds."""
    found: list[str] = []
    for service in config.get("services", {}).values():
        context = Path(str(build_here(service.get("build") or {}, there, str(root)).get("context", "/")))
        if context != root and root in context.parents and context.is_dir():
            prefix = context.relative_to(root).as_posix()
            ignore = context / ".dockerignore"
            text = ignore.read_text(errors="surrogateescape") if ignore.is_file() else ""
            found += [f"{prefix}/{one}" for one in files_in(context, Ignore(text))]
    return found


def _builds(options: DeployOptions, target: Target, config: Config, project: Project) -> dict[str, str]:
    """What each image that we build would be built from: image -> digest."""
    root, platform = options.root.resolve(), target.host.build.platform

    def key(name: str) -> str:
        build = build_here(config["services"][name]["build"], target.root, str(root))
        question = (json.dumps(build, sort_keys=True, default=str), platform)
        return options.once.ask(question, lambda: build_key(build, root, platform))

    return {project.services[name].image: key(name) for name in to_build(project, target.host.build.services)}


def _changes(seen: Seen) -> changes.Changes:
    sizes = {pin.name: seen.there[pin.tag].size for pin in (seen.last.images.values() if seen.last else ())
             if pin.tag in seen.there}  # fmt: skip
    running = {one.service for one in seen.orphans} | (seen.swarm.services.keys() if seen.swarm else set())
    return changes.Changes(
        seen.recreate,
        tuple(sorted(running - seen.project.services.keys())),
        seen.files,
        seen.env.keys,
        {name: sizes.get(name, seen.there[name].size if name in seen.there else 0) for name in seen.images.build},
        seen.images.fetch,
        seen.last.gap if seen.last and seen.last.gap else None,
    )


def _preflight(run: Run, seen: Seen, options: DeployOptions, before: Before) -> None:
    target, host = run.target, run.host
    engine = look_at_engine(target)
    new_volumes = options.name is not None  # they are meant to be new, because their data come from elsewhere
    if seen.last is None and not seen.adopts and target.host.project is None and not new_volumes:
        preflight.refuse_new_volumes(seen.project, seen.stack, host)
    if not new_volumes:
        _refuse_losses(run, seen, options, before)
        _refuse_mistakes(seen, options, host)
    write = sum(seen.sources[path].size for path in seen.files.write)
    preflight.refuse_full_disk(engine.free_bytes, write + sum(seen.changes.build.values()), host)
    if seen.images.build and not in_place(target, seen.root) and target.host.build.on == "local":
        wanted = target.host.build.platform or f"linux/{look_at_engine(options.here).arch}"
        preflight.refuse_other_platform(seen.project, seen.images.build.values(), wanted, engine.arch, host)
    preflight.refuse_taken_ports(target, seen.project, swarm_look.new_ports(seen.swarm, seen.project, seen.recreate))


def _refuse_mistakes(seen: Seen, options: DeployOptions, host: str) -> None:
    """Raises OpsError where the compose files will lose data some day. Imported here: where nothing changes nothing is
    judged."""
    from opslib.deploy import look_lint

    look_lint.refuse(look_lint.mistakes(seen.root, seen.config, seen.project, seen.there), options.ignore, host)


def _refuse_losses(run: Run, seen: Seen, options: DeployOptions, before: Before) -> None:
    """Raises OpsError where services would no longer see their data; says where they would have others on purpose."""
    old = before.other or before.stack
    released = parse_project(old, root=run.target.root) if old else None
    if released is not None and before.other is None:
        volumes = {one.name: one for one in seen.stack.all_volumes}
        left_out = (*options.orphan, *run.target.host.backup.exclude)
        look_losses.refuse_gone(losses.gone(released, seen.project, volumes), left_out, run.host)
    held = losses.held(seen.stack, released)
    found = look_losses.losses_of(run.target, held, seen.project, seen.stack, before.files)
    was = before.other.get("name") if before.other else None
    look_losses.refuse(found, options.orphan, seen.stack.all_volumes, run.host, was)
    look_losses.tell(run, found)
