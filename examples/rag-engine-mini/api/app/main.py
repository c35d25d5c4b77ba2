"""The HTTP interface."""

import asyncio
import hmac
import os
from typing import Annotated, Any

import psycopg
import redis
from fastapi import FastAPI, Header, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from kombu.exceptions import OperationalError as BrokerError

from app import audit, searches, store, vectors
from app.worker import make_chunks

API_KEY = os.environ["API_KEY"].encode()
HEALTH_SECONDS = 3
Asked = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Query(ge=1, le=100)]

app = FastAPI(title="rag-engine-mini")


@app.exception_handler(psycopg.OperationalError)
@app.exception_handler(redis.ConnectionError)
@app.exception_handler(BrokerError)
@app.exception_handler(vectors.VectorsError)
def unavailable(request: Request, error: Exception) -> JSONResponse:
    """A database that does not answer is 503, and what it said stays in here."""
    return JSONResponse({"detail": "a database does not answer, try again later"}, 503)


@app.get("/health")
async def health(response: Response) -> dict[str, str]:
    """200 when PostgreSQL, Redis and Qdrant all answered within HEALTH_SECONDS, else 503."""

    async def ask(check: Any) -> str:
        try:
            await asyncio.wait_for(asyncio.to_thread(check), HEALTH_SECONDS)
        except (psycopg.Error, redis.RedisError, vectors.VectorsError, OSError, TimeoutError):
            return "down"
        return "up"

    checks = {"postgres": store.check, "redis": searches.check, "vectors": vectors.check}
    found = dict(zip(checks, await asyncio.gather(*map(ask, checks.values())), strict=True))
    if "down" in found.values():
        response.status_code = 503
    return found


@app.get("/version")
def version() -> dict[str, str]:
    """The version that the image was built as."""
    return {"version": os.environ["APP_VERSION"]}


@app.post("/documents", status_code=201)
def post_document(file: UploadFile, response: Response, x_api_key: Annotated[str, Header()] = "") -> dict[str, Any]:
    """Keep a text file, and let the worker make its chunks; sent again, it is 200 and the same document."""
    if not hmac.compare_digest(x_api_key.encode(), API_KEY):
        raise HTTPException(401, "the header X-API-Key is missing or wrong")
    data = file.file.read()
    title = file.filename or "untitled"
    if not data.strip() or b"\0" in data or "\0" in title:
        raise HTTPException(422, "a text, please: not empty, and without NUL bytes")
    try:
        document, new = store.add_document(title, data)
    except UnicodeDecodeError:
        raise HTTPException(422, "a text in UTF-8, please") from None
    make_chunks.delay(document)
    audit.record("document", title)
    response.status_code = 201 if new else 200
    return {"id": document, "new": new}


@app.get("/documents")
def get_documents(
    limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: Annotated[int, Query(ge=0)] = 0
) -> list[dict[str, Any]]:
    """A page of documents; the next one begins after the last id of this one."""
    return store.documents(limit, after)


@app.get("/search")
def get_search(q: Asked, limit: Limit = 10) -> list[dict[str, Any]]:
    """The chunks that answer q, best first."""
    found = store.search(q, limit)
    searches.counted(q)
    audit.record("search", q)
    return found


@app.get("/similar")
def get_similar(q: Asked, limit: Limit = 10) -> list[dict[str, Any]]:
    """The chunks that are nearest to q as vectors, best first: also where no word is quite the same."""
    found = store.similar(q, limit)
    searches.counted(q)
    audit.record("similar", q)
    return found


@app.get("/stats")
def stats() -> dict[str, Any]:
    """How much there is in PostgreSQL, in Qdrant, in the audit log, in uploads/ and in Redis."""
    files = sum(1 for path in store.UPLOADS.iterdir() if not path.name.startswith("."))
    return {
        **store.counts(),
        "vectors": vectors.count(),
        "events": audit.count(),
        "files": files,
        "searches": searches.top(10),
    }
