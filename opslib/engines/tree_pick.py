"""Finds files and folders in a tar archive by their paths, whatever packed it: for putting back some of them.

It runs where the archive is: as the text of `python3 -c`, with the standard library alone, and reads the unpacked
archive from standard input. For each path that it is given it says a line of JSON:

    {"path", "counts": {"files", "dirs", "links", "bytes"}, "above": [the folders on
     the way to it], "linked": [files elsewhere that hard links in it need]}
    {"missing": path, "near": [names like it]}

Paths are relative, without `./`; a folder stands for all that is in it.
"""

from __future__ import annotations

import difflib
import json
import sys
import tarfile
from typing import Any, BinaryIO

NEAR = 5


def plain(name: str) -> str:
    """A member's name as a path is written."""
    return name.removeprefix("./").strip("/")


class Found:
    """What of the archive one path stands for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.there = False
        self.counts = dict.fromkeys(("files", "dirs", "links", "bytes"), 0)
        self.linked: set[str] = set()

    def holds(self, name: str) -> bool:
        """Whether a member belongs to it."""
        return name == self.path or name.startswith(f"{self.path}/")

    def take(self, entry: tarfile.TarInfo, sizes: dict[str, int]) -> None:
        """Count a member. A hard link to a file outside needs that file, whose bytes are its own then."""
        self.there = True
        if entry.isdir():
            self.counts["dirs"] += 1
        elif entry.issym():
            self.counts["links"] += 1
        elif entry.isreg():
            self.counts["files"] += 1
            self.counts["bytes"] += entry.size
        elif entry.islnk():
            self.counts["files"] += 1
            target = plain(entry.linkname)
            if not self.holds(target) and target not in self.linked:
                self.linked.add(target)
                self.counts["bytes"] += sizes.get(target, 0)

    def said(self, names: dict[str, int]) -> dict[str, Any]:
        """Its line."""
        if not self.there:
            return {"missing": self.path, "near": near(self.path, list(names))}
        ways = [self.path[:at] for at, char in enumerate(self.path) if char == "/"]
        above = [one for one in ways if one in names]
        return {"path": self.path, "counts": self.counts, "above": above, "linked": sorted(self.linked)}


def near(path: str, names: list[str]) -> list[str]:
    """The names that may have been meant: of the same file name, or like it in the same folder."""
    base = path.rpartition("/")[2]
    same = [name for name in names if name.rpartition("/")[2] == base]
    folder = path.rpartition("/")[0]
    beside = [name for name in names if name and name.rpartition("/")[0] == folder]
    return [*same, *(one for one in difflib.get_close_matches(path, beside, NEAR) if one not in same)][:NEAR]


def find(archive: BinaryIO, paths: list[str]) -> list[dict[str, Any]]:
    """A line for each path. Raises tarfile.TarError for what is no archive."""
    wanted = [Found(path) for path in paths]
    sizes: dict[str, int] = {}
    with tarfile.open(fileobj=archive, mode="r|", errors="surrogateescape") as packed:
        for entry in packed:
            packed.members = []  # type: ignore[attr-defined]  # or it keeps all of them
            name = plain(entry.name)
            sizes[name] = entry.size
            for one in wanted:
                if one.holds(name):
                    one.take(entry, sizes)
    return [one.said(sizes) for one in wanted]


def main(paths: list[str]) -> int:
    """Read standard input; the exit code."""
    try:
        found = find(sys.stdin.buffer, paths)
    except (tarfile.TarError, EOFError) as error:
        print(f"the archive cannot be read: {error}", file=sys.stderr)
        return 1
    for line in found:
        print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
