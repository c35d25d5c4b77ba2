"""What lies in volumes and folders: their size, SQLite files, and traces of databases. One look, as root, read-only:
the SSH user may not see into them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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

_MARKS = " -o ".join(f"-name {name}" for name in MARKERS)
_NAMES = " -o ".join(f"-iname '*.{ending}'" for ending in ("db", "sqlite", "sqlite3", "db3", "s3db", "sqlitedb"))

# `read` ends at a zero byte: `-N` would pass over them, all of those in a file of zeros.
# stdin: "N PATH" for each file below place N that a release wrote. Paths are printed in base64: any byte may be in one.
_SCAN = f"""export LC_ALL=C; list=$(mktemp); cat >"$list"
magic() {{ while IFS= read -r -d '' f; do IFS= read -r -d '' -n 15 head <"$f" && [ "$head" = '{MAGIC}' ] &&
  printf 'sqlite %s\\n' "$(printf %s "${{f#"$p"}}" | base64 -w0)"; done; }}
for p in /scan/*; do
  n=${{p##*/}}; printf 'place %s\\n' "$n"
  if [ -d "$p" ]; then echo 'type dir'; elif [ -f "$p" ]; then echo 'type file'; else echo 'type other'; continue; fi
  size=$(timeout 60 du -sB1 -- "$p" | cut -f1); printf 'size %s\\n' "${{size:-0}}"
  find "$p" -maxdepth 3 \\( {_MARKS} \\) -printf 'mark %f\\n' | sort -u
  find "$p" -xdev -type f -printf '%P\\n' | grep -vxFf <(sed -n "s/^$n //p" "$list") | head -n 1 |
    sed 's/.*/unreleased/'
  find "$p" -xdev -type f -size +0 \\( {_NAMES} \\) -print0 | magic
  find "$p" -xdev -type f -size +0 ! \\( {_NAMES} \\) -print0 | head -zn {BOUND} | magic
  [ -z "$(find "$p" -xdev -type f ! \\( {_NAMES} \\) -print0 | tr -dc '\\0' | tail -c +{BOUND + 1} | head -c 1 |
    tr '\\0' x)" ] || echo 'many'
done 2>/dev/null; echo end"""


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


def scan_command(host: Host, tools: str, places: Sequence[Place], released: Sequence[tuple[int, str]]) -> Command:
    """The one look of `scan`."""
    mounts = [mount(place.kind, place.source, f"/scan/{number}", readonly=True) for number, place in enumerate(places)]
    feed = "".join(f"{number} {path}\n" for number, path in released).encode("utf-8", "surrogateescape")
    options = ["--security-opt", "label=disable"]
    return run_in(host, tools, "bash", "-c", _SCAN, mounts=mounts, options=options, feed=feed, limit=LOOKING)


def scan(
    target: Target, tools: str, places: Sequence[Place], released: Mapping[Place, Sequence[str]]
) -> dict[Place, Inside]:
    """What is in each of the places; `released` are the files in them (relative) that a release wrote. Raises OpsError
    where the answer has no end (see `docker.whole`)."""
    if not places:
        return {}
    written = [(number, path) for number, place in enumerate(places) for path in released.get(place, ())]
    lines = whole(target, list(target.lines(scan_command(target.host, tools, places, written))))
    return dict(zip(places, parse(lines, len(places)), strict=True))


def parse(lines: Iterable[str], places: int) -> list[Inside]:
    """What the look printed."""
    found = [Inside() for _ in range(places)]
    now = Inside()
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "place":
            now = found[int(rest)]
        elif word == "type":
            now.type = rest
        elif word == "size":
            now.size = int(rest)
        elif word == "mark":
            now.marks.add(MARKERS[rest])
        elif word == "unreleased":
            now.unreleased = True
        elif word == "sqlite":
            path = base64.b64decode(rest).decode("utf-8", "surrogateescape").lstrip("/")
            if not path.endswith(BESIDE):
                now.sqlite.append(path)
        elif word == "many":
            now.many = True
    return found
