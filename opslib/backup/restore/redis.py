"""A Redis server's data: its files are swapped while it is stopped, and it proves what it loaded."""

from __future__ import annotations

import time
from typing import Any

from opslib.backup.restore import exchange
from opslib.backup.restore.context import LONG, Context, Place
from opslib.backup.restore.part import Part, differing
from opslib.engines import redis_restore
from opslib.engines.instance import Instance
from opslib.engines.redis import keyspace
from opslib.errors import OpsError
from opslib.target.docker import docker


class RedisPart(Part, frozen=True, kw_only=True, tag="redis"):
    """`place` is the server's data folder; the file names are those of its configuration, `owner` is `uid:gid`."""

    service: str
    place: Place
    dbfilename: str
    appenddirname: str
    appendfilename: str
    owner: str

    @property
    def _paths(self) -> list[str]:
        return [self.dbfilename, self.appenddirname or self.appendfilename]

    def load(self, ctx: Context) -> None:
        line = redis_restore.manifest_line(self.appendfilename)
        words = [self.id, ctx.set_path(self.folder, self.file), self.dbfilename, self.appenddirname,
                 self.appendfilename, self.owner, line]  # fmt: skip
        ctx.target.run(ctx.script(redis_restore.LOAD, self.place, *words, set_folder=self.folder))

    def unload(self, ctx: Context) -> None:
        ctx.target.run(ctx.script(exchange.DISCARD, self.place, self.id))

    def swap(self, ctx: Context) -> None:
        self._move(ctx, exchange.SWAP)
        seen = count_keys(ctx, self._started(ctx))
        if self.counts is not None and not redis_restore.same(self.counts, seen):
            wanted, there = redis_restore.persistent(self.counts), redis_restore.persistent(seen)
            raise differing(self.title, dict(wanted), dict(there), ctx.target.host.name)

    def back(self, ctx: Context) -> None:
        if not ctx.target.run(ctx.script(exchange.MOVED, self.place, self.id)).text:
            return  # people may have written since: their services were not kept down
        self._move(ctx, exchange.BACK)
        seen = count_keys(ctx, self._started(ctx))
        if self.before is not None and not redis_restore.same(self.before, seen):
            wanted, there = redis_restore.persistent(self.before), redis_restore.persistent(seen)
            raise OpsError(
                f"the old {self.title} is back and holds {there}, not {wanted} keys without expiry",
                host=ctx.target.host.name,
            )

    def holds(self, ctx: Context) -> dict[str, Any] | None:
        return count_keys(ctx, ctx.instance(self.service))

    def clean(self, ctx: Context) -> None:
        ctx.target.run(ctx.script(exchange.CLEAN, self.place, self.id))
        said = ctx.target.run(redis_restore.config(ctx.target.host, ctx.instance(self.service))).text
        if not redis_restore.layout(said).appendonly:  # unused now, and loaded by whoever turns it on one day
            files = self.appenddirname or self.appendfilename
            ctx.target.run(ctx.script(redis_restore.FORGET, self.place, files))

    def _move(self, ctx: Context, script: str) -> None:
        ids = [c.id for c in ctx.stack(fresh=True).service(self.service)]
        ctx.target.run(docker(ctx.target.host, "stop", *ids, limit=900))
        ctx.target.run(ctx.script(script, self.place, self.id, *self._paths))

    def _started(self, ctx: Context) -> Instance:
        return ctx.instance(self.service, fresh=True)


def count_keys(ctx: Context, redis: Instance) -> dict[str, Any]:
    """The server's keys by database, once it has loaded its data. Raises OpsError when it does not finish."""
    cli = ("redis-cli", "-p", str(redis.port))
    deadline = time.monotonic() + LONG
    while "loading:0" not in ctx.target.run(redis.tool(ctx.target.host, *cli, "info", "persistence")).text:
        if time.monotonic() > deadline:
            raise OpsError(f"redis {redis.service} does not finish loading", host=ctx.target.host.name)
        time.sleep(0.3)
    return dict(keyspace(ctx.target.run(redis.tool(ctx.target.host, *cli, "info", "keyspace")).lines))
