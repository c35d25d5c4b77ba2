"""What lies in the folders and files below a folder: a program for the tools container's Python.

Read as JSON: `magic`, the first bytes of a SQLite file; `names`, endings of names that tell of one; `bound`, how many
files of other names are looked into; `marks`, names that tell of a database; `released`, by place, the files that a
release wrote. Printed: a JSON object for each place, in the order of their numbers, then `end`.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Collection, Iterator
from typing import Any


def look(top: str, asked: dict[str, Any], released: Collection[str]) -> dict[str, Any]:
    """What is in one place, in one walk. Symbolic links are not followed, and what changes meanwhile is passed over."""
    found: dict[str, Any] = {"type": "other", "size": 0, "marks": [], "sqlite": [], "unreleased": False, "many": False}
    info = os.stat(top)
    if stat.S_ISREG(info.st_mode):
        found.update(type="file", size=info.st_blocks * 512, unreleased="" not in released)
        found["sqlite"] = [""] if begins(top, info, asked["magic"]) else []
    elif stat.S_ISDIR(info.st_mode):
        found.update(type="dir", size=info.st_blocks * 512)
        walk(top, info.st_dev, asked, released, found)
    return found


def walk(top: str, device: int, asked: dict[str, Any], released: Collection[str], found: dict[str, Any]) -> None:
    magic, names, marks = asked["magic"], tuple(asked["names"]), set(asked["marks"])
    links: set[tuple[int, int]] = set()
    folders, others = [("", 1, True)], 0  # a path below top, how deep its entries are, whether on the place's own disk
    while folders:
        folder, depth, own = folders.pop()
        for name, path, info in entries(top, folder):
            if info.st_nlink < 2 or stat.S_ISDIR(info.st_mode):
                found["size"] += info.st_blocks * 512
            elif (inode := (info.st_dev, info.st_ino)) not in links:
                found["size"] += info.st_blocks * 512
                links.add(inode)
            if depth <= 3 and name in marks:
                found["marks"].append(name)
            if stat.S_ISDIR(info.st_mode):
                folders.append((path, depth + 1, own and info.st_dev == device))
            elif stat.S_ISREG(info.st_mode) and own:
                found["unreleased"] = found["unreleased"] or path not in released
                telling = name.lower().endswith(names)
                others += not telling
                found["many"] = others > asked["bound"]
                if (telling or not found["many"]) and begins(f"{top}/{path}", info, magic):
                    found["sqlite"].append(path)


def entries(top: str, folder: str) -> Iterator[tuple[str, str, os.stat_result]]:
    try:
        with os.scandir(f"{top}/{folder}") as here:
            for entry in here:
                try:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    yield entry.name, path, entry.stat(follow_symlinks=False)
                except OSError:
                    pass
    except OSError:
        pass


def begins(path: str, info: os.stat_result, magic: str) -> bool:
    if info.st_size < len(magic):
        return False
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.read(file, len(magic)) == magic.encode()
    except OSError:
        return False
    finally:
        os.close(file)


def main(top: str) -> None:
    asked = json.load(sys.stdin)
    for number in sorted(map(int, os.listdir(top))):
        released = set(asked["released"].get(str(number), ()))
        print(json.dumps(look(os.path.join(top, str(number)), asked, released)))
    print("end")


if __name__ == "__main__":
    main(sys.argv[1])
