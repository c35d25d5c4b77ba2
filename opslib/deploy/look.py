"""The one look before a deploy: what is here, what is there, and so what is to be done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opslib.compose.engine import look_at_engine
from opslib.compose.project import Project, parse_project
from opslib.compose.recognise import recognise_project
from opslib.compose.stack import Container, Stack, look
from opslib.deploy import changes, pins, preflight, references, sources
from opslib.deploy.context import Ignore, build_key, files_in
from opslib.deploy.env import EnvKeys, Files, difference, digest, refused, write_ours
from opslib.deploy.files import FileChanges, Mounts, below, decide, mounts_of, parse_sums
from opslib.deploy.later import Later
from opslib.deploy.options import DeployOptions, in_place
from opslib.deploy.place import there
from opslib.deploy.render import Config, from_text, mounted_digests, pinned, tag_for
from opslib.deploy.resolve import build_here, in_a_copy, in_its_folder
from opslib.errors import BadSettings, CommandFailed
from opslib.images.build import to_build
from opslib.images.info import ImageInfo, images_of
from opslib.images.tools import tools_tag
from opslib.run.step import Run
from opslib.state import releases
from opslib.state.releases import Release
from opslib.target.base import Target
from opslib.target.transfer import read_file


@dataclass(frozen=True, slots=True)
class Env:
    """The env file: its name (None where there is none), its content if it is to be written, and its digests there
    (after the deploy) and here. `keys`: what of the variables changes."""

    name: str | None
    write: bytes | None = field(default=None, repr=False)
    there: str | None = None
    here: str | None = None
    keys: EnvKeys | None = None


@dataclass(slots=True)
class Seen:
    """What a deploy knows before it begins, and (images) learns while it goes on."""

    root: Path
    in_place: bool
    began: float
    name: str
    all: list[Release]
    last: Release | None
    last_stack: Config | None
    git: sources.Git | None
    named: list[str]
    sources: dict[str, sources.Source]
    mounts: Mounts
    files: FileChanges
    env: Env
    config: Config
    project: Project
    stack: Stack
    there: dict[str, ImageInfo]
    builds: dict[str, str]
    images: pins.Images
    orphans: list[Container]
    redeploy: bool
    recreate: dict[str, list[str]] = field(default_factory=dict)
    changes: changes.Changes = field(default_factory=lambda: changes.Changes({}))
    started: set[str] = field(default_factory=set)
    migration: dict[str, str | None] | None = None
    gap: float = 0.0

    @property
    def adopts(self) -> bool:
        """Whether somebody else started what runs."""
        return self.last is None and any(not one.one_off for one in self.stack.containers)

    @property
    def previous(self) -> str | None:
        """The release to go back to."""
        return self.last.id if self.last else releases.ADOPTED if self.adopts else None

    @property
    def written(self) -> dict[str, str]:
        """What is the release's on the server after it: path -> digest."""
        return {path: one.sha256 for path, one in self.sources.items() if path not in self.files.kept}

    @property
    def tree(self) -> list[str]:
        """The files of it that a release's folder keeps: what Compose reads, and what services mount."""
        folders = {*self.mounts.read, *self.mounts.write}
        return [path for path in self.written if path in self.named or below(path, folders)]

    @property
    def tools(self) -> str | None:
        """The tools image, if the server has it."""
        wanted = tools_tag()
        return wanted if wanted in self.there and self.there[wanted].listed else None

    def pinned(self, release: str) -> Config:
        """The stack with its images pinned; those that are not known yet get the tag they will have."""
        tags = {
            name: self.images.pins[one.image].tag if one.image in self.images.pins else tag_for(one.image, release)
            for name, one in self.project.services.items()
        }
        return pinned(self.config, tags, mounted_digests(self.project, self.written))

    def reconsider(self, release: str) -> None:
        """Say anew what is to be recreated, with the images that are known now."""
        self.recreate = changes.to_recreate(
            self.project, self.stack, self.pinned(release), self.last_stack, self.last, self.images.unknown,
            everything=self.redeploy,
        )  # fmt: skip


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
    env = _env(run, root, last, env_name, seen[env_name].sha256 if env_name in seen else None, options.env, local)
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
        _tell(run, result, left_out)
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


def _env(
    run: Run, root: Path, last: Release | None, name: str, sha_there: str | None, choice: str | None, local: bool
) -> Env:
    target = run.target
    try:
        ours = (root / name).read_bytes() if (root / name).is_file() else None
    except OSError as error:
        raise BadSettings(f"cannot read the env file {root / name}: {error.strerror}") from None
    if local:
        if ours is None and target.host.env_file:
            raise BadSettings(f"there is no env file {root / name}", host=run.host, next=f"cp .env.example {name}")
        return Env(name if ours is not None else None, None, digest(ours), digest(ours), _local_keys(run, last, ours))
    if ours is None and sha_there is None:
        if target.host.env_file:
            raise BadSettings(f"there is no env file {root / name}, here or there", host=run.host,
                              next=f"cp .env.example {name}, and fill it in")  # fmt: skip
        return Env(None)
    state = Files(digest(ours), sha_there, last.env_here if last else None, last.env if last else None)
    write = write_ours(state, choice)
    if write is False:
        changed = last is not None and last.env != sha_there
        return Env(name, None, sha_there, state.here, EnvKeys() if changed else None)
    old = read_file(target, f"{target.root}/{name}") if sha_there is not None else None
    if write is None:
        raise refused(name, old, ours, released=last is not None, host=run.host, task="deploy")
    return Env(name, ours, state.here, state.here, difference(old, ours))


def _local_keys(run: Run, last: Release | None, ours: bytes | None) -> EnvKeys | None:
    """What changed in the project's own env file since the last release."""
    if last is None or last.env == digest(ours):
        return None
    return difference(read_file(run.target, f"{releases.folder(run.target, last.id)}/env"), ours)


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


def _tell(run: Run, seen: Seen, left_out: list[str]) -> None:
    def some(paths: tuple[str, ...] | list[str]) -> str:
        return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")

    files = seen.files
    if files.kept:
        run.note(f"left alone, because services write there: {some(files.kept)}", warning=True)
    if files.stays:
        run.note(f"gone here and changed there, so left alone: {some(files.stays)}", warning=True)
    if files.edited:
        run.note(f"changed on the server since the last release: {some(files.edited)}; the server's version is kept "
                 f"in .opslib/releases/{run.id}/replaced", warning=True)  # fmt: skip
    if files.replaced:
        run.note(f"on the server from before opslib: {some(files.replaced)}; kept in "
                 f".opslib/releases/{run.id}/replaced", warning=True)  # fmt: skip
    if left_out:
        run.note(f"not sent, as they are no files of the project: {some(left_out)}", warning=True)
