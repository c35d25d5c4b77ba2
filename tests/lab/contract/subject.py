"""What the contract suite needs of one kind of source: something of it that runs, is filled, ruined and looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from opslib.backup.manifest import Kind
from opslib.command import Command
from opslib.settings.kinds import SourceSpec
from opslib.target.connect import connect
from tests.lab.project import Project

PASSWORD = "-p w'\"$x é\\;`#"
"""Of every engine that takes one."""


class Subject:
    """One kind on a project. Every name in it is hostile: of databases, tables, users, files."""

    kind: ClassVar[Kind]
    image: ClassVar[str] = ""
    """Of its engine, whose service is called like the kind; "" where it has none."""
    environment: ClassVar[dict[str, str]] = {}
    command: ClassVar[list[str]] = []
    healthy: ClassVar[list[str]] = []
    volume: ClassVar[tuple[str, str]]
    """A volume, and where it is mounted: in the engine, or in `app`."""
    name: ClassVar[str]
    """The artifact that most tests are about; what it stands for."""
    counts: ClassVar[dict[str, Any]]
    """Of each of its artifacts, by name, as the manifest has them."""
    read: ClassVar[str]
    """What `backup.verify` reads its inside with."""
    over: ClassVar[bool] = False
    """Whether it is loaded over the live data, or proven in their place: not beside them."""
    into: ClassVar[str] = ""
    """Another place; "" where the kind has none."""
    secret: ClassVar[str] = PASSWORD
    sources: ClassVar[tuple[SourceSpec, ...]] = ()
    """What the host file says of it; nothing has to."""
    wrong: ClassVar[SourceSpec]
    """A source with a wrong password, `not the one`."""
    denied: ClassVar[str]
    """What is said then."""
    spoil: ClassVar[str] = "head -c 3000"
    """A bash text that the artifact's bytes go through, so that loading them fails."""

    grows: ClassVar[str] = ""
    """Of a kind that may be written to once its copy has begun: the artifact that `more` adds to."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def service(self, images: str) -> dict[str, Any]:
        """Of the compose file."""
        return {
            "image": f"{images}{self.image}", "volumes": [":".join(self.volume)], "environment": self.environment,
            "healthcheck": self.project.healthy(*self.healthy), **({"command": self.command} if self.command else {}),
        }  # fmt: skip

    @property
    def container(self) -> str:
        """Its engine's."""
        return self.project.container(self.kind)

    def fill(self) -> None:
        """Make the data."""
        raise NotImplementedError

    def ruin(self) -> None:
        """Lose some of the data, change some, and add what does not belong there."""
        raise NotImplementedError

    def content(self, place: str) -> Any:
        """The data in a place, `name` or `into`, in whatever state they are: compared by the tests with itself."""
        raise NotImplementedError

    def seen(self) -> Any:
        """Everything that a restore must bring back."""
        return self.content(self.name)

    def more(self) -> int:
        """Add to what is there; how many more are counted."""
        raise NotImplementedError

    def less(self) -> None:
        """Take all of that away again."""
        raise NotImplementedError

    def forget(self, place: str) -> None:
        """Remove a place."""
        raise NotImplementedError

    def lies(self) -> dict[str, Any]:
        """What a manifest may say that is found out once the artifact is loaded, where `spoil` alone would not do."""
        return {}

    @contextmanager
    def dumping(self) -> Iterator[Callable[[], None]]:
        """A dump that is made meanwhile hangs in its middle; the function waits until it does."""
        raise NotImplementedError
        yield

    def tidy(self) -> None:
        """Remove what `dumping` needed, once the engine runs again."""

    def run(self, cmd: Command) -> list[str]:
        """The lines that a command on the target prints."""
        return self.project.target.run(cmd).lines

    @contextmanager
    def session(self, cmd: Command, first: bytes, answer: bytes) -> Iterator[None]:
        """A client that has asked, was answered, and stays connected; it is broken off in the end."""
        other = connect(self.project.host)
        process = other.start(cmd)
        try:
            process.write(first)
            assert process.read() == answer
            yield
        finally:
            other.abandon(process)
            other.close()
