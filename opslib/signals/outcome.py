"""How a task ended on one host, and what is remembered of it until the next time. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

FORGET = 30 * 86400.0  # seconds after which a source that is in no set any more is forgotten
_LONGEST = 10_000  # characters of a text

News = Literal["failed", "recovered"]


class Source(Struct, frozen=True, kw_only=True):
    """What the newest set that holds it says of a source: when it was made (seconds since 1970), its length there and
    uncompressed, its file. `drilled`: when it was last restored in a drill."""

    kind: str
    name: str
    at: float
    bytes: int
    raw_bytes: int
    file: str
    drilled: float | None = None


class Ended(Struct, frozen=True, kw_only=True):
    """The last time of a task: when it ended (seconds since 1970), with which code, after how many seconds; when it
    last ended with 0, and since when and how often it has failed since then."""

    at: float
    exit: int
    seconds: float
    success: float | None = None
    failing_since: float | None = None
    failures: int = 0


class Memory(Struct, frozen=True, kw_only=True):
    """What is remembered of a host: its tasks, when each was last begun (seconds since 1970), and the sources in its
    sets by `kind name`."""

    tasks: dict[str, Ended] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)


class Outcome(Struct, frozen=True, kw_only=True):
    """How a task ended on a host, at `at` (seconds since 1970), after `seconds`. `error` is the record's, `artifacts`
    are those of the set that it made, `drilled` the files that a drill restored, `lines` what it said last."""

    task: str
    host: str
    at: float
    seconds: float
    exit: int
    error: dict[str, str | None] | None = None
    set: str | None = None
    artifacts: Sequence[dict[str, Any]] = ()
    drilled: Sequence[str] = ()
    lines: Sequence[str] = ()

    @property
    def title(self) -> str:
        """In a few words."""
        how = "done" if self.exit == 0 else f"failed, exit code {self.exit}"
        return f"{self.task} on {self.host}: {how}"

    def text(self) -> str:
        """What it said last, and the error, as it would stand in a log; where that is long, the end of it."""
        end = "\n".join([*self.lines, *self._end()])[-_LONGEST:]
        return _printable(f"{self.title}, after {self.seconds:.1f} s\n{end}".rstrip())

    def message(self) -> str:
        """The same with the error first: services that notify cut what is long."""
        return _printable("\n".join([*self._end(), "", *self.lines])[:_LONGEST].strip())

    def _end(self) -> list[str]:
        """What was made, and the error."""
        said = []
        if self.set is not None:
            size = sum(one["bytes"] for one in self.artifacts)
            said.append(f"set {self.set}: {len(self.artifacts)} artifacts, {size:,} bytes")
        for label, key in (("", "what"), ("left as it was: ", "left"), ("next: ", "next")):
            if self.error and self.error.get(key):
                said.append(f"{label}{self.error[key]}")
        return said


def news(before: Memory, outcome: Outcome) -> News | None:
    """What people are notified of: each failure, and the first success after one."""
    if outcome.exit:
        return "failed"
    last = before.tasks.get(outcome.task)
    return "recovered" if last is not None and last.failures else None


def recovered(before: Memory, outcome: Outcome) -> tuple[str, str]:
    """Title and text of the first success after failures."""
    last = before.tasks[outcome.task]
    since = datetime.fromtimestamp(last.failing_since or last.at).astimezone().isoformat(" ", "minutes")
    times = "once" if last.failures == 1 else f"{last.failures} times"
    return (
        f"{outcome.task} on {outcome.host}: works again",
        f"It had failed {times} since {since}.\n{outcome.message()}",
    )


def begun(before: Memory, task: str, at: float) -> Memory:
    """What is remembered once the task has begun."""
    return replace(before, begun={**before.begun, task: at})


def after(before: Memory, outcome: Outcome) -> Memory:
    """What is remembered once this has happened."""
    last = before.tasks.get(outcome.task) or Ended(at=0, exit=0, seconds=0)
    good = outcome.exit == 0
    ended = Ended(
        at=outcome.at, exit=outcome.exit, seconds=outcome.seconds,
        success=outcome.at if good else last.success,
        failing_since=None if good else last.failing_since or outcome.at,
        failures=0 if good else last.failures + 1,
    )  # fmt: skip
    sources = {key: one for key, one in before.sources.items() if one.at > outcome.at - FORGET}
    sources |= _sources(outcome, sources)
    for key, one in sources.items():
        if one.file in outcome.drilled:
            sources[key] = replace(one, drilled=outcome.at)
    return replace(before, tasks={**before.tasks, outcome.task: ended}, sources=sources)


def _sources(outcome: Outcome, known: Mapping[str, Source]) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for one in outcome.artifacts:
        name = utf8(f"{one['service'] + '/' if one['service'] else ''}{one['name']}")
        key = f"{one['kind']} {name}"
        before = found.get(key)
        found[key] = Source(
            kind=one["kind"], name=name, at=outcome.at, file=one["file"],
            bytes=one["bytes"] + (before.bytes if before else 0),
            raw_bytes=one["raw_bytes"] + (before.raw_bytes if before else 0),
            drilled=known[key].drilled if key in known else None,
        )  # fmt: skip
    return found


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def utf8(text: str) -> str:
    """A name of any bytes as text: what is no UTF-8 becomes U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
