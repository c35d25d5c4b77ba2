"""What is kept on this machine: the memory of each host, and the files that Prometheus reads."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from opslib.signals.outcome import Memory

HOME = ".local/state/opslib"


def memory_file(root: Path, host: str) -> Path:
    """Where the memory of a project's host is kept."""
    digest = hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return Path.home() / HOME / f"{root.name}-{host}-{digest}.json"


def metrics_file(folder: str, root: Path, host: str) -> Path:
    """The file of a project's host: hosts share a folder, never a file."""
    return Path(folder, f"opslib-{root.name}-{host}.prom")


@contextmanager
def remembered(path: Path) -> Iterator[tuple[Memory, Callable[[Memory], None]]]:
    """The memory, and how it is replaced: by one process at a time. What cannot be read counts as nothing. Raises
    OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_suffix(".lock"), "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        try:
            memory = msgspec.json.decode(path.read_bytes(), type=Memory)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            memory = Memory()
        yield memory, lambda new: write(path, msgspec.json.encode(new), mode=0o600)


def write(path: Path, data: bytes, *, mode: int) -> None:
    """Replace a file as a whole: whoever reads it sees the old one or the new one. Raises OSError."""
    number, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with open(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(number, mode)
            os.fsync(number)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
