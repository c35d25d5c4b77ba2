"""MongoDB as a source: an archive of the whole server, or of each database that the host file names, which is read to
its end while it is written. What mongodump says it wrote and what is in the archive must be the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from opslib.backup.byhand import decompress, docker_words, joined
from opslib.backup.database import Database, Missed, Read, Reading
from opslib.backup.manifest import Artifact, Kind, file_name
from opslib.backup.mongo_collections import Collections
from opslib.backup.mongo_replace import MongoReplace
from opslib.backup.pack import LONG, beside, inside, pack, pack_command, script
from opslib.command import pipe
from opslib.engines import mongo
from opslib.engines.mongo_bson import program
from opslib.engines.mongo_inventory import Contents, contents, facts_of, witnesses_differ
from opslib.errors import BadSettings, OpsError
from opslib.settings import kinds
from opslib.target.docker import mount, run_in

if TYPE_CHECKING:
    from opslib.backup.source import Source, Stage
    from opslib.command import Command
    from opslib.engines.instance import Instance
    from opslib.settings.kinds import SourceSpec
    from opslib.target.base import Target

WHOLE = "all databases"  # the name of what holds the whole server; a database's has no spaces

# mongodump writes the archive to descriptor 5, past the filter that keeps its progress bars out of what it says, which
# is told on descriptor 4 when all is well. $1 the text of the reader, then mongodump.
_WITNESS = r"""set -o pipefail; t=$(mktemp); text=$1; shift
{ { "$@" 2>&1 >&5 5>&- | grep -av $'\t\\[[#.]*\\]' >"$t"; exit "${PIPESTATUS[0]}"; } 5>&1 | python3 -c "$text" pass; }
ended=$?; if [ "$ended" = 0 ]; then sed 's/^/log /' "$t" >&4; else tail -n 20 "$t" >&2; exit "$ended"; fi"""

# The same where mongodump runs in a container of its own: the archive comes on standard input, what it said is in $2.
_WITNESS_OF_OTHER = """python3 -c "$1" pass || { tail -n 20 "$2" >&2; exit 1; }
sed 's/^/log /' "$2" >&4; rm -f "$2" """
_LOGGED = 'log=$1; shift; "$@" 2>"$log" || { ended=$?; tail -n 20 "$log" >&2; exit "$ended"; }'


@dataclass(frozen=True, slots=True)
class MongoDump:
    """The whole server, or one `database` of it ("": all). `size` is what it takes on the disk."""

    kind: ClassVar[Kind] = "mongo"
    at: Instance
    database: str
    size: int

    @property
    def name(self) -> str:
        """What the artifact is called."""
        return self.database or WHOLE

    @property
    def title(self) -> str:
        return f"mongo {self.at.service}/{self.name}"

    @property
    def stem(self) -> str:
        names = [self.database] if self.database else []
        return file_name("mongo", self.at.service, *names, suffix=".archive")

    @property
    def file(self) -> str:
        """The artifact's file."""
        return f"{self.stem}.zst"

    def take(self, stage: Stage) -> list[Artifact]:
        """Dump, and read what is dumped."""
        at = self.at
        try:
            packed = pack(stage, self.title, self.file, dump_command(stage, self))
        except OpsError as error:
            if "not authorized" in error.what or "Authentication" in error.what:
                raise mongo.refused(stage.target, at, error.what) from None
            raise
        seen = contents(line for line in packed.told if not line.startswith("log "))
        log = "\n".join(line.removeprefix("log ") for line in packed.told if line.startswith("log "))
        self._judge(stage, seen, log)
        return [
            Artifact(
                file=self.file, kind=self.kind, name=self.name, service=at.service, image=at.image,
                container=at.container, bytes=packed.bytes, raw_bytes=packed.raw_bytes, sha256=packed.sha256,
                counts=dict(counts(seen, self.database)), by_hand=_by_hand(stage, self, seen),
                facts={"part": "database" if self.database else "server", "database": self.database,
                       "server": at.version, "tool": seen.tool, "replica_set": at.env.get("MONGO_SET") or None,
                       "size": self.size, **facts_of(seen, self.database)},
            )
        ]  # fmt: skip

    def _judge(self, stage: Stage, seen: Contents, log: str) -> None:
        """mongodump exits with 0 where there was nothing to dump, too."""
        wrong = witnesses_differ(log, seen)
        if self.database and not seen.inventory.within(self.database).facts()["indexes"] and not seen.inventory.views:
            wrong = "mongodump wrote nothing, as it does for a database that is not there"
        if not seen.whole:
            wrong = "the archive was not read to its end"
        if wrong:
            raise OpsError(
                f"{self.title} could not be backed up: {wrong}",
                host=stage.target.host.name,
                left="everything: no backup set was made, nothing was pruned",
                next="run it again; what mongodump says stands in its lines above",
            )


def counts(seen: Contents, database: str) -> dict[str, int]:
    """The documents of an archive: by `database.collection`, or `collection` where it is of one database."""
    return seen.inventory.within(database).counts if database else seen.inventory.counts


def reader() -> str:
    """The program that reads an archive."""
    return program("mongo_archive")


def dump_command(stage: Stage, source: MongoDump) -> Command:
    """mongodump of the server's own image, beside its container; or of the image that has it."""
    at = source.at
    what = [f"--db={source.database}", "--dumpDbUsersAndRoles"] if source.database else []
    if at.env.get("MONGO_SET") and not source.database:
        what.append("--oplog")
    words = mongo.with_password(at, "mongodump", "--archive", *what)
    mine = {name: value for name, value in at.env.items() if name != "PATH"}
    if not at.tools_image:
        program = script(_WITNESS, reader(), *inside(at, *words))
        return pack_command(stage, source.file, program, options=beside(at), env=mine)
    log = f"/stage/.{source.file}.log"
    options = ["--network", f"container:{at.container}", "--security-opt", "label=disable", "--entrypoint", "sh"]
    dump = run_in(stage.target.host, at.tools_image, "-c", _LOGGED, "sh", log, *words, env=mine, limit=LONG,
                  mounts=[mount("bind", stage.folder, "/stage")], options=options)  # fmt: skip
    program = script(_WITNESS_OF_OTHER, reader(), log)
    return pipe(dump, pack_command(stage, source.file, program, options=["-i"]))


def find(target: Target, at: Instance, specs: Sequence[SourceSpec]) -> tuple[list[Source], list[Missed]]:
    """The whole server, or the databases that the host file names; and then the others. Raises BadSettings for one that
    is not there."""
    sizes = mongo.databases(target, at)
    named = [one.database for one in specs if isinstance(one, kinds.Mongo) and one.database is not None]
    for name in named:
        if name not in sizes:
            raise BadSettings(
                f"there is no database {name!r} in service {at.service}: it has {', '.join(sizes) or 'none'}",
                host=target.host.name,
            )
    sources = [MongoDump(at, name, sizes.get(name, 0) or sum(sizes.values())) for name in dict.fromkeys(named or [""])]
    others = [name for name in sizes if named and name not in named]
    why = "the host file names other databases of the server"
    return [*sources], [Missed(f"mongo {at.service}/{name}", why, meant=True) for name in others]


def _reading(target: Target, at: Instance | None, artifact: Artifact, read: Read) -> Reading | None:
    def of(lines: Sequence[str], database: str) -> dict[str, Any]:
        return counts(contents(lines), database)

    database = str(artifact.facts.get("database") or "")
    return Reading("archive", read(["python3", "-c", reader()], []), partial(of, database=database))


_REPLACE = MongoReplace(MongoDump, reader, WHOLE)
DATABASE = Database("mongo", find, _reading, _REPLACE, some=Collections(_REPLACE))


def _by_hand(stage: Stage, source: MongoDump, seen: Contents) -> tuple[str, ...]:
    at, file = source.at, "/dev/shm/password.yml"
    words = ["mongorestore", "--archive", "--drop", "--stopOnError", f"--port={at.port}"]
    words += ["--oplogReplay"] if seen.moving else []
    words += [f"--db={source.database}", "--restoreDbUsersAndRoles"] if source.database else []
    if not at.env.get("MONGO_USER"):
        return (joined(decompress(stage, source.file), docker_words(stage, "exec", "-i", at.container, *words)),)
    login = [f"--username={at.env['MONGO_USER']}", f"--authenticationDatabase={at.env['MONGO_AUTH_DATABASE']}"]
    write = ("umask 077; printf %s \"$MONGO_INITDB_ROOT_PASSWORD\" | sed 's/[\\\\\"]/\\\\&/g; s/.*/password: \"&\"/' >"
             + file)  # fmt: skip
    restore = docker_words(stage, "exec", "-i", at.container, *words, *login, f"--config={file}")
    return (
        docker_words(stage, "exec", at.container, "sh", "-c", write),
        joined(decompress(stage, source.file), restore),
        docker_words(stage, "exec", at.container, "rm", file),
    )
