"""What was due while this machine was off, or asleep, is run once: by its own line of the crontab."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from opslib.command import command
from opslib.cron import block, clock
from opslib.cron.crontab import Crontab
from opslib.cron.held import Line
from opslib.errors import OpsError
from opslib.events import Note, Output, Tell
from opslib.settings.model import Host
from opslib.signals import files
from opslib.signals.outcome import begun
from opslib.target.local import Local

SETTLE = 60.0  # seconds in which what cron itself has started shows that it has begun
BOOT = 300.0  # seconds after a start of the machine in which the network and Docker come up
SOON = timedelta(hours=1)  # what comes by itself within this is left to that


def overdue(line: Line, last: datetime, now: datetime) -> datetime | None:
    """When the job was due and did not begin; None where it was not, or comes soon. `last` is when it last began, or
    from when on it counts; `now` is in cron's time zone."""
    # A clock that was set back a little must not make one begin of it two.
    due = clock.coming(line.schedule, line.delay, last.astimezone(now.tzinfo) + timedelta(seconds=SETTLE))
    following = clock.coming(line.schedule, line.delay, now)
    return due if due and following and due <= now and following - now > SOON else None


class CatchUp:
    """The jobs of a host of the project in `root`, as the crontab holds them; their output goes to `log`."""

    def __init__(self, root: Path, host: str, log: Path, tell: Tell) -> None:
        self._root, self._host, self._log, self._tell = root, host, log, tell
        self._memory = files.memory_file(root, host)

    def run(self, *, plan: bool) -> tuple[bool, dict[str, Any]]:
        """Run what is overdue, one job after the other, each as much later as it always is. Nothing while another one
        does that, a job is delayed by its line, or the machine has only just started. Raises OpsError."""
        text = Crontab().read()
        since = block.since(text, str(self._root), self._host)
        lines = block.installed(text, str(self._root)).get(self._host, [])
        found = {}
        with _alone(Path(f"{self._log}.catchup")) as alone:
            if since is not None and alone and _uptime() >= BOOT:
                for line in lines:
                    if line.task == block.CATCH_UP or not (due := self._overdue(line, since, claim=False)):
                        continue
                    if plan or self._late(line, since):
                        found[line.task] = due.isoformat()
        return bool(found) and not plan, {"overdue": [{"task": task, "due": due} for task, due in found.items()]}

    def _overdue(self, line: Line, since: datetime, *, claim: bool) -> datetime | None:
        """When it was due; to `claim` it is to say, in one go, that it has begun."""
        with _alone(Path(block.waits(str(self._log)))) as awake:
            if not awake:
                return None
            now = datetime.now(clock.zone()[1])
            try:
                with files.remembered(self._memory) as (memory, replace):
                    last = datetime.fromtimestamp(memory.begun.get(line.task, 0), timezone.utc)
                    due = overdue(line, max(last, since), now)
                    if claim and due:
                        replace(begun(memory, line.task, now.timestamp()))
                    return due
            except OSError as error:
                raise OpsError(f"when a task last began is not known: {error}", host=self._host) from None

    def _late(self, line: Line, since: datetime) -> bool:
        """Run it, unless it has begun meanwhile."""
        time.sleep(max(SETTLE, line.delay))
        due = self._overdue(line, since, claim=True)
        if due is None:
            return False
        self._tell(Note(self._host, f"{line.task} was due at {due:%Y-%m-%d %H:%M} and did not begin: it runs now"))
        here = Local(Host(name="local", path=str(self._root)))
        try:
            for said in here.lines(command("sh", "-c", block.at_once(line))):
                self._tell(Output(self._host, said))
        finally:
            here.close()
        return True


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether nobody else holds a lock on the file; it is held meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _uptime() -> float:
    """Seconds since the machine was started."""
    return float(Path("/proc/uptime").read_text().split()[0])
