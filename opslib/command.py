"""A command as a value: it is built here, shown masked, and run by a target.

Quoting is by construction: whatever a user wrote is an argument of its own and never part of a shell text.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Secret:
    """A text that shows itself as `***` everywhere but in `reveal()`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: only for the environment, the standard input or a 0600 file of a command."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)


@dataclass(frozen=True, slots=True)
class Stage:
    """One program of a pipeline: its arguments, its own variables, its folder, and the file its output goes to."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str | Secret], ...] = ()
    cwd: str | None = None
    to: str | None = None

    def masked(self) -> str:
        """The stage as a person would type it; secrets are `***`."""
        words = [f"cd -- {quote(self.cwd)} &&"] if self.cwd is not None else []
        words += [f"{name}={value if isinstance(value, Secret) else quote(value)}" for name, value in self.env]
        words += [quote(word) for word in self.argv]
        if self.to is not None:
            words.append(f"> {quote(self.to)}")
        return " ".join(words)

    def raw(self, before: str = "") -> str:
        """The stage as a bash subshell that *becomes* the program: a shell that stays beside it would print its whole
        text, secrets too, when a signal ends it. `before` is put in front of the program (`timeout 20`)."""
        parts = [f"export {name}={quote(_text(value))}" for name, value in self.env]
        if self.cwd is not None:
            parts.append(f"cd -- {quote(self.cwd)} || exit 125")
        words = " ".join(quote(word) for word in self.argv)
        output = f" > {quote(self.to)}" if self.to is not None else ""
        parts.append(f"exec {before + ' ' if before else ''}{words}{output}")
        return f"( {'; '.join(parts)} )"


@dataclass(frozen=True, slots=True)
class Command:
    """An immutable pipeline of one or more stages.

    `feed` is sent to the first stage's standard input whole (a script, a password); `streams` says that the caller
    will write to the process instead. `limit` is the seconds it may take. `on_break` runs on the machine before the
    processes are killed when the command is broken off: children of `docker exec` survive their client.
    """

    stages: tuple[Stage, ...]
    feed: bytes | Secret | None = None
    streams: bool = False
    limit: float | None = None
    on_break: Command | None = None

    def raw(self, redirect: str = "", before: str = "") -> str:
        """Bash text to run, with the secrets in it: it travels on standard input only. `redirect` is put behind each
        stage, `before` in front of each program."""
        return " | ".join(stage.raw(before) + redirect for stage in self.stages)

    def masked(self) -> str:
        """Bash text to show."""
        return " | ".join(stage.masked() for stage in self.stages)

    __str__ = masked

    def secrets(self) -> tuple[str, ...]:
        """Every secret text that this command knows of, to be masked in what it prints; of one with several lines also
        each line."""
        found = [value.reveal() for stage in self.stages for _, value in stage.env if isinstance(value, Secret)]
        if isinstance(self.feed, Secret):
            found.append(self.feed.reveal())
        found += [line for text in found if "\n" in text for line in text.splitlines()]
        return tuple(text for text in found if len(text) >= 4)

    def with_(self, **changes: object) -> Command:
        """A copy with some of the fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def command(
    *argv: str,
    env: Mapping[str, str | Secret] | None = None,
    cwd: str | None = None,
    to: str | None = None,
    feed: bytes | Secret | None = None,
    streams: bool = False,
    limit: float | None = None,
    on_break: Command | None = None,
) -> Command:
    """One program with its arguments, each of them a word of its own however it looks.

    Raises TypeError for a Secret among the arguments (it would be seen in `ps`) and ValueError for a NUL byte or a
    bad variable name.
    """
    if not argv:
        raise ValueError("a command needs a program")
    for word in argv:
        if not isinstance(word, str):
            raise TypeError(f"an argument must be text, not {type(word).__name__}: secrets travel by env or feed")
        _no_nul(word)
    for name, value in (env or {}).items():
        if not _NAME.match(name):
            raise ValueError(f"not a variable name: {name!r}")
        _no_nul(_text(value))
    stage = Stage(tuple(argv), tuple((env or {}).items()), cwd, to)
    return Command((stage,), feed=feed, streams=streams, limit=limit, on_break=on_break)


def bash(script: str, *args: str, **options: object) -> Command:
    """A fixed bash text of our own with the user's words as `$1`, `$2`, …; options as for `command`."""
    return command("bash", "-c", script, "opslib", *args, **options)  # type: ignore[arg-type]


def pipe(*commands: Command) -> Command:
    """The commands joined by pipes; feed and streams are the first one's, the shortest limit counts. Broken off, the
    last one ends first: to it the end of another would look like the end of the data."""
    if not commands:
        raise ValueError("nothing to pipe")
    limits = [c.limit for c in commands if c.limit is not None]
    breaks = [c.on_break for c in reversed(commands) if c.on_break is not None]
    return Command(
        tuple(stage for c in commands for stage in c.stages),
        feed=commands[0].feed,
        streams=commands[0].streams,
        limit=min(limits) if limits else None,
        on_break=_both(breaks),
    )


def _both(breaks: list[Command]) -> Command | None:
    if len(breaks) < 2:
        return breaks[0] if breaks else None
    return bash('for text in "$@"; do eval "$text"; done', *(b.raw() for b in breaks))


def quote(word: str) -> str:
    """One shell word, whatever is in it."""
    return shlex.quote(word)


def _text(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _no_nul(word: str) -> None:
    if "\0" in word:
        raise ValueError("a NUL byte cannot be part of a command")
