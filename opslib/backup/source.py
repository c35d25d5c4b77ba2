"""The contract of a source: something of a stack that can be backed up, and what its artifacts say.

`counts` and `facts` of an artifact, by kind (a restore relies on them):

postgres, a database (`.dump.zst`, pg_dump's custom format uncompressed inside):
    counts  {'"schema"."table" as quote_ident writes them': rows}, taken inside the dump's snapshot
    facts   part "database", database, server, tool, size (bytes in the server),
            properties {owner, encoding, collate, ctype, provider, locale, tablespace, connection_limit, is_template,
            acl (list of text, or null), comment (or null)},
            settings [{role (null: every role), config ["name=value", …]}], extensions {name: version}
postgres, globals (`.globals.sql.zst`, pg_dumpall --globals-only):
    counts  {}
    facts   part "globals", server, tool, roles [names], tablespaces [names beside the built-in ones]
mongo, a server or a database (`.archive.zst`, mongodump's archive format uncompressed inside):
    counts  {"database.collection": documents}, or {"collection": documents} of a database; a time series by its
            buckets; without the server's own collections, users and roles
    facts   part "server"|"database", database ("" of a server), server, tool, size (bytes on the disk), replica_set
            (name or null), oplog (entries, or null), replay (whether it changes any data), moving [collections whose
            counts are others after a restore: the oplog changes them, or documents expire], users, roles (how many),
            indexes {as counts: [{name, key [[field, direction]], …}]}, options, views [names], timeseries [names]
mysql, a database (`.sql.zst`, mysqldump's or mariadb-dump's SQL that names no database):
    counts  {"`table`" as the dump writes it: rows}, of the dump's own bytes; and "views", "triggers", "procedures",
            "functions", "events", "sequences", …: how many, where there are any
    facts   part "database", database, server, flavour "mariadb"|"mysql", tool, size (bytes of rows in the server),
            datadir, charset, collation, tables {name: engine}, warnings
mysql, accounts (`.accounts.zst`, SQL with a line `-- account NAME` before each):
    counts  {}
    facts   part "globals", server, flavour, warnings
qdrant, a collection (`.snapshot.zst`, the tar archive that the server makes):
    counts  {"points": n}, the same before and after the snapshot; {} where clients wrote so busily that they never were
    facts   collection, server, size (bytes on the disk), checksum (SHA-256 of the snapshot), status, config (as the
            server describes it, vectors in params), indexes {payload field: schema}, aliases {alias: collection} of the
            whole server, moving ["points"] where the number is not known, warnings
redis (`.rdb.zst`):
    counts  {"db0": {"keys": n, "persistent": n}, …}, of the file itself; {"all": {…}} where it says only the sums.
            `persistent` are the keys without expiry.
    facts   server, dir, dbfilename, appendonly (bool), databases (how many there may be), aclfile ("" for none),
            functions {library: [names]} (null: not known), warnings
redis, users (`.users.zst`, what ACL LIST tells):
    counts  {}
    facts   part "globals", server, dir, aclfile, warnings
sqlite (`.db.zst`):
    counts  {table: rows}, of the copy
    facts   place "volume"|"bind"|"project"; volume (real name) and key (compose name) or folder (absolute), path
            (relative to volume, folder or project), user_version, journal_mode, owner "uid:gid", mode "640"
volume (`.tar.zst`, GNU tar of `.`):
    counts  {"files", "dirs", "links", "bytes"}; `dirs` counts the folder itself
    facts   volume (real name), key (compose name), labels, driver, without [paths that are artifacts of their own],
            exclude [patterns of what else is left out, see opslib.settings.globs], warnings [what tar said],
            consistency "live"|"pause"|"stop" (what its writers did meanwhile)
files (`.tar.zst`, GNU tar of the paths):
    counts  as of a volume
    facts   base (absolute folder that the paths are relative to), paths, without, exclude, warnings, globs [patterns:
            where there are any, only what they match in the paths is there]
project (`.tar.gz`, GNU tar of the files that a release wrote below the project's folder):
    counts  as of a volume
    facts   release, commit (or null), dirty, compose [files], env_file (or null), variables [names in the env file,
            never values], left_out [files of the release with passwords in them, which are not in the set]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from opslib.backup.keys import RECIPIENTS, SUFFIX

if TYPE_CHECKING:
    from opslib.backup.manifest import Artifact, Kind
    from opslib.target.base import Target


@dataclass(frozen=True, slots=True)
class Stage:
    """Where artifacts are made: `folder` (absolute, on the target) is not seen by readers yet. `tools` is the tools
    image, "" where there is no Docker engine. `reserve` bytes of the disk stay free. `moved` is told
    the bytes written so far of the artifact that is being made. `recipients` are the public keys of age that artifacts
    are encrypted to; none: in clear."""

    target: Target
    folder: str
    tools: str
    reserve: int
    moved: Callable[[str, int], None]
    recipients: tuple[str, ...] = ()

    def named(self, file: str) -> str:
        """What an artifact's file is called here."""
        return f"{file}{SUFFIX}" if self.recipients else file

    @property
    def keys(self) -> dict[str, str]:
        """What a program that makes an artifact has to be given."""
        return {RECIPIENTS: " ".join(self.recipients)} if self.recipients else {}


class Source(Protocol):
    """Values, found by one look; `take` is all that acts. `size` is what it may need on the disk, in bytes."""

    @property
    def kind(self) -> Kind:
        """What it is."""

    @property
    def title(self) -> str:
        """How it is called in front of people: `postgres db/app`."""

    @property
    def stem(self) -> str:
        """The name of its artifact's file without the ending that says how it is compressed: the same in every set."""

    @property
    def size(self) -> int:
        """An upper estimate of the artifacts' bytes."""

    def take(self, stage: Stage) -> list[Artifact]:
        """Make the artifacts in the stage's folder, whole and on the disk. Raises OpsError when that fails."""


class Begun(Protocol):
    """A copy under way, of the moment at which it was begun: what is written since is not in it."""

    def finish(self) -> list[Artifact]:
        """As `Source.take`, once."""

    def close(self) -> None:
        """Break it off wherever it is; nothing happens when it is over."""


@runtime_checkable
class Snapshots(Protocol):
    """A source that can be written to as soon as its copy has begun. Any other is copied as it is until the end."""

    def begin(self, stage: Stage) -> Begun:
        """Begin the copy; it has its snapshot when this returns. Raises as `Source.take`."""


def finished(begun: Begun) -> list[Artifact]:
    """The artifacts of a copy that was begun. Raises as `Source.take`."""
    try:
        return begun.finish()
    finally:
        begun.close()
