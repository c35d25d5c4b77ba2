"""The units that opslib keeps for systemd: a timer and a service for each job. Values in, text out, and back."""

from __future__ import annotations

import hashlib
import re

from opslib.cron.block import Job
from opslib.cron.calendar import on_calendar
from opslib.cron.held import Line
from opslib.errors import BadSettings

GRACE = "10min"  # for a task that is over its time to undo what it began
# What was missed runs at once when the machine starts: the network and Docker are given five minutes.
_BOOTED = 'read -r up _ </proc/uptime; up=${up%.*}; [ "$up" -ge 300 ] || sleep $((300 - up))'


def prefix(root: str) -> str:
    """What the names of all units of the project begin with."""
    folder = re.sub(r"[^A-Za-z0-9_.]+", "-", root.rpartition("/")[2])[:40]
    return f"opslib-{folder}-{hashlib.sha256(root.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}-"


def name(root: str, host: str, task: str) -> str:
    """The unit's name, without `.timer` or `.service`."""
    return f"{prefix(root)}{host}-{task.partition('.')[2]}"


def timer(host: str, job: Job, *, catch_up: bool) -> str:
    """The unit that says when. Raises BadSettings for a schedule or a path that systemd cannot be told."""
    try:
        turns = "\n".join(f"OnCalendar={one}" for one in on_calendar(job.schedule))
    except ValueError as error:
        raise BadSettings(f"{job.task}: {job.schedule}: {error}", host=host, left="the timers") from None
    return f"""{_head(host, job)}
# {job.task}{" --signal" if job.signals else ""}: {job.schedule}
[Unit]
Description=opslib: {job.task} of {host}

[Timer]
{turns}
Persistent={str(catch_up).lower()}
RandomizedDelaySec={job.random_delay}
FixedRandomDelay=true
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def service(host: str, job: Job) -> str:
    """The unit that says what. At the limit the task alone is told to end (`mixed`); what it has started is needed to
    undo, and ended with it after the grace."""
    run = ["/usr/bin/env", "-C", job.root, *(f"{key}={value}" for key, value in job.env.items()), *job.argv]
    return f"""{_head(host, job)}
[Unit]
Description=opslib: {job.task} of {host}

[Service]
Type=oneshot
ExecStartPre={_command("/bin/sh", "-c", _BOOTED)}
ExecStart={_command(*run)}
KillMode=mixed
TimeoutStartSec={job.limit}
TimeoutStopSec={GRACE}
"""


def owner(text: str) -> tuple[str, str] | None:
    """Whose unit it is: the project's folder and the host; None for one that opslib has not written."""
    match = re.match(r"# opslib: (.*) ([A-Za-z0-9._-]+)\n", text)
    return (match[1], match[2]) if match else None


def parse(unit: str, timer: str, service: str) -> tuple[Line, bool]:
    """What the texts of the two units of a job say, and whether the timer catches up what was missed."""
    head = re.search(r"(?m)^# (\S+?)( --signal)?: (.*)$", timer.partition("\n")[2])
    delay = re.search(r"(?m)^RandomizedDelaySec=([0-9]+)$", timer)
    run = re.search(r"(?m)^ExecStart=(.*)$", service)
    task, signals, schedule = (head[1], bool(head[2]), head[3]) if head else ("", False, "")
    line = Line(task, schedule, int(delay[1]) if delay else 0, signals, run[1] if run else "", unit=f"{unit}.timer")
    return line, "Persistent=true" in timer.split("\n")


def _head(host: str, job: Job) -> str:
    try:
        "".join((job.root, *job.argv, *job.env.values())).encode()
        bad = bool(re.search(r"[\n\r\0]", job.root))
    except UnicodeEncodeError:
        bad = True
    if bad:
        raise BadSettings(f"systemd cannot be told of a path like {job.root!r}", host=host, left="the timers")
    return f"# opslib: {job.root} {host}"


def _command(*argv: str) -> str:
    """A command line as systemd reads it: quoted, and nothing in it is expanded. The first word is a plain path."""
    return " ".join([argv[0], *(_quoted(word) for word in argv[1:])])


def _quoted(word: str) -> str:
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return word if re.fullmatch(r"[A-Za-z0-9_./:=@,+-]+", word) else f'"{word}"'
