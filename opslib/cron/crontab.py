"""This user's crontab on this machine: read and replaced as a whole."""

from __future__ import annotations

from opslib.command import bash, command
from opslib.errors import OpsError
from opslib.settings.model import Host
from opslib.target.local import Local

# A daemon in a container is in the list of processes too, but it does not read this machine's crontabs.
_DAEMON = """mine=$(readlink /proc/self/ns/pid)
for p in /proc/[0-9]*; do
  IFS= read -r name <"$p/comm" || continue
  case $name in cron|crond|fcron|bcron-sched) ;; *) continue ;; esac
  ns=$(readlink "$p/ns/pid"); [ "${ns:-$mine}" != "$mine" ] || exit 0
done 2>/dev/null; exit 1"""


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
