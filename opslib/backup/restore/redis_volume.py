"""A Redis artifact in a new volume, ready for a server that is started on it: the live one goes on undisturbed, and no
second one needs memory for it."""

from __future__ import annotations

from opslib.backup.pack import LONG
from opslib.backup.restore import exchange
from opslib.backup.restore.context import INSIDE, Context, Place
from opslib.backup.restore.part import differing
from opslib.backup.restore.redis import RedisFiles, RedisPart
from opslib.engines import redis_restore, redis_save
from opslib.errors import CommandFailed, OpsError
from opslib.target.docker import docker, mount, run_in


class RedisVolumePart(RedisFiles, frozen=True, kw_only=True, tag="redis-volume"):
    """`place` is the volume; all else is as the live server has it, whose `image` reads it."""

    image: str

    def load(self, ctx: Context) -> None:
        host = ctx.target.host
        ctx.target.run(docker(host, "volume", "create", self.place.source))
        super().load(ctx)
        path = f"{INSIDE}/.opslib-new-{self.id}/{self.dbfilename}"
        volume = mount("volume", self.place.source, INSIDE, readonly=True)
        check = run_in(host, self.image, path, mounts=[volume], options=["--entrypoint", "redis-check-rdb"], limit=LONG)
        try:
            seen = redis_save.counts_of_file(ctx.target.run(check).lines)
        except CommandFailed as error:
            raise OpsError(f"{self.title}: redis-check-rdb: {error.stderr.strip() or error.what}", host=host.name,
                           next="inv backup.verify, and restore another set") from None  # fmt: skip
        if self.counts is not None and not redis_restore.same(self.counts, dict(seen)):
            raise differing(self.title, self.counts, dict(seen), host.name)

    def unload(self, ctx: Context) -> None:
        ctx.target.run(docker(ctx.target.host, "volume", "rm", "--force", self.place.source))

    def swap(self, ctx: Context) -> None:
        ctx.target.run(ctx.script(exchange.SWAP, self.place, self.id, *self.paths))

    def back(self, ctx: Context) -> None:
        """The volume goes as a whole, with `unload`."""

    def clean(self, ctx: Context) -> None:
        ctx.target.run(ctx.script(exchange.CLEAN, self.place, self.id))


def elsewhere(ctx: Context, part: RedisPart, volume: str, title: str) -> RedisVolumePart:
    """The same artifact, on its way to a volume that is not there yet."""
    return RedisVolumePart(
        title=title, folder=part.folder, file=part.file, id=part.id, raw_bytes=part.raw_bytes, needs=part.needs,
        counts=part.counts, service=part.service, place=Place(kind="volume", source=volume),
        image=ctx.instance(part.service).image, dbfilename=part.dbfilename, appenddirname=part.appenddirname,
        appendfilename=part.appendfilename, owner=part.owner,
    )  # fmt: skip
