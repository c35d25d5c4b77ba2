"""doc-workers: takes documents in; its worker cuts them into chunks, which are found by nearness."""

import hashlib
import http.client
import json
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app import cache, postgres, web
from app.jobs import Jobs

EMBEDDINGS = "http://embedding-service/embeddings"
SECONDS = 10  # for an answer of embedding-service
CHUNK_WORDS, OVERLAP = 40, 10
NO_NUL = r"^[^\x00]*$"


class Document(BaseModel):
    title: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    body: Annotated[str, Field(min_length=1, max_length=200_000, pattern=NO_NUL)]


def make_chunks(document: int) -> None:
    """Make the chunks of a document anew, with their vectors. Raises OSError where nobody makes vectors."""
    with postgres.connect() as db:
        row = db.execute("SELECT body FROM documents WHERE id = %s FOR UPDATE", (document,)).fetchone()
        if row is None:
            return
        pieces = list(split(row["body"]))
        db.execute("DELETE FROM chunks WHERE document_id = %s", (document,))
        with db.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO chunks (document_id, position, body, vector) VALUES (%s, %s, %s, %s)",
                [(document, at, *one) for at, one in enumerate(zip(pieces, vectors(pieces), strict=True))],
            )
        db.execute("UPDATE documents SET state = 'done' WHERE id = %s", (document,))


def waiting() -> list[int]:
    """The documents that no worker has dealt with yet."""
    with postgres.connect() as db:
        return [row["id"] for row in db.execute("SELECT id FROM documents WHERE state = 'waiting' ORDER BY id")]


jobs = Jobs("documents", make_chunks, waiting)
app = web.application("doc-workers", {"postgres": postgres.check, "redis": cache.check}, jobs.work)


@app.exception_handler(OSError)
def unreachable(request: Request, error: Exception) -> JSONResponse:
    """embedding-service does not answer."""
    return JSONResponse({"detail": "nobody makes vectors now, try again later"}, 503)


@app.post("/documents", status_code=201, dependencies=[Depends(web.key_holder)])
def post_document(document: Document, response: Response) -> dict[str, Any]:
    """Keep a text, and let a worker make its chunks; sent again, it is 200 and the same document."""
    digest = hashlib.sha256(document.body.encode()).hexdigest()
    with postgres.connect() as db:
        new = db.execute(
            "INSERT INTO documents (title, body, digest) VALUES (%s, %s, %s)"
            " ON CONFLICT (digest) DO NOTHING RETURNING id",
            (document.title, document.body, digest),
        ).fetchone()
        found = new or db.execute("SELECT id FROM documents WHERE digest = %s", (digest,)).fetchone()
    jobs.add(found["id"])
    response.status_code = 201 if new else 200
    return {"id": found["id"], "new": new is not None}


@app.get("/documents")
def get_documents(
    limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: Annotated[int, Query(ge=0)] = 0
) -> list[dict[str, Any]]:
    """A page of documents; the next one begins after the last id of this one."""
    with postgres.connect() as db:
        return db.execute(
            "SELECT id, title, state, created_at, (SELECT count(*) FROM chunks WHERE document_id = d.id) AS chunks"
            " FROM documents d WHERE id > %s ORDER BY id LIMIT %s",
            (after, limit),
        ).fetchall()


@app.get("/documents/search")
def search(
    q: Annotated[str, Query(min_length=1, max_length=200)], limit: Annotated[int, Query(ge=1, le=100)] = 10
) -> list[dict[str, Any]]:
    """The chunks that are nearest to q, best first: also where no word is quite the same."""
    (vector,) = vectors([q])
    with postgres.connect() as db:
        return db.execute(
            "SELECT document_id, title, position, c.body AS text,"
            " (SELECT sum(a * b) FROM unnest(vector, %s::real[]) AS pairs (a, b)) AS score"
            " FROM chunks c JOIN documents d ON d.id = document_id"
            " ORDER BY score DESC, document_id, position LIMIT %s",
            (vector, limit),
        ).fetchall()


@app.get("/documents/{document}")
def get_document(document: int) -> dict[str, Any]:
    """One document with its text."""
    with postgres.connect() as db:
        row = db.execute("SELECT id, title, state, body FROM documents WHERE id = %s", (document,)).fetchone()
    if row is None:
        raise HTTPException(404, "no such document")
    return row


def split(text: str) -> Iterator[str]:
    """Cut a text into pieces of CHUNK_WORDS words; each begins with the last OVERLAP words of the one before."""
    words = text.split()
    for start in range(0, max(len(words) - OVERLAP, 1), CHUNK_WORDS - OVERLAP):
        yield " ".join(words[start : start + CHUNK_WORDS])


def vectors(texts: Sequence[str]) -> list[list[float]]:
    """What embedding-service makes of texts, 1000 at a time. Raises OSError when it does not answer."""
    found: list[list[float]] = []
    for start in range(0, len(texts), 1000):
        body = json.dumps({"texts": texts[start : start + 1000]}).encode()
        request = urllib.request.Request(EMBEDDINGS, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                found += json.load(answer)["vectors"]
        except http.client.HTTPException as error:
            raise OSError(f"embedding-service: {type(error).__name__}") from None
    return found


if __name__ == "__main__":
    web.serve(app)
