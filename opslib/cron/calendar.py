"""A cron expression as systemd's OnCalendar says it."""

from __future__ import annotations

import re

from opslib.settings.schedule import WORDS

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMBERS = {
    **{name: number for number, name in enumerate(_MONTHS, 1)},
    **{name.lower(): number for number, name in enumerate(_DAYS)},
}
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def on_calendar(schedule: str) -> list[str]:
    """The expressions, any of which is a turn: two where a day of the month and a weekday are given, since cron takes
    either. Where one of these begins with `*` both must fit.

    Raises ValueError with the reason for what crons do not agree on.
    """
    fields = WORDS.get(schedule, schedule).split()
    minute, hour, day, month, weekday = (_values(text, *bounds) for text, bounds in zip(fields, _BOUNDS, strict=True))
    time = f"{_list(hour, 24)}:{_list(minute, 60)}:00"
    date, dates = _list(day, 31), f"*-{_list(month, 12)}"
    week = ",".join(_DAYS[one] for one in sorted({one % 7 for one in weekday}))
    on_days, on_week = f"{dates}-{date} {time}", f"{week} {dates}-* {time}"
    if len({one % 7 for one in weekday}) == 7 and fields[4].startswith("*"):
        return [on_days]
    if fields[2].startswith("*") or fields[4].startswith("*"):
        return [f"{week} {on_days}"]
    return [on_days, on_week]


def _values(text: str, low: int, high: int) -> set[int]:
    """The numbers that a field of a cron expression stands for."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if step and span != "*" and not last:
            raise ValueError(f"crons do not agree on what {part} means: write {first}-{high}/{step}")
        begin, end = (low, high) if span == "*" else (_number(first), _number(last or first))
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def _number(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]+", text) else _NUMBERS[text.lower()]


def _list(values: set[int], count: int) -> str:
    return "*" if len(values) == count else ",".join(f"{one:02}" for one in sorted(values))
