"""What is installed of a schedule, whichever way the clock is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Line:
    """What is installed for a job: which task, when, and how many seconds later (with systemd: at most); whether it
    tells how the task ended. `text` is what runs it, as it stands there. `next`: when it begins the next time, if that
    can be known. `unit` is systemd's."""

    task: str
    schedule: str
    delay: int
    signals: bool
    text: str
    next: datetime | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What `scheduler` ("crontab", "systemd") holds of a host, whether it catches up what was missed, and where the
    output goes."""

    scheduler: str
    lines: tuple[Line, ...]
    catch_up: bool
    log: str

    def says(self) -> list[tuple[str, str, int, bool]]:
        """What a host file decides of it."""
        return sorted((one.task, one.schedule, one.delay, one.signals) for one in self.lines)
