"""What all four services are: an application with /health and /version, and a server that ends without a dropped
request.

On SIGTERM, which comes with every deploy, a replica goes on answering for DRAIN_SECONDS, but closes each connection
after its answer, so that a proxy brings the next request elsewhere. Then it takes no new connection, answers what has
begun, lets its worker end its job, and exits with 0.
"""

import asyncio
import hmac
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Annotated, Any

import anyio.to_thread
import psycopg
import redis
import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from app.settings import secret

HEALTH_SECONDS = 3
THREADS = 12  # requests at once that may be at a database; of all replicas together, fewer than its connections
DRAIN_SECONDS = 2.0  # longer than nginx holds an address (nginx.conf)
SETTLE_SECONDS = 0.2  # the request on a connection that was just taken is on its way
ending = threading.Event()
"""Set from the SIGTERM on."""

Check = Callable[[], None]
Work = Callable[[threading.Event], None]


def application(name: str, checks: dict[str, Check], work: Work | None = None) -> FastAPI:
    """A service that needs these databases; `work` runs beside it in a thread, and returns when its event is set."""

    @asynccontextmanager
    async def working(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        thread = threading.Thread(target=work, args=[ending]) if work else None
        if thread:
            thread.start()
        yield
        ending.set()
        if thread:
            await asyncio.to_thread(thread.join)

    app = FastAPI(title=name, lifespan=working)
    app.add_middleware(LastAnswers)
    for error in (psycopg.OperationalError, redis.ConnectionError, redis.TimeoutError):
        app.add_exception_handler(error, _unavailable)
    app.add_exception_handler(psycopg.errors.UndefinedTable, _empty)

    @app.get("/health")
    async def health(response: Response) -> dict[str, str]:
        """200 when the databases all answered within HEALTH_SECONDS, else 503."""
        found = dict(zip(checks, await asyncio.gather(*map(_answers, checks.values())), strict=True))
        if "down" in found.values():
            response.status_code = 503
        return found

    @app.get("/version")
    async def version() -> dict[str, str]:
        """The version that the image was built as, and which of the replicas this is."""
        return {"service": name, "version": os.environ["APP_VERSION"], "replica": socket.gethostname()}

    return app


async def _answers(check: Check) -> str:
    try:
        await asyncio.wait_for(asyncio.to_thread(check), HEALTH_SECONDS)
    except (psycopg.Error, redis.RedisError, OSError, TimeoutError):
        return "down"
    return "up"


def _unavailable(request: Request, error: Exception) -> JSONResponse:
    """What the database said stays in here."""
    return JSONResponse({"detail": "a database does not answer, try again later"}, 503)


def _empty(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "the tables are not there yet: inv migrate"}, 503)


def key_holder(x_api_key: Annotated[str, Header()] = "") -> None:
    """For what only somebody with the key may do; else HTTPException 401."""
    if not hmac.compare_digest(x_api_key.encode(), secret("API_KEY").encode()):
        raise HTTPException(401, "the header X-API-Key is missing or wrong")


class LastAnswers:
    """While the server is ending, each answer is the last one on its connection."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start" and ending.is_set():
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self.app(scope, receive, sent)


class Server(uvicorn.Server):
    """uvicorn's, with an end in two parts: draining, then the end."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM and not ending.is_set():
            ending.set()
            self.loop.call_soon_threadsafe(self.loop.call_later, DRAIN_SECONDS, self.stop)
        else:
            ending.set()
            self.stop()

    def stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(SETTLE_SECONDS)
        await super().shutdown(sockets)


def serve(app: FastAPI) -> None:
    """Answer on port 80 until a signal comes. Idle connections stay longer than nginx keeps them."""
    Server(
        uvicorn.Config(
            app,
            host="0.0.0.0",
            port=80,
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=15,
        )
    ).run()
