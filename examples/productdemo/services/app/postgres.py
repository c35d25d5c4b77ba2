"""PostgreSQL: where it is, libpq knows from the PG* variables."""

from typing import Any

import psycopg
from psycopg.rows import dict_row

from app.settings import secret

PASSWORD = secret("PGPASSWORD")


def connect() -> psycopg.Connection[dict[str, Any]]:
    """A connection; as a context manager it commits and closes."""
    return psycopg.connect(password=PASSWORD, row_factory=dict_row)


def check() -> None:
    """Ask PostgreSQL something; raises psycopg.Error when it does not answer."""
    with connect() as db:
        db.execute("SELECT 1")
