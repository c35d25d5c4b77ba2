"""A MongoDB archive in the place of what is live: judged by what mongorestore says, and by looking, never by its exit
code alone. The archive has been read to its end before."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.backup.pack import LONG
from opslib.command import pipe
from opslib.engines import mongo
from opslib.engines.mongo_inventory import Contents, contents, differences, plain
from opslib.errors import OpsError
from opslib.events import Note
from opslib.target.docker import run_in

if TYPE_CHECKING:
    from opslib.backup.source import Source
    from opslib.command import Command, Secret
    from opslib.engines.instance import Instance
    from opslib.target.base import Target

_DONE = re.compile(r"(\d+) document\(s\) restored successfully\. (\d+) document\(s\) failed to restore")
_ACCOUNTS = ("admin.system.users", "admin.system.roles")


@dataclass(frozen=True, slots=True)
class MongoReplace:
    """`dump` makes the source of a server and a database ("": all of it) with its size, `reader` the text of the
    program that reads archives, `whole` is the name that stands for all databases."""

    dump: Callable[[Instance, str, int], Source]
    reader: Callable[[], str]
    whole: str

    def names(self, target: Target, at: Instance) -> list[str]:
        """The databases, and the name of them all."""
        return [self.whole, *mongo.databases(target, at)]

    def count(self, target: Target, at: Instance, name: str) -> dict[str, Any] | None:
        """The documents of each collection. A server is always there, if only with its users."""
        present = mongo.databases(target, at)
        if name in ("", self.whole):
            return dict(mongo.inventory(target, at, list(present)).counts)
        return dict(mongo.inventory(target, at, [name]).within(name).counts) if name in present else None

    def source(self, target: Target, at: Instance, name: str) -> Source:
        """The safety copy."""
        sizes = mongo.databases(target, at)
        if name in ("", self.whole):
            return self.dump(at, "", sum(sizes.values()))
        return self.dump(at, name, sizes.get(name, 0))

    def drop(self, target: Target, at: Instance, name: str) -> None:
        """Remove a database, or all of them; users stay."""
        names = mongo.databases(target, at) if name in ("", self.whole) else [name]
        mongo.ask(target, at, *(mongo.command(one, dropDatabase=1) for one in names if one != "admin"))

    def load(self, target: Target, at: Instance, raw: Command, name: str, facts: Mapping[str, Any]) -> None:
        """mongorestore, then what the archive does not hold goes, then everything is compared. `only` of the facts are
        the databases that are touched of a server; all of them where it is not there."""
        whole, source = facts.get("part") == "server", str(facts.get("database") or "")
        if whole and name not in ("", self.whole):
            raise OpsError(f"the archive holds a whole server of MongoDB, which cannot become database {name}",
                           host=target.host.name, left="everything", next="restore it as it is")  # fmt: skip
        own = whole or name == source
        accounts = own and self._accounts(target, at, raw, facts)
        replay = whole and bool(facts.get("replay")) and self._may_replay(target, at, accounts)
        self.run(target, at, raw, _options(name, source, whole=whole, accounts=accounts, replay=replay))
        self._settle(target, at, "" if whole else name, facts, accounts=accounts, replayed=replay)

    def _read(self, target: Target, raw: Command, env: Mapping[str, str | Secret] | None = None) -> Contents:
        from opslib.images.tools import ensure_tools

        program = ("python3", "-c", self.reader())
        read = run_in(target.host, ensure_tools(target), *program, options=["-i"], env=env, limit=LONG)
        return contents(target.run(pipe(raw, read)).lines)

    def _accounts(self, target: Target, at: Instance, raw: Command, facts: Mapping[str, Any]) -> bool:
        """Whether users and roles are restored: not where the account that opslib has logged in with would come back
        with another password, or would be gone. Nobody could finish the restore, or undo it, after that."""
        user, database = at.env.get("MONGO_USER"), at.env.get("MONGO_AUTH_DATABASE")
        if not (facts.get("users") or facts.get("roles")):
            return False
        if not user or (facts.get("part") == "database" and facts.get("database") != database):
            return True
        login = {one: at.env[one] for one in ("MONGO_USER", "MONGO_PASSWORD", "MONGO_AUTH_DATABASE")}
        answer = self._read(target, raw, login).login
        if answer == "same":
            return True
        why = "has another password in the set" if answer == "other" else "is not in the set"
        target.tell(Note(target.host.name, f"MongoDB's users and roles stay as they are now: user {user!r}, with whom "
                         f"opslib logs in, {why}", warning=True))  # fmt: skip
        return False

    def _may_replay(self, target: Target, at: Instance, accounts: bool) -> bool:
        """Whether the oplog is replayed. Without it each collection is as it was when mongodump read it, as with a
        server that has no oplog: better than no restore."""
        why = ""
        if not accounts and at.env.get("MONGO_USER"):
            why = "mongorestore replays it with the users only"
        else:
            try:
                mongo.ask(target, at, mongo.command("admin", applyOps=[]))
            except OpsError as error:
                if "may not run applyOps" in error.what:
                    user = at.env["MONGO_USER"]
                    why = f"user {user!r} lacked a role with the privilege anyAction on anyResource"
        if why:
            target.tell(Note(target.host.name, "MongoDB's oplog is not replayed, so collections are of moments some "
                             f"seconds apart: {why}", warning=True))  # fmt: skip
        return not why

    def run(self, target: Target, at: Instance, raw: Command, options: Sequence[str]) -> None:
        """mongorestore, judged by what it says. Raises OpsError."""
        words = mongo.with_password(at, "mongorestore", "--archive", "--drop", "--stopOnError", *options)
        # What it says comes on its standard error; the exit code alone would be believed otherwise.
        cmd = pipe(raw, at.tool(target.host, "sh", "-c", 'exec "$@" 2>&1', "sh", *words, streams=True, limit=LONG))
        result = target.run(cmd, check=False)
        done = _DONE.search(result.text)
        if result.ended.ok and done is not None and done[2] == "0":
            return
        said = [line.partition("\t")[2] or line for line in result.lines if "\t[" not in line]
        if not said:
            raise target.failure(cmd, result.ended)
        raise mongo.refused(target, at, "mongorestore: " + "\n".join(said[-6:]), left=None)

    def _settle(
        self, target: Target, at: Instance, name: str, facts: Mapping[str, Any], *, accounts: bool, replayed: bool
    ) -> None:
        """Logged in anew, for the users may be others now: what the archive does not hold goes, then indexes, options
        and accounts are compared. Documents are counted by whom calls this."""
        databases = [name] if name else facts["only"] if "only" in facts else list(mongo.databases(target, at))
        seen = mongo.inventory(target, at, databases, count=False)
        kept = {f"{name}.{one}" if name else one for one in (*facts["indexes"], *facts["views"])}
        if replayed:  # the oplog may have made collections and indexes
            kept |= {*facts["moving"]}
        gone = [one for one in (*seen.indexes, *seen.views) if one not in kept]
        for one in gone:
            seen.forget(one)
        users = [mongo.counting("admin", "system.users", **({"db": name} if name else {}))] if accounts else []
        answers = mongo.ask(target, at, *_dropping(gone, kept), *users)
        wrong = [] if replayed else differences(facts, (seen.within(name) if name else seen).facts())
        if accounts and plain(answers[-1]) != facts["users"]:
            wrong.append(f"users: {facts['users']} in the set, {plain(answers[-1])} restored")
        if wrong:
            what = "\n    ".join([f"MongoDB in service {at.service} is not what the set says:", *wrong[:8]])
            raise OpsError(what, host=target.host.name)


def _dropping(gone: Sequence[str], kept: Collection[str]) -> list[str]:
    """The commands that remove collections: a database of which nothing is kept goes whole."""
    held = {one.partition(".")[0] for one in kept} | {"admin"}
    whole = dict.fromkeys(one.partition(".")[0] for one in gone if one.partition(".")[0] not in held)
    single = [one.partition(".") for one in gone if one.partition(".")[0] in held]
    return [mongo.command(one, dropDatabase=1) for one in whole] + [
        mongo.command(database, drop=one) for database, _, one in single
    ]


def _options(name: str, source: str, *, whole: bool, accounts: bool, replay: bool) -> list[str]:
    if replay:
        return ["--oplogReplay"]
    if whole:
        return [] if accounts else [f"--nsExclude={one}" for one in _ACCOUNTS]
    if name == source:
        return [f"--db={name}", "--restoreDbUsersAndRoles"] if accounts else [f"--nsInclude={as_pattern(name)}.*"]
    return [f"--nsInclude={as_pattern(source)}.*", f"--nsFrom={as_pattern(source)}.*", f"--nsTo={as_pattern(name)}.*"]


def as_pattern(name: str) -> str:
    """A name as a pattern that means itself."""
    return name.replace("\\", "\\\\").replace("*", "\\*")
