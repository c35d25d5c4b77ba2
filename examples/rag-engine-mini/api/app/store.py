"""Documents: the text and its chunks in PostgreSQL, their vectors in Qdrant, the file as it was sent in uploads/."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from app import vectors

UPLOADS = Path("/app/uploads")
CHUNK_WORDS, OVERLAP = 60, 10


def connect() -> psycopg.Connection[dict[str, Any]]:
    """A connection to the database that the PG* variables name; as a context manager it commits and closes."""
    return psycopg.connect(row_factory=dict_row)


def add_document(title: str, data: bytes, created_at: datetime | None = None) -> tuple[int, bool]:
    """Keep a document; returns its id, and whether it is new (the same bytes are kept once).

    Raises UnicodeDecodeError when the bytes are no UTF-8 text.
    """
    body, digest = data.decode(), hashlib.sha256(data).hexdigest()
    keep_file(UPLOADS / f"{digest}.txt", data)
    with connect() as db:
        db.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (digest,))  # the same text from two sides at once
        if old := db.execute("SELECT id FROM documents WHERE digest = %s", (digest,)).fetchone():
            return old["id"], False
        row = db.execute(
            "INSERT INTO documents (title, body, digest, created_at) VALUES (%s, %s, %s, coalesce(%s, now()))"
            " RETURNING id",
            (title, body, digest, created_at),
        ).fetchone()
        return row["id"], True


def keep_file(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    part.write_bytes(data)
    part.replace(path)


def split(text: str) -> Iterator[str]:
    """Cut a text into pieces of CHUNK_WORDS words; each begins with the last OVERLAP words of the one before."""
    words = text.split()
    for start in range(0, max(len(words) - OVERLAP, 1), CHUNK_WORDS - OVERLAP):
        yield " ".join(words[start : start + CHUNK_WORDS])


def make_chunks(document: int) -> int:
    """Make the chunks of a document anew, and their vectors; returns how many.

    Raises vectors.VectorsError, and then there are none: chunks without vectors would never be found by them.
    """
    with connect() as db:
        row = db.execute("SELECT body FROM documents WHERE id = %s FOR UPDATE", (document,)).fetchone()
        if row is None:
            return 0
        pieces = list(split(row["body"]))
        db.execute("DELETE FROM chunks WHERE document_id = %s", (document,))
        with db.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO chunks (document_id, position, body) VALUES (%s, %s, %s)",
                [(document, position, piece) for position, piece in enumerate(pieces)],
            )
        vectors.put(document, pieces)
        return len(pieces)


def left_over() -> list[int]:
    """The documents that no worker has dealt with yet; all of them, where Qdrant lacks vectors of chunks."""
    vectorless = vectors.count() < counts()["chunks"]
    with connect() as db:
        rows = db.execute(
            "SELECT id FROM documents d"
            " WHERE %s OR NOT EXISTS (SELECT FROM chunks WHERE document_id = d.id) ORDER BY id",
            (vectorless,),
        ).fetchall()
        return [row["id"] for row in rows]


def documents(limit: int, after: int) -> list[dict[str, Any]]:
    """A page of documents in the order of their ids, without their text."""
    with connect() as db:
        return db.execute(
            "SELECT id, title, digest, created_at, length(body) AS characters,"
            " (SELECT count(*) FROM chunks WHERE document_id = d.id) AS chunks"
            " FROM documents d WHERE id > %s ORDER BY id LIMIT %s",
            (after, limit),
        ).fetchall()


def search(query: str, limit: int) -> list[dict[str, Any]]:
    """The chunks that answer a query written as in a web search, best first."""
    with connect() as db:
        return db.execute(
            "SELECT document_id, title, position, ts_rank(words, query) AS rank,"
            " ts_headline('english', c.body, query) AS text"
            " FROM websearch_to_tsquery('english', %s) AS query, chunks c JOIN documents d ON d.id = document_id"
            " WHERE words @@ query ORDER BY rank DESC, document_id, position LIMIT %s",
            (query, limit),
        ).fetchall()


def similar(query: str, limit: int) -> list[dict[str, Any]]:
    """The chunks whose vectors are nearest to the query's, best first; those that are no longer there are left out."""
    near = {(document, position): score for document, position, score in vectors.search(query, limit)}
    return sorted(
        ({**row, "score": near[row["document_id"], row["position"]]} for row in _chunks(list(near))),
        key=lambda row: (-row["score"], row["document_id"], row["position"]),
    )


def _chunks(keys: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    with connect() as db:
        return db.execute(
            "SELECT document_id, title, position, c.body AS text"
            " FROM unnest(%s::bigint[], %s::integer[]) AS wanted (document_id, position)"
            " JOIN chunks c USING (document_id, position) JOIN documents d ON d.id = document_id",
            ([document for document, _ in keys], [position for _, position in keys]),
        ).fetchall()


def counts() -> dict[str, int]:
    """How many documents and chunks there are."""
    with connect() as db:
        return db.execute(
            "SELECT (SELECT count(*) FROM documents) AS documents, (SELECT count(*) FROM chunks) AS chunks"
        ).fetchone()


def check() -> None:
    """Ask PostgreSQL something; raises psycopg.Error when it does not answer."""
    with connect() as db:
        db.execute("SELECT 1")
