"""The block of lines that opslib keeps in a crontab: one for each project and host. Text in, text out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opslib.errors import BadSettings, OpsError

LONGEST = 990  # characters of a command: Debian's cron refuses more than 999
LOG_SIZE = 1024  # KiB of a log that is put aside; the one before it is dropped
GRACE = "10m"  # for a task that is over its time to undo what it began


@dataclass(frozen=True, slots=True)
class Job:
    """What cron is to run: `argv` (absolute) in the folder `root` with nothing but `env`, `delay` seconds later than
    the schedule says and for `limit` seconds at most; its output goes to `log`."""

    root: str
    schedule: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: str
    delay: int = 0
    limit: int = 86400

    def command(self) -> str:
        """The command for a shell.

        All output goes to the log; what goes wrong (standard error) is also printed, so that cron mails it. The log
        is put aside when it has become long. At the limit only the task itself is told to end (`--foreground`): it ends
        what it has started, and undoes it.
        """
        log = shlex.quote(self.log)
        env = ["env", *(f"{name}={value}" for name, value in self.env.items())]
        run = shlex.join([*env, "timeout", "--foreground", "-v", "-k", GRACE, str(self.limit), *self.argv])
        later = f"sleep {self.delay}; " if self.delay else ""
        return (
            f"{later}cd {shlex.quote(self.root)} && {{ date; {run}; }} 2>&1 >>{log} | tee -a {log}; "
            f"find {log} -size +{LOG_SIZE}k -exec mv {{}} {{}}.1 ';'"
        )

    def line(self) -> str:
        """The line of a crontab. Raises BadSettings for what no crontab can hold."""
        command = self.command()
        if re.search(r"[\n\r\0]", command):
            raise BadSettings(f"cron cannot run a command with a line break: {self.root!r}", left="the crontab")
        if len(command) > LONGEST:
            raise BadSettings(
                f"the command is {len(command)} characters long and cron takes {LONGEST}",
                left="the crontab",
                next="move the project or the Python environment to a shorter path",
            )
        return f"{self.schedule} {command.replace('%', chr(92) + '%')}"  # to cron a bare % is a line break


@dataclass(frozen=True, slots=True)
class Line:
    """What a line of a block says: which task, when, and how many seconds later; `signals`: whether it tells how the
    task ended. `text` is the line itself."""

    task: str
    schedule: str
    delay: int
    signals: bool
    text: str


def parse(text: str) -> Line:
    """A line of a block; a task that cannot be found in it is ""."""
    schedule = " ".join(text.split(" ")[: 1 if text.startswith("@") else 5])
    command = text.removeprefix(schedule).lstrip()
    task = re.search(r" (backup\.[a-z]+) --host ", command)
    delay = re.match(r"sleep ([0-9]+); ", command)
    return Line(task[1] if task else "", schedule, int(delay[1]) if delay else 0, " --signal;" in command, text)


def install(text: str, root: str, host: str, jobs: Sequence[Job]) -> str:
    """The crontab with the jobs of the host in a block: in the place of an old one, or at the end."""
    block = [_begin(root, host), *(job.line() for job in jobs), _end(root, host)]
    lines = text.split("\n")
    found = _find(lines, root, host)
    if found:
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
            found[match[1]] = [parse(one) for one in lines[place[0] + 1 : place[1]]]
    return found


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
