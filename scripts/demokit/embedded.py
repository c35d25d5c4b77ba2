"""The part that needs no engine: a SQLite file and a folder of files, backed up, destroyed and restored here."""

from __future__ import annotations

import hashlib
import random
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

from .folder import Folder
from .place import Fingerprint, differences, total
from .screen import DemoError, Screen

TASKS = '"""The tasks of a project without Docker."""\n\nimport opslib\n\nns = opslib.namespace()\n'
HOST = """# No compose file here: this says what is to be backed up.
backup:
  sources:
    - sqlite: notes.db
    - files: [papers/]
"""
TEXT = "restore before you need it and count the rows when you have done so because a dump is only a promise"


def run(screen: Screen, folder: Folder) -> list[str]:
    """The whole part; returns what a person types to do it again. Raises DemoError where data are not as they were."""
    root = folder.embedded
    with screen.step("a project folder: notes.db (SQLite) and papers/"):
        make(root)
    before = fingerprint(root)
    rows, files = total(before, "sqlite"), total(before, "papers")
    screen.say(f"   {rows} lines of SQLite, {files} files")
    with screen.step("inv backup.all"):
        screen.inv("backup.all", cwd=root)
    with screen.step("destroy: notes.db overwritten, papers/ emptied"):
        destroy(root)
    for lost in differences(before, fingerprint(root)):
        screen.say(f"   not as before: {lost}")
    with screen.step("inv restore --file latest --yes"):
        screen.inv("restore", "--file", "latest", "--yes", cwd=root)
    with screen.step("compare row by row and file by file"):
        left = differences(before, fingerprint(root))
    if left:
        raise DemoError(f"{root} is not as it was: {', '.join(left)}")
    screen.say(f"   equal: {rows} lines of SQLite, {files} files with owner, mode and time")
    return [
        f"cd {shlex.quote(str(root))}",
        "",
        "inv backup.all",
        "head -c 4096 /dev/zero | dd of=notes.db conv=notrunc status=none; rm -r papers/*",
        "inv restore --file latest",
        "inv backup.list; inv backup.show",
    ]


def make(root: Path) -> None:
    """The project, with the same data every time."""
    (root / "hosts").mkdir(parents=True, exist_ok=True)
    (root / "papers/old papers").mkdir(parents=True, exist_ok=True)
    (root / "tasks.py").write_text(TASKS)
    (root / "hosts/local.yml").write_text(HOST)
    chance = random.Random(1)
    for suffix in ("", "-wal", "-shm"):
        (root / f"notes.db{suffix}").unlink(missing_ok=True)
    with closing(sqlite3.connect(root / "notes.db")) as db, db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL, score REAL, picture BLOB)")
        db.execute("CREATE INDEX note_score ON note (score)")
        db.executemany(
            "INSERT INTO note (text, score, picture) VALUES (?, ?, ?)",
            [
                (" ".join(chance.choices(TEXT.split(), k=12)), chance.random(), chance.randbytes(40))
                for _ in range(5000)
            ],
        )
    for number in range(200):
        path = root / "papers" / ("old papers" if number % 3 else "") / f"paper {number:03}, ünsigned.txt"
        path.write_bytes(chance.randbytes(chance.randrange(20_000)))
        path.chmod(0o640 if number % 2 else 0o600)


def destroy(root: Path) -> None:
    """The head of the database's file, and all papers."""
    with (root / "notes.db").open("r+b") as file:
        file.write(b"\0" * 4096)
    for path in (root / "papers").rglob("*.txt"):
        path.unlink()


def fingerprint(root: Path) -> Fingerprint:
    """As `fingerprint.py` does it in a container."""
    found: Fingerprint = {}
    try:
        with closing(sqlite3.connect(f"file:{root / 'notes.db'}?mode=ro", uri=True)) as db:
            found["sqlite notes.db"] = _part(list(db.iterdump()))
    except sqlite3.DatabaseError as error:
        found["sqlite notes.db"] = {"lines": 0, "error": str(error)}
    lines = []
    for path in (root / "papers").rglob("*.txt"):
        about = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{path} {about.st_uid}:{about.st_gid} {about.st_mode:o} {int(about.st_mtime)} {digest}")
    found["papers"] = _part(lines)
    return found


def _part(lines: list[str]) -> dict[str, object]:
    return {"lines": len(lines), "sha256": hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()}
