"""The users of a Redis server as an artifact: what ACL LIST tells, which is what an `aclfile` holds; and those that a
server lacks, made again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from opslib.backup.byhand import decompress, docker_words, joined
from opslib.backup.database import Missed
from opslib.backup.manifest import Artifact, Kind, file_name
from opslib.backup.pack import beside, inside, pack, pack_command
from opslib.command import quote
from opslib.engines import redis, redis_acl
from opslib.events import Note

if TYPE_CHECKING:
    from opslib.backup.source import Source, Stage
    from opslib.engines.instance import Instance
    from opslib.target.base import Target

DEFAULT = "default"  # every server has it, so it is never missing
COMPLETE = """awk '$1 != "user" { bad = 1 } $2 == "default" { seen = 1 }
END { if (bad || !seen) { print "these are not the users of a server" >"/dev/stderr"; exit 1 } }'"""
"""Bash: whether the list on standard input is whole."""

# redis-cli exits with 0 on errors too.
_LIST = """found=$("$@" acl list)
case $found in 'user '*) printf '%s\\n' "$found" ;; *) printf '%s\\n' "$found" >&2; exit 1 ;; esac"""
# Each word of a line quoted as redis-cli reads it.
_BY_HAND = r"""/^user default /!{s/["\\]/\\&/g;s/[^ ]\{1,\}/"&"/g;s/^"user"/acl setuser/p}"""


@dataclass(frozen=True, slots=True)
class RedisUsers:
    """Users with their passwords' hashes and their rules. `aclfile` is where the server keeps them ("": nowhere), `dir`
    its data folder."""

    kind: ClassVar[Kind] = "redis"
    at: Instance
    aclfile: str
    dir: str
    size: int = 0

    @property
    def title(self) -> str:
        return f"redis {self.at.service}, users"

    @property
    def stem(self) -> str:
        return file_name("redis", self.at.service, suffix=".users")

    @property
    def file(self) -> str:
        """The artifact's file."""
        return f"{self.stem}.zst"

    def take(self, stage: Stage) -> list[Artifact]:
        """Write down the users."""
        at = self.at
        env = {name: value for name, value in at.env.items() if name != "PATH"}
        program = inside(at, "sh", "-c", _LIST, "sh", *redis.cli(at))
        cmd = pack_command(stage, self.file, program, options=beside(replace(at, network=True)), env=env)
        packed = pack(stage, self.title, self.file, cmd)
        facts = {
            "part": "globals", "server": at.version, "dir": self.dir, "aclfile": self.aclfile,
            "warnings": list(packed.warnings),
        }  # fmt: skip
        return [
            Artifact(
                file=self.file, kind=self.kind, name="users", service=at.service, image=at.image,
                container=at.container, bytes=packed.bytes, raw_bytes=packed.raw_bytes, sha256=packed.sha256,
                facts=facts, by_hand=_by_hand(stage, self),
            )
        ]  # fmt: skip


def users_of(target: Target, at: Instance, facts: Mapping[str, Any]) -> tuple[list[Source], list[Missed]]:
    """The source, where there are other users than `default`; or that they are missed, where we may not see them."""
    users = RedisUsers(at, facts["aclfile"], facts["dir"])
    try:
        names = set(redis_acl.users(listing(target, at)))
    except redis.Refused as error:
        if "unknown command" in error.said:  # before 6.0 there are none
            return [], []
        target.tell(Note(target.host.name, f"{error.what}: users are in no backup", warning=True))
        return [], [Missed(users.title, error.what, error.next or "")]
    return [users] if names - {DEFAULT} else [], []


def listing(target: Target, at: Instance) -> bytes:
    """What ACL LIST tells. Raises redis.Refused for one who may not see it."""
    return "\n".join(redis.ask(target, at, "acl", "list")).encode("utf-8", "surrogateescape")


def put(target: Target, at: Instance, users: dict[str, bytes], there: Collection[str] = ()) -> list[str]:
    """Make the users what these rules say; their names. Those that the server refuses are named in warnings. `there`
    are the users that it has."""
    feed = "".join(f"{redis_acl.setuser(name, rules, there=name in there)}\n" for name, rules in users.items())
    made = []
    for name, answer in zip(users, _answers(target, at, feed), strict=False):
        if answer == "OK":
            made.append(name)
        else:
            target.tell(Note(target.host.name, f"user {name} of {at.service}: {answer}", warning=True))
    return made


class Accounts:
    """The users of an artifact that a server lacks; those that it has stay as they are. None of it ends a restore: a
    warning names what could not be done."""

    def missing(self, target: Target, at: Instance, text: bytes) -> list[str]:
        """Their names."""
        try:
            there = redis_acl.users(listing(target, at))
        except redis.Refused as error:
            target.tell(Note(target.host.name, f"{error.what}: no users are made", warning=True))
            return []
        return [name for name in redis_acl.users(text) if name not in {*there, DEFAULT}]

    def make(self, target: Target, at: Instance, text: bytes, names: Sequence[str]) -> None:
        """Make them, rights and all, in the server and in its `aclfile`."""
        found = redis_acl.users(text)
        made = put(target, at, {name: found[name] for name in names})
        (answer, *_) = _answers(target, at, "acl save\n")
        if made and answer != "OK":
            why = "it has no aclfile" if "not configured" in answer else f"its aclfile cannot be written: {answer}"
            warning = f"users {', '.join(made)} are there until {at.service} starts anew: {why}"
            target.tell(Note(target.host.name, warning, warning=True))

    def grant(self, target: Target, at: Instance, text: bytes, names: Sequence[str]) -> None:
        """Their rights name nothing that has to be there first."""

    def drop(self, target: Target, at: Instance, names: Sequence[str]) -> None:
        """Remove them again, from both."""
        _answers(target, at, f"acl deluser {' '.join(names)}\nacl save\n")


def _answers(target: Target, at: Instance, feed: str) -> list[str]:
    """What each of these commands is answered, errors too; empty lines come between."""
    cmd = at.tool(target.host, *redis.cli(at), feed=feed.encode(), limit=60.0)
    return [line for line in target.run(cmd).lines if line]


def _by_hand(stage: Stage, source: RedisUsers) -> tuple[str, ...]:
    """Those of the artifact are made or changed, all but `default`."""
    at = source.at
    password = "REDISCLI_AUTH" in at.env
    words = ["exec", "-i", *(["-e", "REDISCLI_AUTH"] if password else []), at.container]
    load = joined(
        decompress(stage, source.file), f"sed -n {quote(_BY_HAND)}", docker_words(stage, *words, *redis.cli(at))
    )
    ask = ("read -rsp 'password: ' REDISCLI_AUTH && export REDISCLI_AUTH",) if password else ()
    return (*ask, load)
