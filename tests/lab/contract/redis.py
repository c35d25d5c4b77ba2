"""Redis under the contract, with an append-only file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opslib.command import Secret
from opslib.settings.kinds import Redis
from opslib.target.docker import exec_in
from tests.lab.contract.subject import PASSWORD, Subject
from tests.lab.site import until
from tests.lab.stacks import REDIS

# Each key that does not expire, with a digest of its value.
_KEYS = """eval "local r = {} for _, k in ipairs(redis.call('keys', '*')) do if redis.call('ttl', k) == -1 then \
r[#r + 1] = k .. '=' .. redis.sha1hex(redis.call('dump', k)) end end table.sort(r) return r" 0
"""


class RedisSubject(Subject):
    kind = "redis"
    image = "redis:7"
    environment = {"REDIS_PASSWORD": PASSWORD}
    command = ["sh", "-ec", REDIS]
    healthy = ["CMD-SHELL", 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep -qx PONG']
    volume = ("redis", "/data")
    name = "redis"
    counts = {"redis": {"db0": {"keys": 402, "persistent": 401}, "db3": {"keys": 1, "persistent": 1}}}
    read = "redis-check-rdb"
    over = True
    wrong = Redis(service="redis", password=Secret("not the one"))
    denied = "takes none of the"
    spoil = "cat"

    def cli(self, *lines: str) -> list[str]:
        env = {"REDISCLI_AUTH": Secret(PASSWORD)}
        feed = "\n".join([*lines, ""]).encode()
        return self.run(exec_in(self.project.host, self.container, "redis-cli", env=env, feed=feed))

    def fill(self) -> None:
        keys = (f"set 'key {n}' \"{n} \\n é\"" for n in range(400))
        self.cli(*keys, 'set "-ke\'y $1 \\"é" value', "setex gone 3600 x", "select 3", "hset h f 1 g 2")

    def ruin(self) -> None:
        self.cli("flushall", "set intruder 1")

    def content(self, place: str) -> Any:
        return self.cli(_KEYS, "select 3", _KEYS)

    def lies(self) -> dict[str, Any]:
        """A key too many: found out when the server runs on it."""
        return {"counts": {"db0": {"keys": 403, "persistent": 402}, "db3": {"keys": 1, "persistent": 1}}}

    @contextmanager
    def dumping(self) -> Iterator[Callable[[], None]]:
        """The server saves a key in an hour."""
        self.cli("config set rdb-key-save-delay 1000000000")

        def saves() -> bool:
            return "rdb_bgsave_in_progress:1" in "\n".join(self.cli("info persistence"))

        yield lambda: until(saves, 90, "the server never began to save")
