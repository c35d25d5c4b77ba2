"""Moves bytes by opslib, in opslib's environment: SERVER REMOTE SAMPLE BACK, then a line on stdin for each thing to do.

Prints the seconds of each. `down` drops what comes, `up` writes a file there; `get` and `put` are whole and checked.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from opslib.command import bash, command
from opslib.settings.model import Host
from opslib.settings.units import address
from opslib.target.connect import connect
from opslib.target.transfer import get, put, stream_in, stream_out


def main(server: str, remote: str, sample: str, back: str) -> None:
    target = connect(Host(name=server, path=".", address=address(server)))

    def down() -> None:
        with open("/dev/null", "wb", buffering=0) as nowhere:
            stream_out(target, command("cat", remote, limit=3600), nowhere.write)

    def up() -> None:
        with open(sample, "rb") as file:
            stream_in(target, bash('cat >"$1"', f"{remote}.up", limit=3600), file)

    does = {
        "down": down,
        "up": up,
        "get": lambda: get(target, remote, Path(back)),
        "put": lambda: put(target, Path(sample), f"{remote}.up"),
    }
    try:
        for line in sys.stdin:
            began = time.perf_counter()
            does[line.strip()]()
            print(time.perf_counter() - began, flush=True)
    finally:
        target.close()


main(*sys.argv[1:])
