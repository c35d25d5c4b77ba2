"""What lies in volumes and folders: their size, SQLite files, and traces of databases. One look, as root, read-only:
the SSH user may not see into them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.engines.known import MARKERS
from opslib.engines.sqlite import BESIDE, MAGIC
from opslib.target.docker import mount, run_in, whole

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

BOUND = 20000  # files of a place that are looked into; those with a telling name always are
LOOKING = 600.0  # seconds

_NAMES = (".db", ".sqlite", ".sqlite3", ".db3", ".s3db", ".sqlitedb")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: a volume by its real name, or a folder or file of the machine."""

    kind: str  # volume or bind
    source: str


@dataclass(slots=True)
class Inside:
    """What is there. `type` is dir, file or other (a socket, a device); `marks` are the databases it looks like;
    `sqlite` the SQLite files' paths in it ("" for the place itself); `unreleased` says whether it holds a file that no
    release wrote; `many` that not every file was looked into."""

    type: str = "other"
    size: int = 0
    marks: set[str] = field(default_factory=set)
    sqlite: list[str] = field(default_factory=list)
    unreleased: bool = False
    many: bool = False


def scan_command(host: Host, tools: str, places: Sequence[Place], released: Mapping[int, Sequence[str]]) -> Command:
    """The one look of `scan`."""
    mounts = [mount(place.kind, place.source, f"/scan/{number}", readonly=True) for number, place in enumerate(places)]
    program = resources.files("opslib.backup").joinpath("scan_inside.py").read_text(encoding="utf-8")
    asked = {"magic": MAGIC, "names": _NAMES, "bound": BOUND, "marks": [*MARKERS], "released": released}
    return run_in(
        host, tools, "python3", "-c", program, "/scan", mounts=mounts, options=["--security-opt", "label=disable"],
        feed=json.dumps(asked).encode(), limit=LOOKING,
    )  # fmt: skip


def scan(
    target: Target, tools: str, places: Sequence[Place], released: Mapping[Place, Sequence[str]]
) -> dict[Place, Inside]:
    """What is in each of the places; `released` are the files in them (relative) that a release wrote. Raises OpsError
    where the answer has no end (see `docker.whole`)."""
    if not places:
        return {}
    written = {number: released[place] for number, place in enumerate(places) if place in released}
    lines = whole(target, list(target.lines(scan_command(target.host, tools, places, written))))
    return dict(zip(places, map(parse, lines), strict=True))


def parse(line: str) -> Inside:
    """What was printed of one place."""
    seen = json.loads(line)
    seen["marks"] = {MARKERS[mark] for mark in seen["marks"]}
    seen["sqlite"] = [path for path in seen["sqlite"] if not path.endswith(BESIDE)]
    return Inside(**seen)
