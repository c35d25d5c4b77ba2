"""When a schedule comes next, in the time zone of this machine's cron."""

from __future__ import annotations

import hashlib
import os
import socket
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from opslib.settings.schedule import WORDS

LOCALTIME = "/etc/localtime"


def zone(path: str = LOCALTIME) -> tuple[str, tzinfo]:
    """The machine's time zone and its name. Not that of this process: `TZ` is no business of cron's."""
    name = os.path.realpath(path).rpartition("/zoneinfo/")[2]
    try:
        return name, ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        pass
    try:
        with open(path, "rb") as file:
            return "local time", ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return "UTC", timezone.utc


def coming(schedule: str, delay: int = 0, now: datetime | None = None) -> datetime | None:
    """When cron runs it next, `delay` seconds included; None where it never does. `now` has a time zone: the machine's,
    if it is not given."""
    from cronsim import CronSim, CronSimError

    now = now or datetime.now(zone()[1])
    try:
        # What sleeps already is still to come.
        return _later(next(CronSim(WORDS.get(schedule, schedule), _later(now, -delay))), delay)
    except (CronSimError, StopIteration):
        return None


def _later(time: datetime, seconds: int) -> datetime:
    """Real seconds, also where the clocks change meanwhile."""
    return (time.astimezone(timezone.utc) + timedelta(seconds=seconds)).astimezone(time.tzinfo)


def part_of(delay: float, *words: str) -> int:
    """Seconds from 0 to `delay`, drawn once and for all for this machine and the words: what is many starts spread out,
    and each at a time that can be told beforehand."""
    text = "\0".join([socket.gethostname(), *words])
    drawn = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:8], "big")
    return drawn % (round(delay) + 1)
