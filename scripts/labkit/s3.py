"""The lab's S3 server: versitygw, a real one, built once from its Go module. Tests start it on the loopback themselves.

`OPSLIB_S3_SERVER=FILE` names a versitygw that is there already.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from .shell import LabError, attempt, say, state_dir

MODULE = "github.com/versity/versitygw/cmd/versitygw"
VERSION = "v1.8.0"
_BUILD = 1800.0  # seconds


def program() -> Path | None:
    """The server's program, where there is one."""
    if named := os.environ.get("OPSLIB_S3_SERVER"):
        if not os.access(named, os.X_OK):
            raise LabError(f"OPSLIB_S3_SERVER: there is no program at {named}", 2)
        return Path(named)
    built = _built()
    return built if built.exists() else None


def ensure() -> None:
    """Build it when it is not there. Without Go the tests that need it have no server, and say so."""
    if program() is not None:
        return
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        say("no S3 server: no Go is installed to build it with")
        return
    began = time.monotonic()
    say(f"build versitygw {VERSION}, about 120 s")
    folder = state_dir("s3", "part")
    done = attempt(["env", f"GOBIN={folder}", go, "install", f"{MODULE}@{VERSION}"], limit=_BUILD)
    if done.returncode != 0:
        raise LabError(f"versitygw cannot be built:\n{done.stderr.strip()[-2000:]}")
    (folder / "versitygw").rename(_built())
    say(f"built versitygw in {time.monotonic() - began:.0f} s")


def _built() -> Path:
    return state_dir("s3") / f"versitygw-{VERSION}"
