"""PostgreSQL, and what both services answer about it."""

import asyncio
import os
from typing import Any

import psycopg
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from psycopg.rows import dict_row

HEALTH_SECONDS = 3

router = APIRouter()


def connect() -> psycopg.Connection[dict[str, Any]]:
    """A connection to the database that the PG* variables name; as a context manager it commits and closes."""
    return psycopg.connect(row_factory=dict_row)


def service(title: str) -> FastAPI:
    """An application with /health and /version, to which a database that is away or still empty is a 503."""
    app = FastAPI(title=title)
    app.include_router(router)
    app.add_exception_handler(psycopg.OperationalError, _unavailable)
    app.add_exception_handler(psycopg.errors.UndefinedTable, _empty)
    return app


@router.get("/health")
async def health(response: Response) -> dict[str, str]:
    """200 when PostgreSQL answered within HEALTH_SECONDS, be it empty or not; else 503."""
    try:
        await asyncio.wait_for(asyncio.to_thread(_check), HEALTH_SECONDS)
    except (psycopg.Error, OSError, TimeoutError):
        response.status_code = 503
        return {"postgres": "down"}
    return {"postgres": "up"}


@router.get("/version")
def version() -> dict[str, str]:
    """The version that the image was built as."""
    return {"version": os.environ["APP_VERSION"]}


def _check() -> None:
    with connect() as db:
        db.execute("SELECT 1")


def _unavailable(request: Request, error: Exception) -> JSONResponse:
    """What the database said stays in here."""
    return JSONResponse({"detail": "the database does not answer, try again later"}, 503)


def _empty(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "the database is empty: inv restore --file lsf_app_dump.sql"}, 503)
