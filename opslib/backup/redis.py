"""Redis as a source: the file of a background save that this backup asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from opslib.backup.byhand import decompress, docker_words
from opslib.backup.database import Database, Missed, Read, Reading
from opslib.backup.manifest import Artifact, Kind, file_name
from opslib.backup.pack import LONG, beside, inside, pack, pack_command, script
from opslib.backup.redis_users import COMPLETE, Accounts, users_of
from opslib.command import pipe
from opslib.engines import redis, redis_save
from opslib.target.docker import run_in

if TYPE_CHECKING:
    from opslib.backup.source import Source, Stage
    from opslib.command import Command
    from opslib.engines.instance import Instance
    from opslib.settings.kinds import SourceSpec
    from opslib.target.base import Target

# One open file is copied, and it is the one that was checked: a save that ends meanwhile makes another. The server's
# own program reads it, from its own root folder; what it found goes to descriptor 4, and what the file says of the size
# of each database, which stands where that program found its beginning.
# $1 the server's process, $2 the file, then the program that checks it
_READ = """set -eu; file=/proc/$1/root$2; shift 2
sizes() {
  sed -n 's/^\\[offset \\([0-9]*\\)\\] Selecting DB ID \\([0-9]*\\)$/\\1 \\2/p' /tmp/checked | while read -r at db; do
    printf 'db %s %s\\n' "$db" "$(tail -c "+$((at + 1))" /proc/$$/fd/7 | head -c 19 | od -An -v -tx1 -w19 | tr -d ' ')"
  done
}
for try in 1 2 3; do
  exec 7<"$file"; "$@" >/tmp/checked 2>&1 </dev/null || { cat /tmp/checked >&2; exit 1; }
  if [ /proc/self/fd/7 -ef "$file" ]; then { cat /tmp/checked; sizes; } >&4; cat <&7; exit; fi
done
echo 'Redis saves faster than its file can be read' >&2; exit 1"""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One server. `size` is its memory in use."""

    kind: ClassVar[Kind] = "redis"
    at: Instance
    facts: dict[str, Any]
    size: int

    @property
    def title(self) -> str:
        return f"redis {self.at.service}"

    @property
    def stem(self) -> str:
        return file_name("redis", self.at.service, suffix=".rdb")

    @property
    def file(self) -> str:
        """The artifact's file."""
        return f"{self.stem}.zst"

    def take(self, stage: Stage) -> list[Artifact]:
        """Save, check and copy the file."""
        at = self.at
        saved = redis_save.save(stage.target, at)
        packed = pack(stage, self.title, self.file, dump_command(stage, self))
        warnings = [*([saved.why] if saved.why else []), *packed.warnings]
        facts = {**self.facts, "functions": saved.functions, "warnings": warnings}
        return [
            Artifact(
                file=self.file, kind=self.kind, name=at.service, service=at.service, image=at.image,
                container=at.container, bytes=packed.bytes, raw_bytes=packed.raw_bytes, sha256=packed.sha256,
                counts=dict(redis_save.counts_of_file(packed.told)), facts=facts, by_hand=_by_hand(stage, self),
            )
        ]  # fmt: skip


def dump_command(stage: Stage, source: RedisServer) -> Command:
    """Check and copy the saved file, beside the server's container."""
    at, folder = source.at, str(source.facts["dir"]).rstrip("/")
    path = f"{folder}/{source.facts['dbfilename']}"
    program = script(_READ, str(at.pid), path, *inside(at, "redis-check-rdb", path))
    return pack_command(stage, source.file, program, options=beside(at))


def find(target: Target, at: Instance, specs: Sequence[SourceSpec]) -> tuple[list[Source], list[Missed]]:
    """The server, and its users where there are others than the one that every server has."""
    facts = redis.facts(target, at)
    users, missed = users_of(target, at, facts)
    return [*users, RedisServer(at, facts, facts.pop("size"))], missed


def _reading(target: Target, at: Instance | None, artifact: Artifact, read: Read) -> Reading | None:
    """redis-check-rdb needs a file of its own, so it reads in a fresh container of the server's image."""
    if artifact.facts.get("part") == "globals":
        return Reading("users", read(["bash", "-c", COMPLETE], []))
    if at is None:
        return None
    check = "cat >/tmp/check.rdb && redis-check-rdb /tmp/check.rdb >&2"
    own = run_in(target.host, at.image, "-c", check, options=["-i", "--entrypoint", "sh"], limit=LONG)
    return Reading("redis-check-rdb", pipe(read(["cat"], []), own))


DATABASE = Database("redis", find, _reading, accounts=Accounts())


def _by_hand(stage: Stage, source: RedisServer) -> tuple[str, ...]:
    """For a server without an append-only file; with one, the manifest line makes the file its base (Redis 7)."""
    at, folder = source.at, str(source.facts["dir"]).rstrip("/")
    copy = f"{folder}/{source.facts['dbfilename']}"
    plain = [
        f"{decompress(stage, source.file)} > dump.rdb",
        docker_words(stage, "stop", at.container),
        docker_words(stage, "cp", "dump.rdb", f"{at.container}:{copy}"),
    ]
    if source.facts["appendonly"]:
        base = f"{folder}/appendonlydir"
        plain += [
            "mkdir appendonlydir && cp dump.rdb appendonlydir/appendonly.aof.1.base.rdb && "
            "echo 'file appendonly.aof.1.base.rdb seq 1 type b' > appendonlydir/appendonly.aof.manifest",
            docker_words(stage, "run", "--rm", "--volumes-from", at.container, stage.tools, "rm", "-rf", "--", base),
            docker_words(stage, "cp", "appendonlydir", f"{at.container}:{base}"),
        ]
    own = docker_words(
        stage, "run", "--rm", "--volumes-from", at.container, stage.tools, "chown", "-R", at.user, folder
    )
    return (*plain, own, docker_words(stage, "start", at.container))
