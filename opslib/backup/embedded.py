"""Backup of SQLite files and folders by Python alone, where there is no Docker engine.

Run as a program of its own, with nothing but the standard library, and `opslib.backup.sealed` where something is
encrypted: FILE RESERVE sqlite PATH, or FILE RESERVE files
BASE EXCLUDE CHOSEN [WITHOUT…] -- PATH…; or `check KIND FILE`. EXCLUDE and CHOSEN are regular expressions as GNU find
takes them, "" for none. It speaks the language of the tools container's script
(`opslib.backup.pack`).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import sqlite3
import stat
import sys
import tarfile
import tempfile
import time
import zlib
from pathlib import Path
from typing import IO, cast


class Digesting:
    """A file being written: digested, counted, and kept from eating into the free space that must stay."""

    def __init__(self, path: Path, reserve: int) -> None:
        self.room = shutil.disk_usage(path.parent).free - reserve
        self.file = open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")  # noqa: SIM115
        self.sha, self.bytes, self.told_at = hashlib.sha256(), 0, time.monotonic()

    def write(self, data: bytes) -> int:
        """Write on; raises OSError at the reserve."""
        if self.bytes + len(data) > self.room:
            raise OSError("the disk is full up to the reserve")
        self.sha.update(data)
        self.bytes += len(data)
        self.file.write(data)
        if time.monotonic() - self.told_at > 1:
            self.told_at = time.monotonic()
            print(f"bytes {self.bytes}", flush=True)
        return len(data)

    def flush(self) -> None:
        """For GzipFile."""
        self.file.flush()

    def finish(self) -> None:
        """Have it on the disk, read-only, and read it back from there. Raises OSError when it is something else."""
        self.file.flush()
        os.fchmod(self.file.fileno(), 0o440)
        os.fsync(self.file.fileno())
        if hasattr(os, "posix_fadvise"):  # macOS has none: there it may be read from memory
            os.posix_fadvise(self.file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        back = hashlib.sha256()
        self.file.seek(0)
        while data := self.file.read(1024 * 1024):
            back.update(data)
        self.file.close()
        if back.digest() != self.sha.digest():
            raise OSError(f"{self.file.name}: it reads back as something else than was written; look at the disk")


class Counting:
    """What is compressed, counted."""

    def __init__(self, out: gzip.GzipFile) -> None:
        self.out, self.bytes = out, 0

    def write(self, data: bytes) -> int:
        """Write on."""
        self.bytes += len(data)
        return self.out.write(data)


def sqlite(path: Path, out: Counting, stage: Path) -> None:
    """A copy of one state of the file."""
    if not path.is_file():
        raise OSError(f"there is no file {path}")
    sealed = "AGE_RECIPIENTS" in os.environ  # then nothing in clear is to be in the stage
    scratch = tempfile.mkdtemp(prefix="opslib-") if sealed else str(stage)
    copy = Path(scratch, ".sqlite-copy")
    try:
        live, new = sqlite3.connect(path, timeout=60), sqlite3.connect(copy)
        live.backup(new)  # all pages in one step: one state, whatever others write
        told = os.stat(path)
        print(f"told fact owner {told.st_uid}:{told.st_gid}\ntold fact mode {told.st_mode & 0o7777:o}")
        for name, base in (("journal_mode", live), ("user_version", new)):
            print(f"told fact {name} {base.execute(f'pragma {name}').fetchone()[0]}")
        print(f"told fact integrity {new.execute('pragma quick_check(1)').fetchone()[0]}")
        live.close()
        for line in counts(new):
            print(f"told {line}")
        new.close()
        with open(copy, "rb") as file:
            shutil.copyfileobj(file, out, 1024 * 1024)
    finally:
        copy.unlink(missing_ok=True)
        if sealed:
            os.rmdir(scratch)


def counts(base: sqlite3.Connection) -> list[str]:
    """A line for each table."""
    tables = base.execute(
        "select name from sqlite_master where type = 'table' and rootpage > 0 "
        "and name not like 'sqlite\\_%' escape '\\' order by name"
    ).fetchall()
    lines = []
    for (name,) in tables:
        quoted = name.replace('"', '""')
        rows = base.execute(f'select count(*) from "{quoted}"').fetchone()[0]
        lines.append(f"count {json.dumps({'t': name, 'n': rows})}")
    return lines


def names(base: str, starts: list[str], exclude: str, chosen: str, without: list[str]) -> list[str]:
    """What is packed, as `./a/b`, folders before what is in them: nothing that `exclude` matches or `without` names,
    only what `chosen` does, with the folders that lead to it from where it begins."""
    left_out = {_inside(path) for path in without}
    found: set[str] = set()
    left: list[tuple[str, tuple[str, ...]]] = [(_inside(start), ()) for start in starts]
    while left:
        path, above = left.pop()
        if path in left_out or (exclude and _match(exclude, path)):
            continue
        if not chosen or _match(chosen, path):
            found.update((*above, path))
        full = os.path.join(base, path)
        if os.path.isdir(full) and not os.path.islink(full):
            left += [(f"{path}/{name}", (*above, path)) for name in os.listdir(full)]
    return sorted(found, key=os.fsencode)


def _inside(path: str) -> str:
    path = os.path.normpath(path)
    return path if path == "." else f"./{path}"


def _match(pattern: str, path: str) -> bool:
    return re.compile(os.fsencode(pattern), re.DOTALL).fullmatch(os.fsencode(path)) is not None


def files(base: str, exclude: str, chosen: str, without: list[str], paths: list[str], out: Counting) -> None:
    """A tar archive of what is chosen of the paths."""
    counted = dict.fromkeys(("files", "dirs", "links", "bytes"), 0)
    named = {_inside(path) for path in paths}
    with tarfile.open(mode="w|", fileobj=cast("IO[bytes]", out), format=tarfile.PAX_FORMAT) as archive:
        for name in names(base, paths, exclude, chosen, without):
            full = os.path.join(base, name)
            try:
                mode = os.lstat(full).st_mode
                if stat.S_ISSOCK(mode):
                    print(f"said {name!r}: socket ignored")
                    continue
                if stat.S_ISREG(mode):
                    with open(full, "rb") as file:
                        entry = archive.gettarinfo(arcname=name, fileobj=file)
                        archive.addfile(entry, file)
                else:
                    entry = archive.gettarinfo(full, arcname=name)
                    archive.addfile(entry)
            except FileNotFoundError:
                if name in named:
                    raise
                print(f"said {name!r}: file removed before it was read")
                continue
            tally(entry, counted)
    print("told counts " + " ".join(map(str, counted.values())))


def tally(entry: tarfile.TarInfo, counted: dict[str, int]) -> None:
    """Count an entry; the bytes of hard links once."""
    if entry.isdir():
        counted["dirs"] += 1
    elif entry.issym():
        counted["links"] += 1
    elif entry.isfile() or entry.islnk():
        counted["files"] += 1
        counted["bytes"] += entry.size if entry.isfile() else 0


def opened(path: Path) -> IO[bytes]:
    """An artifact, to be read."""
    if path.suffix != ".age":
        return open(path, "rb")
    from opslib.backup.sealed import opened

    return opened(path, os.environ["AGE_IDENTITY"].split())


def check(kind: str, file: Path) -> None:
    """Read an artifact to its end; the integrity and the counts of a SQLite file."""
    with tempfile.TemporaryDirectory(prefix="opslib-") as folder, gzip.open(opened(file), "rb") as packed:
        if kind == "files":
            with tarfile.open(mode="r|", fileobj=packed) as archive:
                for _ in archive:
                    pass
            return
        copy = Path(folder, "copy.db")
        with open(copy, "wb") as out:
            shutil.copyfileobj(packed, out, 1024 * 1024)
        base = sqlite3.connect(copy)
        print(f"fact integrity {base.execute('pragma integrity_check(1)').fetchone()[0]}")
        for line in counts(base):
            print(line)
        base.close()


def main(file: str, reserve: str, what: str, *words: str) -> None:
    """Make one artifact, or check one (`check KIND FILE`)."""
    if file == "check":
        check(reserve, Path(what))
        return
    target = Path(file)
    out = Digesting(target, int(reserve))
    sealing = None
    if recipients := os.environ.get("AGE_RECIPIENTS", ""):
        from opslib.backup.sealed import Sealing

        sealing = Sealing(cast("IO[bytes]", out), recipients.split())
    with gzip.GzipFile(
        filename="", fileobj=cast("IO[bytes]", sealing or out), mode="wb", compresslevel=6, mtime=0
    ) as packed:
        raw = Counting(packed)
        if what == "sqlite":
            sqlite(Path(words[0]), raw, target.parent)
        else:
            at = words.index("--", 3)
            files(words[0], words[1], words[2], list(words[3:at]), list(words[at + 1 :]), raw)
    if sealing is not None:
        sealing.finish()
    out.finish()
    print(f"packed {out.bytes} {raw.bytes} {out.sha.hexdigest()}")


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    try:
        main(*sys.argv[1:])
    except (OSError, EOFError, zlib.error, sqlite3.Error, tarfile.TarError) as error:
        sys.exit(f"{error}")
