"""This user's crontab on this machine: read and replaced as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from opslib.command import bash, command
from opslib.cron import block, clock
from opslib.cron.held import Held, Line
from opslib.errors import OpsError
from opslib.events import Note, Tell
from opslib.settings.model import Host
from opslib.target.local import Local

# A daemon in a container is in the list of processes too, but it does not read this machine's crontabs.
_DAEMON = """mine=$(readlink /proc/self/ns/pid)
for p in /proc/[0-9]*; do
  IFS= read -r name <"$p/comm" || continue
  case $name in cron|crond|fcron|bcron-sched) ;; *) continue ;; esac
  ns=$(readlink "$p/ns/pid"); [ "${ns:-$mine}" != "$mine" ] || exit 0
done 2>/dev/null; exit 1"""


class NoCrontab(OpsError):
    """This machine has no crontab program."""


class Crontab:
    """The crontab, of which the blocks of the project in `root` are opslib's. Bytes that are no UTF-8 survive: they are
    surrogates in the text. `log` is where the output of a host's jobs goes."""

    name = "crontab"

    def __init__(self, root: str = "/", log: Callable[[str], Path] = lambda host: Path(os.devnull)) -> None:
        self._root, self._log = root, log
        self._target = Local(Host(name="local", path="/"))

    def there(self) -> bool:
        """Whether this machine has a crontab program."""
        try:
            self.read()
        except NoCrontab:
            return False
        except OpsError:
            pass
        return True

    def held(self) -> dict[str, Held]:
        """What is installed, by host. Raises OpsError."""
        try:
            text = self.read()
        except NoCrontab:
            return {}
        found = block.installed(text, self._root)
        return {
            host: self._held(host, lines, block.since(text, self._root, host) is not None)
            for host, lines in found.items()
        }

    def wanted(self, host: str, jobs: Sequence[block.Job], *, catch_up: bool) -> Held:
        """What would be installed. Raises BadSettings for what no crontab can hold."""
        return self._held(host, [block.parse(job.line()) for job in jobs], catch_up)

    def install(self, host: str, jobs: Sequence[block.Job], *, catch_up: bool, plan: bool) -> bool:
        """Put the host's jobs there in place of its old ones; whether that changes the crontab."""
        before = self.read()
        later = block.later(host, jobs[0]) if catch_up else None
        after = block.install(before, self._root, host, jobs, later, datetime.now(timezone.utc))
        if not plan:
            self._log(host).parent.mkdir(parents=True, exist_ok=True)
            if after != before:
                self.write(after)
        return after != before

    def remove(self, host: str, *, plan: bool) -> bool:
        """Take the host's jobs out; whether there were any."""
        try:
            before = self.read()
        except NoCrontab:
            return False
        after = block.remove(before, self._root, host)
        if after != before and not plan:
            self.write(after)
        return after != before

    def warn(self, host: str, tell: Tell) -> None:
        """Say what keeps the jobs from running."""
        if not self.daemon_runs():
            tell(Note(host, "no cron daemon runs on this machine: sudo systemctl enable --now cron", warning=True))

    def _held(self, host: str, lines: Sequence[Line], catch_up: bool) -> Held:
        jobs = (line for line in lines if line.task != block.CATCH_UP)
        timed = tuple(replace(line, next=clock.coming(line.schedule, line.delay)) for line in jobs)
        return Held(self.name, timed, catch_up, str(self._log(host)))

    def read(self) -> str:
        """The text; "" where the user has none. Raises OpsError where it cannot be read."""
        result = self._target.run(command("crontab", "-l"), check=False)
        if result.ended.ok:
            return result.out.decode("utf-8", "surrogateescape")
        said = result.ended.stderr.strip()
        if result.ended.code in (126, 127):
            raise NoCrontab(
                "this machine has no crontab program",
                left="everything",
                next="sudo apt-get install cron (Debian, Ubuntu), or sudo dnf install cronie",
            )
        if said.startswith("no crontab for"):
            return ""
        raise OpsError(f"the crontab cannot be read: {said}", left="everything", next="crontab -l")

    def write(self, text: str) -> None:
        """Replace it, and look that it was replaced: some crontab programs end with 0 although they refused."""
        result = self._target.run(command("crontab", "-", feed=text.encode("utf-8", "surrogateescape")), check=False)
        if not result.ended.ok or self.read() != text:
            said = result.ended.stderr.strip() or "it reads otherwise afterwards"
            raise OpsError(f"the crontab could not be replaced: {said}", left="the crontab", next="crontab -l")

    def daemon_runs(self) -> bool:
        """Whether some cron daemon is among the processes."""
        return self._target.run(bash(_DAEMON), check=False).ended.ok
