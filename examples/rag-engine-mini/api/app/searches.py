"""What people search for, counted in Redis; and where Celery finds the same Redis."""

import os
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

HOST, PASSWORD = os.environ["REDIS_HOST"], os.environ["REDIS_PASSWORD"]
BROKER = f"redis://:{quote(PASSWORD, safe='')}@{HOST}:6379/0"
KEY = "searches"

# No retries: a request that finds Redis gone says so at once.
client = redis.Redis(
    HOST,
    password=PASSWORD,
    socket_timeout=3,
    socket_connect_timeout=3,
    retry=Retry(NoBackoff(), 0),
    decode_responses=True,
)


def counted(query: str) -> None:
    """Count one search."""
    client.zincrby(KEY, 1, query)


def top(limit: int) -> dict[str, int]:
    """The most frequent searches and how often each was made."""
    return {query: int(score) for query, score in client.zrevrange(KEY, 0, limit - 1, withscores=True)}


def check() -> None:
    """Ask Redis something; raises redis.RedisError when it does not answer."""
    client.ping()
