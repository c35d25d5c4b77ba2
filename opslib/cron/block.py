"""The block of lines that opslib keeps in a crontab: one for each project and host. Text in, text out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone

from opslib.cron import clock
from opslib.cron.held import Line
from opslib.errors import BadSettings, OpsError

LONGEST = 990  # characters of a command: Debian's cron refuses more than 999
LOG_SIZE = 1024  # KiB of a log that is put aside; the one before it is dropped
CATCH_UP = "cron.catchup"
EVERY = 20  # minutes from one look for what was missed to the next
_SINCE = "# what is due after {} and is not begun is caught up"
GRACE = "10m"  # for a task that is over its time to undo what it began


@dataclass(frozen=True, slots=True)
class Job:
    """What is to run by the clock: `argv` (absolute) in the folder `root` with nothing but `env`, for `limit` seconds
    at most. cron runs it `delay` seconds later than the schedule says, drawn from `random_delay`, and has its output in
    `log`."""

    root: str
    schedule: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: str
    delay: int = 0
    random_delay: int = 0
    limit: int = 86400

    @property
    def task(self) -> str:
        """The task that it calls."""
        return self.argv[self.argv.index("--host") - 1]

    @property
    def signals(self) -> bool:
        """Whether it tells how the task ended."""
        return "--signal" in self.argv

    def command(self) -> str:
        """The command for a shell.

        All output goes to the log; what goes wrong (standard error) is also printed, so that cron mails it. The log
        is put aside when it has become long. At the limit only the task itself is told to end (`--foreground`): it ends
        what it has started, and undoes it.
        """
        log = shlex.quote(self.log)
        env = ["env", *(f"{name}={value}" for name, value in self.env.items())]
        run = shlex.join([*env, "timeout", "--foreground", "-v", "-k", GRACE, str(self.limit), *self.argv])
        later = f"flock -s {shlex.quote(waits(self.log))} sleep {self.delay}; " if self.delay else ""
        return (
            f"{later}cd {shlex.quote(self.root)} && {{ date; {run}; }} 2>&1 >>{log} | tee -a {log}; "
            f"find {log} -size +{LOG_SIZE}k -exec mv {{}} {{}}.1 ';'"
        )

    def line(self) -> str:
        """The line of a crontab. Raises BadSettings for what no crontab can hold."""
        return _line(self.schedule, self.command(), self.root)


@dataclass(frozen=True, slots=True)
class Later:
    """What looks every `EVERY` minutes, from the minute `first` of the hour on, whether a job was missed."""

    root: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    first: int

    def line(self) -> str:
        """The line of a crontab. It prints, and cron mails, only when something was missed."""
        minutes = ",".join(str(minute) for minute in range(self.first % EVERY, 60, EVERY))
        run = shlex.join(["env", *(f"{name}={value}" for name, value in self.env.items()), *self.argv])
        return _line(f"{minutes} * * * *", f"cd {shlex.quote(self.root)} && {run}", self.root)


_DELAY = r"\A(?:flock -s (?:'[^']*'|\\'|\"'\"|[^ '])+ )?sleep ([0-9]+); "


def later(host: str, job: Job) -> Later:
    """What looks for missed jobs of the host, of which `job` is one; the minute is drawn once for each host."""
    program = job.argv[: job.argv.index(job.task)]
    argv = (*program, CATCH_UP, "--host", host)
    return Later(root=job.root, argv=argv, env=job.env, first=clock.part_of(EVERY - 1, job.root, host))


def at_once(line: Line) -> str:
    """What cron runs for the line, for a shell and without its delay."""
    command = line.text.removeprefix(line.schedule).lstrip().replace("\\%", "%")
    return re.sub(_DELAY, "", command, count=1)


def parse(text: str) -> Line:
    """A line of a block; a task that cannot be found in it is ""."""
    schedule = " ".join(text.split(" ")[: 1 if text.startswith("@") else 5])
    command = text.removeprefix(schedule).lstrip()
    task = re.search(r" (backup\.[a-z]+|cron\.catchup) --host ", command)
    delay = re.match(_DELAY, command)
    return Line(task[1] if task else "", schedule, int(delay[1]) if delay else 0, " --signal;" in command, text)


def waits(log: str) -> str:
    """The file that jobs hold a shared lock on for as long as they are delayed."""
    return f"{log}.wait"


def install(
    text: str, root: str, host: str, jobs: Sequence[Job], later: Later | None = None, now: datetime | None = None
) -> str:
    """The crontab with the jobs of the host in a block: in the place of an old one, or at the end. With `later` what is
    missed after `now` is caught up; a block that says the same already stays, and goes on from where it began."""
    made = [job.line() for job in jobs]
    if later is not None and now is not None:
        made += [_SINCE.format(now.astimezone(timezone.utc).isoformat(timespec="seconds")), later.line()]
    block = [_begin(root, host), *made, _end(root, host)]
    lines = text.split("\n")
    found = _find(lines, root, host)
    if found:
        old = lines[found[0] : found[1] + 1]
        if _commands(old) == _commands(block) and (_since(old) is None) == (later is None):
            return text
        return "\n".join([*lines[: found[0]], *block, *lines[found[1] + 1 :]])
    if text and not text.endswith("\n"):
        text += "\n"
    return text + "\n".join(block) + "\n"


def remove(text: str, root: str, host: str) -> str:
    """The crontab without the block; the same text where there is none."""
    lines = text.split("\n")
    found = _find(lines, root, host)
    return "\n".join([*lines[: found[0]], *lines[found[1] + 1 :]]) if found else text


def installed(text: str, root: str) -> dict[str, list[Line]]:
    """The lines of each host that has a block for the project."""
    lines = text.split("\n")
    found = {}
    for line in lines:
        match = re.fullmatch(rf"# opslib: {re.escape(root)} ([A-Za-z0-9._-]+): begin", line)
        if match and (place := _find(lines, root, match[1])):
            found[match[1]] = [parse(one) for one in _commands(lines[place[0] : place[1]])]
    return found


def since(text: str, root: str, host: str) -> datetime | None:
    """From when on the block of the host catches up what was missed; None where it does not."""
    lines = text.split("\n")
    found = _find(lines, root, host)
    return _since(lines[found[0] : found[1]]) if found else None


def _commands(block: Sequence[str]) -> list[str]:
    return [line for line in block if not line.startswith("#")]


def _since(block: Sequence[str]) -> datetime | None:
    for line in block:
        if match := re.fullmatch(re.escape(_SINCE).replace(r"\{\}", r"(\S+)"), line):
            with suppress(ValueError):
                return datetime.fromisoformat(match[1])
    return None


def _line(schedule: str, command: str, root: str) -> str:
    if re.search(r"[\n\r\0]", command):
        raise BadSettings(f"cron cannot run a command with a line break: {root!r}", left="the crontab")
    if len(command) > LONGEST:
        raise BadSettings(
            f"the command is {len(command)} characters long and cron takes {LONGEST}",
            left="the crontab",
            next="move the project or the Python environment to a shorter path",
        )
    return f"{schedule} {command.replace('%', chr(92) + '%')}"  # to cron a bare % is a line break


def _begin(root: str, host: str) -> str:
    return f"# opslib: {root} {host}: begin"


def _end(root: str, host: str) -> str:
    return f"# opslib: {root} {host}: end"


def _find(lines: list[str], root: str, host: str) -> tuple[int, int] | None:
    begins = [i for i, line in enumerate(lines) if line == _begin(root, host)]
    ends = [i for i, line in enumerate(lines) if line == _end(root, host)]
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or begins > ends:
        raise OpsError(
            f"the crontab's lines `# opslib: {root} {host}: begin` and `… end` do not pair up",
            left="the crontab",
            next="crontab -e, and remove both of them and what is between",
        )
    return begins[0], ends[0]
