"""How things are written for people: sizes, durations, progress, tables. Pure."""

from __future__ import annotations

import re
import textwrap
import time
from collections import deque
from collections.abc import Sequence

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)?|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_GAP = 2  # blanks between two columns
_WINDOW = 8.0  # seconds that a rate is the mean of


def clean(text: str) -> str:
    """Text that cannot move the cursor or change colours: what a machine said is shown, not obeyed."""
    return _ESCAPES.sub("", text).expandtabs()


def size(count: float) -> str:
    """Bytes in thousands: `412 B`, `1.2 GB`."""
    number, unit = float(count), 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if unit == 0 or number >= 99.95 else f"{number:.1f} {_UNITS[unit]}"


def seconds(count: float) -> str:
    """A duration: `0.3 s`, `42 s`, `3 min 05 s`, `2 h 10 min`."""
    if count < 9.95:
        return f"{count:.1f} s"
    whole = round(count)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def age(count: float) -> str:
    """How many seconds ago something was, roughly: `40 s`, `12 min`, `31 h`, `3 days`."""
    if count >= 2 * 86400:
        return f"{count // 86400:.0f} days"
    if count >= 3600:
        return f"{count // 3600:.0f} h"
    return f"{count // 60:.0f} min" if count >= 60 else f"{count // 1:.0f} s"


class Meter:
    """How far something has come, and how fast it went lately."""

    def __init__(self, total: int | None = None) -> None:
        self.done, self.total = 0, total
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, done: int, total: int | None, now: float | None = None) -> None:
        """`done` of `total` bytes at the time `now` (monotonic)."""
        now = time.monotonic() if now is None else now
        self.done, self.total = done, total
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()

    @property
    def rate(self) -> float | None:
        """Bytes in a second; None while nothing is known."""
        if len(self._seen) < 2:
            return None
        (began, before), (ended, after) = self._seen[0], self._seen[-1]
        return (after - before) / (ended - began) if ended - began > 0.2 and after > before else None

    @property
    def part(self) -> float | None:
        """From 0 to 1; None where the total is not known."""
        return min(1.0, self.done / self.total) if self.total else None

    def text(self) -> str:
        """`1.2 GB of 4.0 GB, 112 MB/s, 25 s left`, as far as it is known."""
        words = [size(self.done) + (f" of {size(self.total)}" if self.total else "")]
        if rate := self.rate:
            words.append(f"{size(rate)}/s")
            if self.total and self.done < self.total:
                words.append(f"{seconds((self.total - self.done) / rate)} left")
        return ", ".join(words)


def bar(part: float, width: int = 20) -> str:
    """A bar of `width` characters."""
    full = round(part * width)
    return "━" * full + "╌" * (width - full)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, width: int, right: Sequence[int] = ()) -> list[str]:
    """Lines of a table that fits in `width` columns: the widest column is wrapped where it has to be. `right`: the
    columns that are aligned to the right."""
    cells = [[clean(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(1, *(len(row[column]) for row in cells)) for column in range(len(headers))]
    while sum(widths) + _GAP * (len(widths) - 1) > width and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for row in cells:
        wrapped = [textwrap.wrap(cell, widths[i], break_on_hyphens=False) or [""] for i, cell in enumerate(row)]
        for turn in range(max(map(len, wrapped))):
            parts = [column[turn] if turn < len(column) else "" for column in wrapped]
            lines.append((" " * _GAP).join(
                part.rjust(widths[i]) if i in right else part.ljust(widths[i]) for i, part in enumerate(parts)
            ).rstrip())  # fmt: skip
    return lines
