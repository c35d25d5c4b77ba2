"""What the rules of `inv lint` look at: the stack as Docker Compose resolved it, and where each entry is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.lint.written import Written

if TYPE_CHECKING:
    from opslib.compose.project import Project
    from opslib.compose.stack import Stack


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file: `file` is below the project's folder; "" and 0 where that is no file."""

    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image brings: its `VOLUME`s, `USER` ("" is root), health check (the words of its test, () without one),
    architecture as Docker names it, variables, those of the programs in question that are in it (None: not known),
    bytes unpacked, the engine's own id for it."""

    volumes: tuple[str, ...] = ()
    user: str = ""
    healthcheck: tuple[str, ...] = ()
    arch: str = ""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    programs: frozenset[str] | None = None
    size: int = 0
    id: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beyond the compose files; all of it may be missing. `images` by the image's name, `running` and
    `memory` (bytes in use now, by service) with --running, `files`: the text of mounted config files that are in the
    project, by their path below the root. `host_arch`: "" where nobody has asked. `absent`, with --running: paths of
    the machine that containers mount and that are not there."""

    images: Mapping[str, ImageFacts] = field(default_factory=dict)
    running: Stack | None = None
    memory: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    host_arch: str = ""
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Model:
    """`project` as `docker compose config` resolved it, `config` its JSON with single dollars, `root` the project's
    folder on this machine, `env` the variables of the env file: their values are never to be shown. `written` are the
    compose files."""

    project: Project
    config: Mapping[str, Any] = field(repr=False)
    root: Path
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    facts: Facts = field(default_factory=Facts)
    written: Written = field(default_factory=Written)

    def place(self, *path: str | int) -> Place:
        """Where an entry of `config`, like ("services", "db", "volumes", 0), is written: in the last compose file that
        sets it. Where it is not found (Compose has rewritten it) the nearest entry above it that is."""
        return Place(*self.written.place(path, self.config))

    def uses(self, *path: str | int) -> frozenset[str]:
        """The names of the variables that the text at this path is made of: `${NAME}`, and NAME where a service takes
        a variable as it is (`environment: [NAME]`)."""
        return self.written.uses(path, self.config)

    def is_written(self, *path: str | int) -> bool:
        """Whether the entry itself is in a compose file: a variable from an `env_file:` is not, nor is a default."""
        return self.written.find(path, self.config).exact
