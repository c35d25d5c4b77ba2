"""Redis: the queues between the services, and the vectors that were computed already."""

import os

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.settings import secret

# No retries: a request that finds Redis gone says so at once.
client = redis.Redis(
    os.environ["REDIS_HOST"],
    password=secret("REDIS_PASSWORD"),
    socket_timeout=3,
    socket_connect_timeout=3,
    retry=Retry(NoBackoff(), 0),
)


def check() -> None:
    """Ask Redis something; raises redis.RedisError when it does not answer."""
    client.ping()
