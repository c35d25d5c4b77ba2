"""This machine as a target."""

from __future__ import annotations

import os

from opslib.target.base import Target
from opslib.target.leash import LOCAL_ARGV
from opslib.target.pipe import LocalPipe, Pipe


class Local(Target):
    """Commands run here, with a clean environment: DOCKER_HOST, COMPOSE_* and the like would override what the host
    file says."""

    def _open(self) -> Pipe:
        path = os.environ.get("PATH") or "/usr/local/bin:/usr/bin:/bin"
        kept = {name: os.environ[name] for name in ("HOME", "USER") if name in os.environ}
        return LocalPipe(LOCAL_ARGV, {**kept, "PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin", "LANG": "C.UTF-8"})

    def open_keeper(self) -> Pipe:
        return self._open()

    def close(self) -> None:
        self.hang_up()
