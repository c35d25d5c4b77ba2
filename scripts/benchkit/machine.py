"""What it was measured on."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path

from . import databases
from .engines import Engine
from .measure import BenchError, call
from .place import BIN, CHECKOUT, Place


def facts(place: Place, engine: Engine | None) -> list[str]:
    """Lines: the date, the machine, the versions."""
    model = re.search(r"(?m)^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    versions = {
        "opslib": _commit(),
        "Python": _said(BIN / "python", "--version"),
        "Docker": _said(place.docker, "version", "--format", "{{.Server.Version}}") if "lab" in place.__dict__ else "",
        "OpenSSH": _said("ssh", "-V"),
    }
    served = [databases.version(place, engine)] if engine else []
    return [
        f"Measured {time.strftime('%Y-%m-%d')} on {cores} cores of {model[1] if model else platform.machine()}, "
        f"{memory:.0f} GiB, {system}, Linux {platform.release()}; load before it began {place.load:.1f}.",
        ", ".join([*(f"{name} {version}" for name, version in versions.items() if version), *served]) + ".",
    ]


def _commit() -> str:
    if not (CHECKOUT / ".git").exists():
        return ""
    commit = _said("git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD")
    changed = _said("git", "-C", str(CHECKOUT), "status", "--porcelain", "--untracked-files=no", "opslib")
    return f"{commit} with changes" if changed else commit


def _said(*argv: str | Path) -> str:
    """A program's word about itself, "" where it is missing."""
    try:
        ran = call(["sh", "-c", 'exec "$@" 2>&1', "sh", *argv])
    except BenchError:
        return ""
    return re.sub(r"^(Python |OpenSSH_)|,.*", "", ran.out.strip().split("\n")[0])
