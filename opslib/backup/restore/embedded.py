"""Restoring SQLite files and folders by Python alone, where there is no Docker engine.

Run as a program of its own, with nothing but the standard library, and `opslib.backup.sealed` for
what is encrypted; it prints what the scripts of the tools container
print: `unpack FOLDER ID ARCHIVE [ABOVE LINKS NAME…]`, `count FOLDER PATH…`, `sqlite FOLDER ID ARTIFACT
PATH OWNER MODE IN` and `now FOLDER PATH`.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import stat
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def unpack(folder: str, ident: str, archive: str, above: str = "0", links: str = "0", *names: str) -> None:
    """Unpack an archive into the new folder, or of it what has these names: the first `above` of them without what is
    in them; the `links` after those are files that hard links need, and go again. Owners come back where this is
    root."""
    first, last = int(above), int(above) + int(links)
    single, linked, whole = set(names[:last]), names[first:last], names[last:]

    def wanted(name: str) -> bool:
        return not names or name in single or any(name == one or name.startswith(f"{one}/") for one in whole)

    new = _emptied(folder, ident)
    trusted = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
    with _opened(archive) as file, tarfile.open(fileobj=file, mode="r:gz") as packed:
        members = [one for one in packed if wanted(one.name)]
        packed.extractall(new, members, numeric_owner=True, **trusted)  # type: ignore[arg-type]
    for name in linked:
        (new / name).unlink()
        for way in list((new / name).parents)[: name.count("/") - 1]:
            if not any(way.iterdir()):
                way.rmdir()
    os.sync()


def count(folder: str, *paths: str) -> None:
    """Files, folders, links and bytes of the paths, as a manifest counts them."""
    found = dict.fromkeys(("files", "dirs", "links", "bytes"), 0)
    seen: set[tuple[int, int]] = set()
    for path in paths:
        top = os.path.join(folder, path)
        entries = [top]
        if os.path.isdir(top) and not os.path.islink(top):
            entries += [os.path.join(at, name) for at, dirs, files in os.walk(top) for name in (*dirs, *files)]
        for entry in entries:
            info = os.lstat(entry)
            if stat.S_ISDIR(info.st_mode):
                found["dirs"] += 1
            elif stat.S_ISLNK(info.st_mode):
                found["links"] += 1
            elif stat.S_ISREG(info.st_mode):
                found["files"] += 1
                if (info.st_dev, info.st_ino) not in seen:
                    found["bytes"] += info.st_size
                seen.add((info.st_dev, info.st_ino))
    print("counts " + " ".join(map(str, found.values())))


def sqlite(folder: str, ident: str, artifact: str, path: str, owner: str, mode: str, within: str) -> None:
    """Put a SQLite file into the new folder, check and count it."""
    new = Path(folder, f".opslib-new-{ident}") if within else _emptied(folder, ident)
    file = new / path
    file.parent.mkdir(parents=True, exist_ok=True)
    for end in ("", "-wal", "-shm", "-journal"):  # a name may be a link to the live file
        Path(f"{file}{end}").unlink(missing_ok=True)
    made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with gzip.open(_opened(artifact), "rb") as packed, open(made, "wb") as out:
        shutil.copyfileobj(packed, out, 1024 * 1024)
        os.fchmod(out.fileno(), int(mode, 8))
        if os.geteuid() == 0:
            os.fchown(out.fileno(), *map(int, owner.split(":")))
        out.flush()
        os.fsync(out.fileno())
    base = sqlite3.connect(f"{file.resolve().as_uri()}?immutable=1", uri=True)
    said = base.execute("pragma integrity_check(1)").fetchone()[0]
    if said != "ok":
        raise OSError(f"it is damaged: {said}")
    _tables(base)
    base.close()


def now(folder: str, path: str) -> None:
    """Count the file that is there."""
    file = Path(folder, path)
    if not file.is_file():
        raise OSError(f"there is no file {file}")
    base = sqlite3.connect(file)
    _tables(base)
    base.close()


def _tables(base: sqlite3.Connection) -> None:
    names = base.execute(
        "select name from sqlite_master where type = 'table' and rootpage > 0 "
        "and name not like 'sqlite\\_%' escape '\\' order by name"
    ).fetchall()
    for (name,) in names:
        quoted = name.replace('"', '""')
        rows = base.execute(f'select count(*) from "{quoted}"').fetchone()[0]
        print("count " + json.dumps({"t": name, "n": rows}))


def _opened(path: str) -> IO[bytes]:
    if not path.endswith(".age"):
        return open(path, "rb")
    from opslib.backup.sealed import opened

    return opened(path, os.environ["AGE_IDENTITY"].split())


def _emptied(folder: str, ident: str) -> Path:
    new = Path(folder, f".opslib-new-{ident}")
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    return new


WORK: dict[str, Callable[..., None]] = {"unpack": unpack, "count": count, "sqlite": sqlite, "now": now}

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[3])
    try:
        WORK[sys.argv[1]](*sys.argv[2:])
    except (OSError, EOFError, sqlite3.Error, tarfile.TarError) as error:
        sys.exit(f"{error}")
