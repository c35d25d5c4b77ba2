"""Who asked for what: a SQLite file in a volume of its own, which survives whatever happens to the databases."""

import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

FILE = Path("/app/data/audit.db")


def connect() -> sqlite3.Connection:
    """Open the log, and make it when it is not there."""
    db = sqlite3.connect(FILE, timeout=10)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(
        "CREATE TABLE IF NOT EXISTS events"
        " (id INTEGER PRIMARY KEY, at TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL)"
    )
    return db


def record(action: str, detail: str, at: datetime | None = None) -> None:
    """Add one event, now or at the given time."""
    moment = (at or datetime.now(timezone.utc)).isoformat(timespec="seconds")
    with closing(connect()) as db, db:
        db.execute("INSERT INTO events (at, action, detail) VALUES (?, ?, ?)", (moment, action, detail))


def count() -> int:
    """How many events there are."""
    with closing(connect()) as db:
        return db.execute("SELECT count(*) FROM events").fetchone()[0]
