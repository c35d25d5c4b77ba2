"""The one look before a deploy: what is here, what is there, and so what is to be done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from opslib.compose.engine import look_at_engine
from opslib.compose.project import Project, parse_project
from opslib.compose.recognise import recognise_project
from opslib.compose.stack import look
from opslib.deploy import changes, pins, preflight, references, sources
from opslib.deploy.context import Ignore, build_key, files_in
from opslib.deploy.files import FileChanges, Mounts, below, decide, mounts_of, parse_sums
from opslib.deploy.later import Later
from opslib.deploy.look_env import look_at_env
from opslib.deploy.options import DeployOptions, in_place
from opslib.deploy.place import there
from opslib.deploy.render import Config, from_text
from opslib.deploy.resolve import build_here, in_a_copy, in_its_folder
from opslib.deploy.seen import Seen, tell
from opslib.errors import BadSettings, CommandFailed
from opslib.images.build import to_build
from opslib.images.info import images_of
from opslib.images.tools import tools_tag
from opslib.run.step import Run
from opslib.state import releases
from opslib.state.releases import Release
from opslib.target.base import Target
from opslib.target.transfer import read_file


def survey(run: Run, options: DeployOptions) -> Seen:
    """Look here and there, and refuse what cannot go well. Nothing is changed.

    Raises BadSettings (files, variables), OpsError (the env file was changed there, a volume would be empty, no room,
    a port is taken), and what the connection and the engine raise.
    """
    target, host, root = run.target, run.target.host, options.root.resolve()
    began, local = time.monotonic(), in_place(run.target, options.root)
    if not host.compose:
        raise BadSettings(f"there is no compose file in {root}", host=host.name, next="see `compose:` in the host file")
    named, absent = references.compose_files(root, host.compose)
    everything = releases.read(target)
    name = _name(target, root, everything)
    known = [one for one in everything if one.project == name]
    last = releases.current(known)
    looking = Later(lambda: look(target, name))
    asked = [tools_tag(), *(text for pin in last.images.values() for text in (pin.name, pin.tag))] if last else []
    imaged = Later(lambda: images_of(target, asked))
    folder = releases.folder(target, last.id) if last else ""
    last_stack = from_text(read_file(target, f"{folder}/stack.yml") or b"{}") if last else None
    recorded = parse_sums((read_file(target, f"{folder}/files.sha256") or b"").decode(errors="surrogateescape"))
    if last is None:
        recorded = {}
    git = sources.git(options.here, root)
    env_name = host.env_file or ".env"
    chosen = [*sources.chosen(options.here, root, host, git), *named]
    mine, left_out = sources.read(root, [one for one in chosen if not sources.excluded(one, host, env_name)])
    seen = {} if local else there(target, target.root, {*mine, *recorded, env_name})
    env = look_at_env(
        run, root, last, env_name, seen[env_name].sha256 if env_name in seen else None, options.env, local
    )
    fresh = all(path in seen and seen[path].sha256 == mine[path].sha256 for path in named)
    if local or (fresh and env.write is None):
        config = in_its_folder(target, name, host.compose, env.name)
    else:
        config = in_a_copy(
            target, name, host.compose, env.name, run=run.id, root=root, sources=mine, named=named, absent=absent,
            env=env.write,
        )  # fmt: skip
    project = parse_project(config, root=target.root, files=host.compose, env_file=env.name)
    mounts = mounts_of(project)
    more, _ = sources.read(root, [one for one in _mounted(root, mounts, mine, host.files is None)
                                  if not sources.excluded(one, host, env_name)])  # fmt: skip
    if host.build.on == "remote" and not local:
        more.update(sources.read(root, _contexts(root, target.root, config))[0])
    new = {path: one for path, one in more.items() if path not in mine}
    if new and not local:
        seen.update(there(target, target.root, new))
    mine.update(new)
    files = FileChanges() if local else decide(mine, recorded, seen, mounts.write)
    builds = _builds(options, target, config, project)
    stack, images = looking.get(), imaged.get()
    rest = [tools_tag(), *(one.image for one in project.services.values())]
    images.update(images_of(target, [ref for ref in rest if ref not in asked]))
    by_image = {project.services[one].image: one for one in to_build(project, host.build.services)}
    found = pins.choose(project, images, last, builds, by_image, run.id, again=options.build)
    result = Seen(
        root, local, began, name, known, last, last_stack, git, named, mine, mounts, files, env, config, project,
        stack, images, builds, found, changes.orphans(project, stack.containers), options.redeploy,
    )  # fmt: skip
    result.reconsider(run.id)
    result.changes = _changes(result)
    if result.changes:
        _preflight(run, result)
        tell(run, result.files, left_out)
    return result


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
    host, root = target.host, options.root.resolve()
    return {
        project.services[name].image: build_key(
            build_here(config["services"][name]["build"], target.root, str(root)), root, host.build.platform
        )
        for name in to_build(project, host.build.services)
    }


def _changes(seen: Seen) -> changes.Changes:
    sizes = {pin.name: seen.there[pin.tag].size for pin in (seen.last.images.values() if seen.last else ())
             if pin.tag in seen.there}  # fmt: skip
    return changes.Changes(
        seen.recreate,
        tuple(sorted({one.service for one in seen.orphans})),
        seen.files,
        seen.env.keys,
        {name: sizes.get(name, seen.there[name].size if name in seen.there else 0) for name in seen.images.build},
        seen.images.fetch,
        seen.last.gap if seen.last and seen.last.gap else None,
    )


def _preflight(run: Run, seen: Seen) -> None:
    target, host = run.target, run.host
    engine = look_at_engine(target)
    if seen.last is None and not seen.adopts and target.host.project is None:
        preflight.refuse_new_volumes(seen.project, seen.stack, host)
    write = sum(seen.sources[path].size for path in seen.files.write)
    preflight.refuse_full_disk(engine.free_bytes, write + sum(seen.changes.build.values()), host)
    preflight.refuse_taken_ports(target, seen.project, seen.recreate)
