"""Schedules as cron has them: what may stand in a host file, and when one comes round."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import islice

from opslib.settings.units import Scalar

WORDS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
"""What crontab's words stand for, all but `@reboot`."""
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: i for i, name in enumerate(_MONTHS, 1)}),
    (0, 7, {name: i for i, name in enumerate(_DAYS)}),
)


def cron(value: Scalar) -> str:
    """A cron expression: five fields or `@daily` and its like; blanks come out as single spaces."""
    expected = "expected a cron expression like '0 2 * * *' (minute hour day month weekday)"
    if not isinstance(value, str) or "\n" in value:
        raise ValueError(expected)
    if value in WORDS:
        return value
    fields = value.split()
    if len(fields) != 5 or not all(_cron_field(text, *rule) for text, rule in zip(fields, _FIELDS, strict=True)):
        raise ValueError(expected)
    return " ".join(fields)


def _cron_field(text: str, low: int, high: int, names: dict[str, int]) -> bool:
    for part in text.split(","):
        match = re.fullmatch(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([0-9]{1,2}))?", part, re.ASCII)
        if not match or (match[3] and not 1 <= int(match[3]) <= high):
            return False
        ends = [_cron_number(end, names) for end in match.groups()[:2] if end]
        if not all(low <= end <= high for end in ends) or ends != sorted(ends):
            return False
    return True


def _cron_number(text: str, names: dict[str, int]) -> int:
    return names.get(text.lower(), int(text) if re.fullmatch("[0-9]{1,2}", text) else -1)


def turn_before(schedule: str, now: datetime, count: int) -> datetime | None:
    """The `count`-th time, going back from now, that a cron expression came round, in the time zone of `now`; None for
    one that never does (`0 0 30 2 *`)."""
    from cronsim import CronSim, CronSimError

    try:
        turns = CronSim(WORDS.get(schedule, schedule), now, reverse=True)
        return next(islice(turns, count - 1, None), None)
    except CronSimError:
        return None
