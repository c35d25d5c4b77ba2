"""This user's crontab on this machine: read and replaced as a whole."""

from __future__ import annotations

from opslib.command import bash, command
from opslib.errors import OpsError
from opslib.settings.model import Host
from opslib.target.local import Local

_DAEMON = "cat /proc/[0-9]*/comm 2>/dev/null | grep -qxE 'cron|crond|anacron|fcron|bcron-sched|busybox'"


class Crontab:
    """Bytes that are no UTF-8 survive: they are surrogates in the text."""

    def __init__(self) -> None:
        self._target = Local(Host(name="local", path="/"))

    def read(self) -> str:
        """The text; "" where the user has none. Raises OpsError where it cannot be read."""
        result = self._target.run(command("crontab", "-l"), check=False)
        if result.ended.ok:
            return result.out.decode("utf-8", "surrogateescape")
        said = result.ended.stderr.strip()
        if result.ended.code in (126, 127):
            raise OpsError(
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
