"""systemd's timers on this machine: of the system for root, of the user for everybody else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone, tzinfo
from pathlib import Path

from opslib.command import command
from opslib.cron import clock, units
from opslib.cron.block import Job
from opslib.cron.held import Held, Line
from opslib.errors import CommandFailed, OpsError
from opslib.events import Note, Tell
from opslib.settings.model import Host
from opslib.signals.files import write
from opslib.target.local import Local

BOOTED = "/run/systemd/system"  # is there where systemd runs the machine
_LINGER = "/var/lib/systemd/linger"


class Timers:
    """The timers of the project in `root`."""

    name = "systemd"

    def __init__(self, root: str) -> None:
        self._root = root
        self._system = os.geteuid() == 0
        self._target = Local(Host(name="local", path="/"))
        self._folder = Path("/etc/systemd/system") if self._system else Path.home() / ".config/systemd/user"

    @staticmethod
    def there() -> bool:
        """Whether systemd runs this machine."""
        return os.path.isdir(BOOTED)

    def held(self) -> dict[str, Held]:
        """What is installed, by host. Raises OpsError where a unit cannot be read."""
        found: dict[str, list[tuple[Line, bool]]] = {}
        for host, timer in self._units():
            service = timer.with_suffix(".service")
            line, catches_up = units.parse(timer.stem, _read(timer), _read(service) if service.exists() else "")
            found.setdefault(host, []).append((line, catches_up))
        zone = clock.zone()[1]
        return {
            host: self._held(
                host, [replace(line, next=self._next(line, zone)) for line, _ in lines], any(late for _, late in lines)
            )
            for host, lines in found.items()
        }

    def wanted(self, host: str, jobs: Sequence[Job], *, catch_up: bool) -> Held:
        """What would be installed. Raises BadSettings for what systemd cannot be told."""
        texts = self._texts(host, jobs, catch_up=catch_up)
        lines = [
            units.parse(name[:-6], text, texts[f"{name[:-6]}.service"])[0]
            for name, text in texts.items()
            if name.endswith(".timer")
        ]
        return self._held(host, lines, catch_up)

    def install(self, host: str, jobs: Sequence[Job], *, catch_up: bool, plan: bool) -> bool:
        """Put the host's timers there in place of its old ones, and start them; whether that changes a unit."""
        new = self._texts(host, jobs, catch_up=catch_up)
        old = {path.name: _read(path) for path in self._files(host)}
        if plan:
            return new != old
        self._folder.mkdir(parents=True, exist_ok=True)
        self._drop(sorted(set(old) - set(new)))
        changed = [name for name in new if new[name] != old.get(name)]
        self._forget([name for name in changed if name.endswith(".timer") and name in old])
        for name in changed:
            write(self._folder / name, new[name].encode(), mode=0o644)
        self._systemctl("daemon-reload")
        self._systemctl("enable", "--quiet", "--now", *(name for name in new if name.endswith(".timer")))
        return new != old

    def remove(self, host: str, *, plan: bool) -> bool:
        """Take the host's timers away; whether there were any."""
        names = [path.name for path in self._files(host)]
        if names and not plan:
            self._drop(names)
            self._systemctl("daemon-reload")
        return bool(names)

    def warn(self, host: str, tell: Tell) -> None:
        """Say what keeps the timers from running."""
        user = os.environ.get("USER") or str(os.getuid())
        if not self._system and not os.path.exists(f"{_LINGER}/{user}"):
            what = f"timers of a user rest while nobody is logged in: sudo loginctl enable-linger {user}"
            tell(Note(host, what, warning=True))

    def _held(self, host: str, lines: Sequence[Line], catch_up: bool) -> Held:
        user = "" if self._system else "--user "
        return Held(self.name, tuple(lines), catch_up, f"journalctl {user}-u '{units.prefix(self._root)}{host}-*'")

    def _texts(self, host: str, jobs: Sequence[Job], *, catch_up: bool) -> dict[str, str]:
        texts = {}
        for job in jobs:
            name = units.name(self._root, host, job.task)
            texts[f"{name}.timer"] = units.timer(host, job, catch_up=catch_up)
            texts[f"{name}.service"] = units.service(host, job)
        return texts

    def _units(self) -> Iterator[tuple[str, Path]]:
        """The timers of the project, with their hosts."""
        for path in sorted(self._folder.glob("opslib-*.timer")):
            owner = units.owner(_read(path))
            if owner and owner[0] == self._root:
                yield owner[1], path

    def _files(self, host: str) -> list[Path]:
        timers = [path for name, path in self._units() if name == host]
        return [file for path in timers for file in (path, path.with_suffix(".service")) if file.exists()]

    def _drop(self, names: Sequence[str]) -> None:
        timers = [name for name in names if name.endswith(".timer")]
        self._forget(timers)
        if timers:
            self._systemctl("disable", "--quiet", *timers)
        for name in names:
            (self._folder / name).unlink(missing_ok=True)

    def _forget(self, timers: Sequence[str]) -> None:
        """Stop timers and remove the stamps of their last turns, by which a new schedule would be overdue at once."""
        for timer in timers:
            self._systemctl("stop", timer)
            with suppress(OpsError):  # without Persistent= there is no stamp, which is an error to systemd
                self._systemctl("clean", "--what=state", timer)

    def _next(self, line: Line, zone: tzinfo) -> datetime | None:
        with suppress(OpsError, ValueError):
            said = self._systemctl("show", "--property=NextElapseUSecRealtime", "--value", str(line.unit))
            return datetime.strptime(said, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=timezone.utc).astimezone(zone)
        return None

    def _systemctl(self, *words: str) -> str:
        """What systemctl says. Raises OpsError."""
        user = () if self._system else ("--user",)
        env = {"TZ": "UTC", "XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"}
        try:
            return self._target.run(command("systemctl", *user, *words, env=env)).text
        except CommandFailed as error:
            raise OpsError(
                f"systemctl {' '.join(words)} failed: {error.stderr.strip() or error.what}",
                next="call it again when systemd answers: " + " ".join(["systemctl", *user, "status"]),
            ) from None


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")
    except OSError as error:
        raise OpsError(f"{path} cannot be read: {error.strerror}") from None
