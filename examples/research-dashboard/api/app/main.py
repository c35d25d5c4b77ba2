"""The HTTP interface."""

import asyncio
import os
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel, Field
from pymongo.errors import ConnectionFailure, PyMongoError

from app import accounts, store

HEALTH_SECONDS = 3

app = FastAPI(title="research-dashboard")
Reader = Depends(accounts.reader)


@app.exception_handler(ConnectionFailure)
def unavailable(request: Request, error: Exception) -> JSONResponse:
    """A database that does not answer is 503, and what it said stays in here."""
    return JSONResponse({"detail": "the database does not answer, try again later"}, 503)


@app.get("/health")
async def health(response: Response) -> dict[str, str]:
    """200 when MongoDB answered within HEALTH_SECONDS, else 503."""
    try:
        await asyncio.wait_for(asyncio.to_thread(store.check), HEALTH_SECONDS)
    except (PyMongoError, OSError, TimeoutError):
        response.status_code = 503
        return {"mongo": "down"}
    return {"mongo": "up"}


@app.get("/version")
def version() -> dict[str, str]:
    """The version that the image was built as."""
    return {"version": os.environ["APP_VERSION"]}


@app.post("/login")
def login(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
    """A token for the name and password of a form."""
    token = accounts.log_in(form.username, form.password)
    if token is None:
        raise HTTPException(401, "the name or the password is wrong", {"WWW-Authenticate": "Bearer"})
    return {"access_token": token, "token_type": "bearer"}


class Password(BaseModel):
    password: Annotated[str, Field(min_length=12, max_length=200)]


@app.put("/users/{username}/password", status_code=204, dependencies=[Depends(accounts.administrator)])
def put_password(username: str, given: Password) -> None:
    """Give an account a password."""
    if not accounts.set_password(username, given.password):
        raise HTTPException(404, "no such account")


@app.get("/counts", dependencies=[Reader])
def get_counts() -> dict[str, int]:
    """How many documents each collection has."""
    return store.counts()


@app.get("/publications", dependencies=[Reader])
def get_publications(
    annee: Annotated[int | None, Query(ge=1900, le=2100)] = None,
    domaine: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> list[dict[str, Any]]:
    """The most cited publications of a year and a field."""
    return store.publications(annee, domaine, limit)


@app.get("/pays", dependencies=[Reader])
def get_countries() -> list[dict[str, Any]]:
    """Publications and citations of each country in each year."""
    return store.countries()


@app.get("/collaborations", dependencies=[Reader])
def get_collaborations(limit: Annotated[int, Query(ge=1, le=131)] = 20) -> list[dict[str, Any]]:
    """The pairs of institutions that published together most often."""
    return store.collaborations(limit)
