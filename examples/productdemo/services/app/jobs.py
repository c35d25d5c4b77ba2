"""Queues in Redis that any number of replicas take from: a stream each, whose group knows what nobody has ended yet."""

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg
import redis

from app.cache import client

GROUP = "workers"
WAIT = 1000  # ms for a job; also how long an idle worker takes to hear that it is to end
ABANDONED = 60_000  # ms after which a job whose worker has not ended it is somebody else's
AGAIN = 1.0  # s until a job is tried again for which a database was away
log = logging.getLogger("uvicorn.error")
Away = (psycopg.OperationalError, psycopg.errors.UndefinedTable, redis.RedisError, OSError)


class Jobs:
    """One queue of numbers. A job may be done twice, as after a kill, and must come out the same."""

    def __init__(self, name: str, do: Callable[[int], Any], waiting: Callable[[], Iterable[int]]) -> None:
        """`do` does a job; `waiting` says what is not done yet, for when Redis has forgotten it."""
        self.stream, self.do, self.waiting = f"jobs:{name}", do, waiting

    def add(self, number: int) -> None:
        """Let one of the replicas do it. Raises redis.RedisError."""
        client.xadd(self.stream, {"number": number})

    def work(self, ending: threading.Event) -> None:
        """Do job after job until `ending` is set; the one that has begun is ended first."""
        joined = False
        while not ending.is_set():
            try:
                if not joined:
                    self._join()
                    joined = True
                for entry, fields in self._next():
                    self._done(entry, int(fields[b"number"]), ending)
            except redis.ResponseError as error:  # Redis lost the group with its data
                joined = joined and "NOGROUP" not in str(error)
            except Away as error:
                log.warning("%s: %s", self.stream, type(error).__name__)
                ending.wait(AGAIN)

    def _join(self) -> None:
        try:
            client.xgroup_create(self.stream, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        for number in self.waiting():
            self.add(number)

    def _next(self) -> list[Any]:
        """The next job, or one that its worker has abandoned; none after WAIT."""
        me = socket.gethostname()
        read = client.xreadgroup(GROUP, me, {self.stream: ">"}, count=1, block=WAIT)
        if read:
            return list(dict(read)[self.stream.encode()])
        return list(client.xautoclaim(self.stream, GROUP, me, ABANDONED, count=1)[1])

    def _done(self, entry: bytes, number: int, ending: threading.Event) -> None:
        """Do it, and again while a database is away; when the end comes meanwhile, it is left to another replica."""
        while True:
            try:
                self.do(number)
            except Away as error:
                log.warning("%s %d: %s, again later", self.stream, number, type(error).__name__)
                if ending.wait(AGAIN):
                    return
            except Exception:
                log.exception("%s %d", self.stream, number)
                break
            else:
                break
        client.pipeline().xack(self.stream, GROUP, entry).xdel(self.stream, entry).execute()
