"""Programs of the lab that tests of stores start, each on a free port of the loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conftest import lab_facts, missing


def lab_program(name: str) -> str:
    """The program that the lab's facts have under that name. Without it the test is skipped, or fails where the lab is
    required."""
    found = lab_facts().get(name)
    if not found:
        missing(f"the program is not there: run scripts/lab {name}")
    return str(found)


class Running:
    """Runs from its construction, which returns when the port answers, until `kill`."""

    def __init__(self, argv: Sequence[str], port: int, log: Path, environ: Mapping[str, str] | None = None) -> None:
        self._log = open(log, "ab")  # noqa: SIM115  # kill closes it
        self._process = subprocess.Popen(
            argv, env={**os.environ, **(environ or {})}, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        until = time.monotonic() + 120
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as line:
                if line.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"{argv[0]} did not start: {log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait(10)
        self._log.close()
