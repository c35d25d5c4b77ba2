"""The one value that a run ends in: shown on the screen, printed as JSON, and kept as one line of the journal."""

from __future__ import annotations

import getpass
import socket
import traceback
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from opslib.errors import Cancelled, OpsError, Unhealthy
from opslib.events import Status


@dataclass(slots=True)
class StepRecord:
    """One step: how it ended and how many seconds it took."""

    name: str
    status: Status
    seconds: float
    note: str = ""


@dataclass(slots=True)
class HostRecord:
    """What happened on one host. `result` is documented per task and only grows. `round_trips`: commands that were
    started there, each of which is an answer waited for."""

    host: str
    ok: bool = True
    changed: bool = False
    seconds: float = 0.0
    round_trips: int = 0
    steps: list[StepRecord] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str | None] | None = None
    code: int = 0


@dataclass(slots=True)
class Record:
    """One task on one host or many; the shape is the same."""

    task: str
    started: str
    seconds: float = 0.0
    hosts: list[HostRecord] = field(default_factory=list)

    @property
    def exit(self) -> int:
        """The exit code: a single host's own; of several 130 when interrupted, 1 if any failed, else 3 if any found."""
        codes = [host.code for host in self.hosts]
        if len(codes) == 1:
            return codes[0]
        for code in (Cancelled.exit_code, 4, 5, 2):
            if codes and all(c in (0, code) for c in codes) and code in codes:
                return code
        if any(code not in (0, Unhealthy.exit_code) for code in codes):
            return 1
        return Unhealthy.exit_code if any(codes) else 0

    @property
    def ok(self) -> bool:
        """Nothing failed and nothing was found."""
        return self.exit == 0

    def as_json(self) -> dict[str, Any]:
        """The documented object."""
        hosts = []
        for host in self.hosts:
            entry = asdict(host)
            del entry["code"]
            hosts.append(entry)
        return {
            "task": self.task, "ok": self.ok, "exit": self.exit, "started": self.started,
            "seconds": round(self.seconds, 3), "hosts": hosts,
        }  # fmt: skip


def failed(host: HostRecord, error: OpsError) -> None:
    """Write an error into a host's record."""
    host.ok = False
    host.code = error.exit_code
    host.error = {"what": error.what, "left": error.left, "next": error.next}


def unforeseen(error: Exception, host: str | None = None) -> OpsError:
    """What is said of a mistake of opslib's own; `host`: where it was one of several."""
    said = (str(error).strip().splitlines() or [""])[0]
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"with --host {host} --debug" if host is not None else "with --debug"
    return OpsError(
        f"unexpected {type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {said}",
        next=f"run it again {where} to see the whole traceback, and report it",
    )


def now(timespec: str = "seconds") -> str:
    """The time as it stands in records: ISO 8601, UTC, by default whole seconds."""
    return datetime.now(timezone.utc).isoformat(timespec=timespec).replace("+00:00", "Z")


def holder(task: str) -> str:
    """One line for whoever waits for the lock: who, what, since."""
    return f"{getpass.getuser()}@{socket.gethostname()}: {task}, since {now()}"
