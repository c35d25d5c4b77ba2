"""What every module of the lab needs: one line for each thing done, one error, running commands, the state folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

LABEL = "opslib.lab=1"
PREFIX = "opslib-lab/"
CHECKOUT = Path(__file__).resolve().parents[2]
_quiet_stdout = False


class LabError(Exception):
    """Something that a user can cause or cure; `code` is the exit code (1: it failed, 3: no engine to be had)."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def lines_to_stderr() -> None:
    """Keep stdout for the one JSON object."""
    global _quiet_stdout
    _quiet_stdout = True


def say(line: str) -> None:
    stream = sys.stderr if _quiet_stdout else sys.stdout
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError:
        # Whoever read the lines has gone (`| head`): the work goes on without them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def state_dir(*parts: str) -> Path:
    """A folder below OPSLIB_LAB_DIR (default ~/.cache/opslib-lab), made when absent, readable by its owner only."""
    root = Path(os.environ.get("OPSLIB_LAB_DIR") or Path.home() / ".cache" / "opslib-lab")
    folder = root.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def environment() -> dict[str, str]:
    """The environment of commands: root's tools are found from a user's shell too, and nothing asks questions."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {**os.environ, "PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin", "DEBIAN_FRONTEND": "noninteractive"}


def attempt(
    argv: Sequence[str | Path], *, limit: float | None = None, data: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run and look at the result oneself; a missing program and a passed limit (seconds) are exit codes too."""
    words = [str(word) for word in argv]
    try:
        return subprocess.run(
            words, env=environment(), input=data, capture_output=True, text=True, errors="replace", timeout=limit
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(words, 127, "", f"{words[0]}: not found")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 124, "", f"{words[0]}: no answer in {limit:g} s")


def run(argv: Sequence[str | Path], *, limit: float | None = None, data: str | None = None) -> str:
    """Standard output of a command that must succeed; otherwise LabError with the last lines it wrote."""
    done = attempt(argv, limit=limit, data=data)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise LabError(f"`{' '.join(str(word) for word in argv)}` ended with {done.returncode}:\n{tail}")
    return done.stdout


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two `scripts/lab` that change something take turns; the kernel frees the lock of one that died."""
    with open(state_dir() / "lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another scripts/lab is at work here: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        # What this process starts and leaves running must not keep the lock: Python opens files non-inheritable.
        yield


def read_ini(text: str) -> Mapping[str, str]:
    """KEY=value lines as in /etc/os-release, without quotes."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}
