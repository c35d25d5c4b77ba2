"""What tells one kind of database server from another: how it is recognised in a container, logged in to and asked
whether it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opslib.engines.instance import Instance, Login

if TYPE_CHECKING:
    from opslib.command import Secret
    from opslib.compose.stack import Container
    from opslib.target.base import Target

Facts = Mapping[str, Sequence[str]]
"""What the look inside printed: by the first word of a line, the rest of each such line."""


def first(facts: Facts, name: str) -> str:
    """The first that was printed of a fact, "" for none."""
    return next(iter(facts.get(name, ())), "")


def as_it_is(target: Target, at: Instance, passwords: Sequence[Secret]) -> Instance:
    """For an engine whose instance needs no further question to log in."""
    return at


@dataclass(frozen=True, slots=True)
class Engine:
    """One kind of server.

    `images` is a regular expression of image names, for containers that do not run; `processes` are the names that
    the server has in /proc/PID/comm. `inside` is POSIX sh, run in the container for such a process: `$p` is its
    folder in /proc, `$name` its name; it prints `data FOLDER`, `owner UID:GID` and whatever `instance` reads, or ends
    with `missing` where the tools that opslib needs are not there. `secrets` are the variables whose `NAME_FILE` form
    is read inside. `marks` are names in its data folder that tell whose it is. `instance` makes the value from what
    was printed and the container's variables, with the passwords worth trying, the likeliest first; `log_in` finds
    the one that is right. `sets_up`: its images start it once for themselves, before its first start, and demand
    `passwords`, variables, for that. `ready` is a command that succeeds when the server answers, `data` its folder in
    a container that does not run, from that and an artifact's facts.
    """

    kind: str
    images: str
    processes: tuple[str, ...]
    inside: str
    secrets: tuple[str, ...]
    marks: tuple[str, ...]
    instance: Callable[[Container, Facts, Mapping[str, str], Login], tuple[Instance, tuple[Secret, ...]]]
    ready: Callable[[Instance], Sequence[str]]
    data: Callable[[Container, Mapping[str, object]], str]
    log_in: Callable[[Target, Instance, Sequence[Secret]], Instance] = field(default=as_it_is)
    sets_up: bool = False
    passwords: tuple[str, ...] = ()
