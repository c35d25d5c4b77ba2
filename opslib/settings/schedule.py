"""When a schedule comes round."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

WORDS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
"""What crontab's words stand for, all but `@reboot`."""


def turn_before(schedule: str, now: datetime, count: int) -> datetime | None:
    """The `count`-th time, going back from now, that a cron expression came round, in the time zone of `now`; None for
    one that never does (`0 0 30 2 *`)."""
    from cronsim import CronSim, CronSimError

    try:
        turns = CronSim(WORDS.get(schedule, schedule), now, reverse=True)
        return next(islice(turns, count - 1, None), None)
    except CronSimError:
        return None
