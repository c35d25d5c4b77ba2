"""What a rollback knows before it begins: both releases, what differs between them, and what runs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from opslib.compose.project import Project, parse_project
from opslib.compose.stack import Container, Stack, look
from opslib.compose.swarm import Swarm
from opslib.deploy import changes, look_losses
from opslib.deploy.env import difference, refused
from opslib.deploy.files import FileChanges, below, decide, mounts_of, relative
from opslib.deploy.losses import held
from opslib.deploy.options import RollbackOptions, in_place
from opslib.deploy.place import there
from opslib.deploy.render import Config, from_text, moved, pinned
from opslib.deploy.resolve import in_its_folder
from opslib.deploy.sources import Source
from opslib.deploy.strategies import hold
from opslib.deploy.strategies.choose import Split, split
from opslib.deploy.swarm import look as swarm_look
from opslib.errors import BadSettings, OpsError
from opslib.images.info import images_of
from opslib.images.tools import tools_tag
from opslib.run.step import Run
from opslib.settings.model import Strategy
from opslib.state import envs, releases
from opslib.state.releases import Release
from opslib.state.sums import parse_sums
from opslib.target.base import Target
from opslib.target.transfer import read_file


@dataclass(slots=True)
class Back:
    """What a rollback knows: the project's releases, the one that runs, the one to bring back, and what differs between
    them. `held`: what is kept of the old one's containers, to go back to at once. `swarm`: what runs there, where it is
    a stack of a Swarm."""

    began: float
    known: list[Release]
    current: Release
    old: Release
    stack: Config
    project: Project
    seen: Stack
    files: FileChanges
    written: dict[str, str]
    tree: list[str]
    env_write: bool
    env_there: str | None
    recreate: dict[str, list[str]]
    orphans: list[Container]
    tools: str | None
    in_place: bool
    held: dict[str, Any] | None
    gap: float = field(default=0.0)
    strategy: Strategy = "recreate"
    swarm: Swarm | None = None

    def ways(self, run: Run) -> Split:
        """What becomes of each service that is to be recreated."""
        return split(run, self.strategy, self.project, self.stack, self.seen, self.recreate)


def survey(run: Run, options: RollbackOptions) -> Back:
    """Look at both releases and at what runs, and refuse what cannot go well. Nothing is changed.

    Raises BadSettings (no such release), OpsError (an image is gone, the env file was changed there).
    """
    began, target, host = time.monotonic(), run.target, run.host
    known, newest, old = target_of(run, options.to)
    folder, local = releases.folder(target, old.id), in_place(target, options.root)
    stack = from_text(read_file(target, f"{folder}/stack.yml") or b"{}")
    seen_swarm = swarm_look.to_go_back(run, newest, old, stack, options.strategy)
    refs = [*(pin.tag for pin in old.images.values()), tools_tag()]
    images = images_of(target, refs)
    gone = sorted({pin.tag for pin in old.images.values() if pin.tag not in images})
    if gone:
        raise OpsError(f"release {old.id} cannot come back: its image {', '.join(gone)} is gone", host=host,
                       left="everything", next="inv releases, and choose another with --to")  # fmt: skip
    last_stack = from_text(read_file(target, releases.stack_file(target, newest.id)) or b"{}")
    recorded = _sums(target, newest.id)
    files, written, tree = _files_back(target, folder, recorded, parse_project(stack, root=target.root), local)
    env_write, env_there, reread = _env_back(run, known, old, newest, options, local)
    if reread and seen_swarm is not None:
        raise BadSettings("a release's secrets in the Swarm are those that its own variables told", host=host,
                          left="everything", next="inv rollback --env here puts its own variables back")  # fmt: skip
    if reread:  # the server's variables stay, so the old files are read with them
        stack = _reread(target, old, stack)
    seen, mounting = look(target, newest.project), parse_project(stack, root=target.root)
    look_losses.tell(run, look_losses.losses_of(target, held(seen, None), mounting, seen, recorded))
    if local:
        stack = moved(stack, _copies(target, folder, stack, options))
    project = parse_project(stack, root=target.root)
    kept = hold.to(run, old.id, seen)
    if kept is not None:
        seen = hold.gone_back(seen, kept)
    elif run.plan:
        seen = hold.without_kept(target, seen)
    recreate = changes.to_recreate(project, seen, stack, last_stack, newest, (), swarm=seen_swarm)
    if kept is not None:
        recreate = {name: words for name, words in recreate.items() if not _serves(seen, project, old, name)}
    return Back(
        began, known, newest, old, stack, project, seen, files, written, tree, env_write, env_there, recreate,
        changes.orphans(project, seen.containers), tools_tag() if tools_tag() in images else None, local, kept,
        swarm=seen_swarm,
    )  # fmt: skip


def target_of(run: Run, to: str | None) -> tuple[list[Release], Release, Release]:
    """The project's releases, the one that runs, and the one to go back to: `to`, or the good one before. Raises
    BadSettings where there is none, or it is the one that runs."""
    everything, host = releases.read(run.target), run.host
    newest = releases.current(everything)
    if newest is None:
        raise BadSettings("no release is there to go back from", host=host, next="inv deploy")
    known = [one for one in everything if one.project == newest.project]
    old = releases.find(known, to, host) if to else releases.previous(known, host)
    if old.id == newest.id:
        raise BadSettings(f"release {old.id} is the one that runs", host=host, next="inv releases")
    return known, newest, old


def _serves(seen: Stack, project: Project, old: Release, service: str) -> bool:
    """Whether the old release's containers of the service serve again already."""
    containers = seen.service(service)
    return len(containers) == project.services[service].replicas and all(
        one.state == "running" and one.config_hash == old.hashes.get(service) for one in containers
    )


def _sums(target: Target, release: str) -> dict[str, str]:
    text = read_file(target, f"{releases.folder(target, release)}/files.sha256")
    return parse_sums((text or b"").decode(errors="surrogateescape"))


def _files_back(
    target: Target, folder: str, recorded: dict[str, str], project: Project, local: bool
) -> tuple[FileChanges, dict[str, str], list[str]]:
    """The files of the old release's folder that differ from what is there (data are left alone), all files that are
    the release's afterwards, and those that its folder keeps."""
    kept = parse_sums((read_file(target, f"{folder}/files.sha256") or b"").decode(errors="surrogateescape"))
    present = there(target, f"{folder}/compose", kept)
    wanted = {path: Source(one.sha256, 0o755 if one.executable else 0o644, 0) for path, one in present.items()}
    if local:
        return FileChanges(), {**recorded, **{path: one.sha256 for path, one in wanted.items()}}, []
    seen = there(target, target.root, {*wanted, *recorded})
    subset = {path: digest for path, digest in recorded.items() if path in wanted}
    files = decide(wanted, subset, seen, mounts_of(project).write)
    after = {**recorded, **{path: one.sha256 for path, one in wanted.items() if path not in files.kept}}
    return files, after, [path for path in wanted if path not in files.kept]


def _env_back(
    run: Run, known: list[Release], old: Release, newest: Release, options: RollbackOptions, local: bool
) -> tuple[bool, str | None, bool]:
    """Whether the old env file is written, the digest of the one there afterwards, and whether the old stack has to
    be read with other variables than its own. Raises OpsError where the server's was changed since."""
    target, name = run.target, old.env_file or newest.env_file
    renewed = rotated_since(known, old) if options.env is None else []
    if name is None or (local and not renewed):
        return False, old.env, False
    found = there(target, target.root, [name]).get(name)
    digest = found.sha256 if found else None
    if digest == old.env or old.env is None:
        return False, digest, False
    if renewed:
        run.note(f"rotated since release {old.id}: {', '.join(renewed)}; the env file stays as it is", warning=True)
        return False, digest, True
    if options.env == "there":
        return False, digest, True
    if options.env is None and digest not in (None, newest.env, *envs.written(target)):
        theirs = read_file(target, f"{target.root}/{name}")
        ours = read_file(target, f"{releases.folder(target, old.id)}/env")
        raise refused(name, theirs, ours, released=True, host=run.host, task="rollback")
    if digest is not None:
        keys = difference(read_file(target, f"{target.root}/{name}"),
                          read_file(target, f"{releases.folder(target, old.id)}/env"))  # fmt: skip
        run.note(f"the env file goes back too ({keys})")
    return True, old.env, False


def rotated_since(known: Iterable[Release], old: Release) -> list[str]:
    """The variables that were rotated after the release: their old values are no passwords any more."""
    later = [one for one in known if one.outcome == "good" and one.id > old.id]
    return sorted({key for one in later for key in one.rotated})


def _reread(target: Target, old: Release, stack: Config) -> Config:
    """The old release's compose files with the server's own variables, its images pinned as they were."""
    folder = releases.folder(target, old.id)
    named = [file for file in target.host.compose if read_file(target, f"{folder}/compose/{file}") is not None]
    files = tuple(f"{folder}/compose/{file}" for file in named)
    if not files:
        raise OpsError(
            f"release {old.id} has no compose files of its own to read with the server's variables",
            host=target.host.name, left="everything", next="inv rollback --env here puts its own variables back",
        )  # fmt: skip
    config = in_its_folder(target, old.project, files, old.env_file)
    services = {name: one for name, one in config["services"].items() if name in old.images}
    digests = {name: (one.get("labels") or {}).get("opslib.files", "") for name, one in stack["services"].items()}
    return pinned({**config, "services": services}, {name: old.images[name].tag for name in services}, digests)


def _copies(target: Target, folder: str, stack: Config, options: RollbackOptions) -> dict[str, str]:
    """In place nobody writes over the project's files: what the services mount comes from the release's folder where
    it differs."""
    kept = parse_sums((read_file(target, f"{folder}/files.sha256") or b"").decode(errors="surrogateescape"))
    present = there(target, target.root, kept)
    found: dict[str, str] = {}
    for service in stack.get("services", {}).values():
        for mount in service.get("volumes") or []:
            path = relative(str(mount.get("source", "")), target.root) if mount.get("type") == "bind" else None
            if not path or (not mount.get("read_only") and path not in kept):
                continue
            old = {one: digest for one, digest in kept.items() if below(one, [path])}
            if any(one not in present or present[one].sha256 != digest for one, digest in old.items()):
                found[f"{target.root}/{path}"] = f"{folder}/compose/{path}"
    return found
