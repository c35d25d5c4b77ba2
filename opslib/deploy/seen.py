"""What a deploy knows before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opslib.compose.project import Project
from opslib.compose.stack import Container, Stack
from opslib.compose.swarm import Swarm
from opslib.deploy import changes, pins, sources
from opslib.deploy.files import FileChanges, Mounts, below
from opslib.deploy.look_env import Env
from opslib.deploy.render import Config, mounted_digests, pinned, tag_for
from opslib.deploy.strategies.choose import Split, split
from opslib.deploy.swarm.render import Key
from opslib.images.info import ImageInfo
from opslib.images.tools import tools_tag
from opslib.run.step import Run
from opslib.settings.model import Strategy
from opslib.state import releases
from opslib.state.releases import Release


@dataclass(slots=True)
class Seen:
    """What a deploy knows before it begins, and (images) learns while it goes on. `swarm`, and the `contents` of
    secrets and configs, where the stack is one of a Swarm."""

    root: Path
    in_place: bool
    began: float
    name: str
    all: list[Release]
    last: Release | None
    last_stack: Config | None
    git: sources.Git | None
    named: list[str]
    private: tuple[str, ...]
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
    strategy: Strategy = "recreate"
    swarm: Swarm | None = None
    contents: Mapping[Key, bytes] = field(default_factory=dict, repr=False)

    @property
    def adopts(self) -> bool:
        """Whether somebody else started what runs. A Swarm itself remembers what it ran before."""
        return self.last is None and self.swarm is None and any(not one.one_off for one in self.stack.containers)

    @property
    def previous(self) -> str | None:
        """The release to go back to; one that ran as a stack of a Swarm does not come back with Compose, nor the other
        way round."""
        if self.last is not None:
            same = (self.last.strategy == releases.SWARM) == (self.swarm is not None)
            return self.last.id if same else None
        return releases.ADOPTED if self.adopts else None

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

    def ways(self, run: Run) -> Split:
        """What becomes of each service that is to be recreated."""
        return split(run, self.strategy, self.project, self.config, self.stack, self.recreate)

    def reconsider(self, release: str) -> None:
        """Say anew what is to be recreated, with the images that are known now."""
        self.recreate = changes.to_recreate(
            self.project, self.stack, self.pinned(release), self.last_stack, self.last, self.images.unknown,
            everything=self.redeploy, swarm=self.swarm,
        )  # fmt: skip


def tell(run: Run, files: FileChanges, left_out: list[str]) -> None:
    """Say what is left alone, and what of the server's own is written over and where it is kept."""

    def some(paths: tuple[str, ...] | list[str]) -> str:
        return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")

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
