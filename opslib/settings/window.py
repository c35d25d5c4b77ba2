"""When deploys are welcome: `mon-fri 09:00-16:30`, with a time zone behind it where it is not this machine's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from opslib.settings.units import Scalar

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EXPECTED = (
    "expected days and times like 'mon-fri 09:00-16:30', and a time zone behind them if it is not this machine's"
)


@dataclass(frozen=True, slots=True)
class Window:
    """Days (0 is Monday) on which it opens, its begin and end in minutes of the day (an end that is not later is of the
    next day), the time zone (None: this machine's), and how it was written."""

    days: tuple[int, ...]
    begin: int
    end: int
    zone: str | None
    text: str

    def __str__(self) -> str:
        return self.text

    def holds(self, now: datetime) -> bool:
        """Whether it is open. `now` has a time zone."""
        local = now.astimezone(ZoneInfo(self.zone) if self.zone else None)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        return (day in self.days and minute >= self.begin) or ((day - 1) % 7 in self.days and minute < self.end)


def window(value: Scalar) -> Window:
    """One window."""
    match = re.fullmatch(
        r"([a-z,-]+) (\d{1,2}):(\d\d) ?- ?(\d{1,2}):(\d\d)(?: ([A-Za-z0-9_+/-]+))?", str(value).strip()
    )
    if not match:
        raise ValueError(_EXPECTED)
    zone = match[6]
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"expected a time zone like Europe/Berlin, and {zone} is not known here") from None
    begin, end = (int(match[at]) * 60 + int(match[at + 1]) for at in (2, 4))
    if begin >= 1440 or end > 1440 or int(match[3]) > 59 or int(match[5]) > 59:
        raise ValueError(_EXPECTED)
    return Window(_days(match[1]), begin, end, zone, str(value).strip())


def windows(value: Scalar) -> tuple[Window, ...]:
    """A single window, where a list may stand."""
    return (window(value),)


def _days(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(_EXPECTED)
        begin, end = DAYS.index(first), DAYS.index(last if dash else first)
        found |= {(begin + at) % 7 for at in range((end - begin) % 7 + 1)}
    return tuple(sorted(found))
