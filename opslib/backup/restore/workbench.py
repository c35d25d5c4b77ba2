"""A tools container that stays open for a place: a container for each of the many small scripts of a restore takes four
times as long as one more process in a container that is there."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from opslib.backup.pack import LONG
from opslib.target.docker import run_in
from opslib.target.process import new_nonce

if TYPE_CHECKING:
    from opslib.target.base import Target

MOST = 5  # sshd gives a connection ten sessions (MaxSessions), and the work itself needs some of them
_WAIT = ("sh", "-c", "echo open; exec cat >/dev/null")


class Workbench:
    """The open containers of one restore. Each is a command of the run, and ends with it, with us or with the line.
    `volumes` are those that were there before: a new one can only be removed again while no container has it."""

    def __init__(self, target: Target, tools: str, volumes: Collection[str]) -> None:
        self._target, self._tools, self._volumes = target, tools, frozenset(volumes)
        self._open: dict[str, str] = {}  # names by mount

    def container(self, source: str, mounted: str) -> str | None:
        """The name of the container that has this mount of a volume or folder; None where there is to be none. Raises
        OpsError."""
        if mounted not in self._open:
            new = not source.startswith("/") and source not in self._volumes
            if new or len(self._open) == MOST:
                return None
            self._open[mounted] = self._start(mounted)
        return self._open[mounted]

    def _start(self, mounted: str) -> str:
        name = f"opslib-{new_nonce()}"
        cmd = run_in(self._target.host, self._tools, *_WAIT, mounts=[mounted], name=name, streams=True, limit=LONG,
                     options=["--security-opt", "label=disable"])  # fmt: skip
        process = self._target.start(cmd)
        try:
            if process.read():
                return name
        except BaseException:
            self._target.abandon(process)
            raise
        raise self._target.failure(cmd, self._target.finish(process))
