"""A Redis server's data: its files are swapped while it is stopped, and it proves what it loaded.

Stopping it would lose what exists in its memory alone: data that it saves only when it is asked to, which are saved
first, and users that were made in no file, which are written down and made again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from opslib.backup.manifest import Artifact
from opslib.backup.pack import LONG
from opslib.backup.redis_users import Accounts, listing, put
from opslib.backup.restore import exchange, places
from opslib.backup.restore.context import Context, Place, read_artifact
from opslib.backup.restore.part import Part, differing
from opslib.backup.unpack import UNPACK
from opslib.command import bash
from opslib.engines import redis, redis_acl, redis_restore, redis_save
from opslib.engines.instance import Instance
from opslib.errors import OpsError
from opslib.target.docker import docker, mount, run_in
from opslib.target.transfer import put_bytes

LEFT = "what the safety copy holds"


class RedisFiles(Part, frozen=True, kw_only=True):
    """What goes to a data folder (`place`): the file names are those of the server's configuration, `owner` is
    `uid:gid`."""

    service: str
    place: Place
    dbfilename: str
    appenddirname: str
    appendfilename: str
    owner: str

    @property
    def paths(self) -> list[str]:
        """What of the folder is swapped."""
        return [self.dbfilename, self.appenddirname or self.appendfilename]

    def load(self, ctx: Context) -> None:
        line = redis_restore.manifest_line(self.appendfilename)
        words = [self.id, ctx.set_path(self.folder, self.file), self.dbfilename, self.appenddirname,
                 self.appendfilename, self.owner, line]  # fmt: skip
        ctx.target.run(ctx.script(UNPACK + redis_restore.LOAD, self.place, *words, set_folder=self.folder))


class RedisPart(RedisFiles, frozen=True, kw_only=True, tag="redis"):
    """The live server. `functions` are those that the set says (None: not known). `globals` is the artifact with the
    users ("" for none), `new_accounts` those that are made."""

    functions: dict[str, list[str]] | None = None
    globals: str = ""
    new_accounts: tuple[str, ...] = ()

    def load(self, ctx: Context) -> None:
        super().load(ctx)
        if self.counts is None:
            self._check(ctx)

    def _check(self, ctx: Context) -> None:
        """Of a file of another script's making nothing else is known: the server's own program reads it."""
        kind = "volume" if self.place.kind == "volume" else "bind"
        folder = "/".join(part for part in ("/x", self.place.sub, f".opslib-new-{self.id}") if part)
        check = run_in(ctx.target.host, ctx.instance(self.service).image, f"{folder}/{self.dbfilename}",
                       mounts=[mount(kind, self.place.source, "/x", readonly=True)],
                       options=["--entrypoint", "redis-check-rdb"], limit=LONG)  # fmt: skip
        result = ctx.target.run(check, check=False)
        if not result.ended.ok:
            said = "\n    ".join((result.text or result.ended.stderr).splitlines()[-3:])
            raise OpsError(f"{self.file} is damaged, says redis-check-rdb: {said}", host=ctx.target.host.name,
                           next="take another file")  # fmt: skip

    def unload(self, ctx: Context) -> None:
        ctx.target.run(ctx.script(exchange.DISCARD, self.place, self.id))

    def swap(self, ctx: Context) -> None:
        at = ctx.instance(self.service)
        redis_save.settle(ctx.target, at, left="everything")
        self._write_down_users(ctx, at)
        self._move(ctx, exchange.SWAP)
        at = ctx.instance(self.service, fresh=True)
        seen = count_keys(ctx, at)
        if self.counts is not None and not redis_restore.same(self.counts, seen):
            wanted, there = redis_restore.persistent(self.counts), redis_restore.persistent(seen)
            raise differing(self.title, dict(wanted), dict(there), ctx.target.host.name)
        if self.functions is not None:
            libraries = redis.functions(ctx.target, at)
            if libraries is not None and libraries != self.functions:
                raise differing(f"{self.title}, functions", dict(self.functions), dict(libraries), ctx.target.host.name)
        if self.new_accounts:
            Accounts().make(ctx.target, at, read_artifact(ctx, self.folder, self.globals), self.new_accounts)
        self._users_again(ctx, at)

    def back(self, ctx: Context) -> None:
        if not ctx.answer(exchange.MOVED, self.place, self.id):
            if self._users_before(ctx) is not None:  # it may have been stopped
                self._users_again(ctx, ctx.instance(self.service, fresh=True))
            return  # people may have written since: their services were not kept down
        self._move(ctx, exchange.BACK)
        at = ctx.instance(self.service, fresh=True)
        seen = count_keys(ctx, at)
        if self.before is not None and not redis_restore.same(self.before, seen):
            wanted, there = redis_restore.persistent(self.before), redis_restore.persistent(seen)
            raise OpsError(
                f"the old {self.title} is back and holds {there}, not {wanted} keys without expiry",
                host=ctx.target.host.name,
            )
        if self.new_accounts:
            Accounts().drop(ctx.target, at, self.new_accounts)
        self._users_again(ctx, at)

    def holds(self, ctx: Context) -> dict[str, Any] | None:
        return count_keys(ctx, ctx.instance(self.service))

    def clean(self, ctx: Context) -> None:
        ctx.target.run(ctx.script(exchange.CLEAN, self.place, self.id))
        found = redis.config(ctx.target, ctx.instance(self.service), left=LEFT)
        if not redis_restore.layout(found).appendonly:  # unused now, and loaded by whoever turns it on one day
            files = self.appenddirname or self.appendfilename
            ctx.target.run(ctx.script(redis_restore.FORGET, self.place, files))

    def _move(self, ctx: Context, script: str) -> None:
        ids = [c.id for c in ctx.stack(fresh=True).service(self.service)]
        ctx.target.run(docker(ctx.target.host, "stop", *ids, limit=900))
        ctx.target.run(ctx.script(script, self.place, self.id, *self.paths))

    # -- users

    def _users_file(self, ctx: Context) -> str:
        return f"{ctx.target.state}/users.{self.id}"

    def _write_down_users(self, ctx: Context, at: Instance) -> None:
        """As the server tells them: hashes, no passwords. One who may not see them may not make them either."""
        try:
            text = listing(ctx.target, at)
        except redis.Refused:
            text = b""
        put_bytes(ctx.target, text, self._users_file(ctx))

    def _users_before(self, ctx: Context) -> bytes | None:
        """What was written down; None where the server was not about to be stopped yet."""
        file = self._users_file(ctx)
        there = ctx.target.run(bash('if [ -e "$1" ]; then echo; cat -- "$1"; fi', file)).out
        return there[1:] if there else None

    def _users_again(self, ctx: Context, at: Instance) -> None:
        """Make the users that are gone or others since the server was stopped what they were."""
        text = self._users_before(ctx)
        if text:
            before = redis_acl.users(text)
            there = redis_acl.users(listing(ctx.target, at))
            lost = redis_acl.differing(before, there)
            if lost:
                put(ctx.target, at, {name: before[name] for name in lost}, there)
                ctx.instance(self.service, fresh=True)  # it may have to be logged in to otherwise now
        ctx.target.run(bash('rm -f -- "$1"', self._users_file(ctx)))


def part(ctx: Context, service: str, artifact: Artifact, users: str, base: Mapping[str, Any]) -> RedisPart:
    """The part of an artifact, with what all kinds have in common in `base`. Raises OpsError where the server has not
    as many databases: it would not start on that file."""
    at = ctx.instance(service)
    before = count_keys(ctx, at)
    config = redis.config(ctx.target, at, left="everything")
    layout = redis_restore.layout(config)
    missing = redis_restore.too_many(artifact.counts, int(config["databases"] or 16))
    if missing:
        raise OpsError(
            f"{artifact.title} has keys in {missing}, and service {service} has {config['databases']} databases",
            host=ctx.target.host.name, left="everything", next="start it with more `databases`, and deploy",
        )  # fmt: skip
    container = next(one for one in ctx.stack().service(service) if one.running)
    return RedisPart(
        **base, service=service, place=places.mounted(ctx, container, layout.dir),
        dbfilename=layout.dbfilename, appenddirname=layout.appenddirname, appendfilename=layout.appendfilename,
        owner=at.user, before=before, functions=artifact.facts.get("functions"), globals=users,
    )  # fmt: skip


def count_keys(ctx: Context, at: Instance) -> dict[str, Any]:
    """The server's keys by database, once it has loaded its data. Raises OpsError when it does not finish."""
    deadline = time.monotonic() + LONG
    while redis.fields(redis.ask(ctx.target, at, "info", "persistence", left=LEFT)).get("loading") != "0":
        if time.monotonic() > deadline:
            raise OpsError(f"redis {at.service} does not finish loading", host=ctx.target.host.name)
        time.sleep(0.3)
    return dict(redis.count(ctx.target, at, left=LEFT))
