"""From one look to what it is: the only place that decides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from opslib.backup.formats import headers, members, sql
from opslib.backup.formats.look import Report, read_report
from opslib.backup.formats.seen import what_was_seen
from opslib.errors import OpsError

Kind = Literal["postgres", "mongo", "mysql", "redis", "qdrant", "sqlite", "volume", "set", "sql"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class NotRecognised(OpsError):
    """A file or folder that is nothing that can be restored; says what was seen."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a file or folder is.

    `form` by `kind`: postgres `plain`, `globals` (the roles alone), `custom`, `directory`, `tar`; mysql `mysqldump`
    (MariaDB's too: `facts["flavour"]`); mongo `archive`, `dump-folder`; redis `rdb`; qdrant `snapshot`, `full` (all
    collections); sqlite `file`; volume `tar`; set `set`; sql `plain`: SQL that does not say whose it is.

    `compression` is what the file is packed with: "", gzip or zstd. `tar` says that a folder (`directory`,
    `dump-folder`, `set`) was packed into a tar archive, and `root` in which folder of it the thing lies ("": at its
    top), spelt as there; a folder on the disk may hold its dump deeper too.
    `complete` is False where its end is missing or it does not unpack, True where its end is there, None where the end
    tells nothing. `facts` are texts from its header; `names` what a tar archive or folder holds, cut after 200; `size`
    the bytes of the file as it lies there.
    """

    kind: Kind
    form: str
    compression: str = ""
    tar: bool = False
    root: str = ""
    complete: bool | None = None
    facts: dict[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    size: int = field(default=0, compare=False)


def recognise(report: str, name: str) -> Format:
    """What the report of `look.LOOK` shows. `name` is what the file is called in the error.

    Raises NotRecognised, with what was seen, for everything that cannot be restored.
    """
    seen = read_report(report)
    found = _recognised(seen)
    if found is None:
        what, advice = what_was_seen(seen)
        raise NotRecognised(f"{name} is not recognised: it is {what}", left="everything", next=advice)
    if isinstance(found, members.Refused):
        raise NotRecognised(f"{name} cannot be restored: it is {found.what}", left="everything", next=found.next)
    return replace(found, size=seen.size)


def _recognised(seen: Report) -> Format | members.Refused | None:
    if seen.kind == "folder":
        return _in(seen)
    if seen.kind != "file" or not seen.head:
        return None
    if seen.is_tar:
        return _in(seen) or Format("volume", "tar", seen.packed, False, "", _listed(seen), {}, seen.names)
    return _binary(seen) or _text(seen)


def _whole(seen: Report, *, ended: bool | None) -> bool | None:
    """Whether the end is there: that of the packing, and the format's own as far as it tells (`ended`)."""
    return False if seen.damaged else ended


def _listed(seen: Report) -> bool | None:
    """The same for a tar archive: its end was seen when all of it was listed."""
    return _whole(seen, ended=None if seen.more else True)


def _in(seen: Report) -> Format | members.Refused | None:
    """A folder or a tar archive by what is in it."""
    found = members.recognise(seen)
    if found is None or isinstance(found, members.Refused):
        return found
    in_tar = seen.kind == "file" and found.form in ("directory", "dump-folder", "set")
    complete = _listed(seen) if seen.kind == "file" else None
    return Format(found.kind, found.form, seen.packed, in_tar, found.root, complete, found.facts, seen.names)


def _binary(seen: Report) -> Format | None:
    head, plain = seen.head, not seen.packed
    if head.startswith(headers.PG_MAGIC):
        return Format("postgres", "custom", seen.packed, complete=_whole(seen, ended=None), facts=headers.pg_dump(head))
    if head.startswith(headers.MONGO_MAGIC):
        # a block that is cut at its end looks whole: only its absence tells
        cut = plain and not seen.tail.endswith(headers.MONGO_END)
        ended = False if cut else None
        facts = headers.mongo_archive(head)
        return Format("mongo", "archive", seen.packed, complete=_whole(seen, ended=ended), facts=facts)
    if head.startswith(headers.SQLITE_MAGIC):
        facts, length = headers.sqlite(head)
        ended = seen.size >= length if plain and length is not None else None
        return Format("sqlite", "file", seen.packed, complete=_whole(seen, ended=ended), facts=facts)
    rdb = headers.rdb(head)
    if rdb is None:
        return None
    ended, behind = headers.rdb_end(rdb["rdb"], seen.tail)
    if behind:
        rdb["trailer"] = str(behind)
    return Format("redis", "rdb", seen.packed, complete=_whole(seen, ended=ended), facts=rdb)


_CLUSTER = members.Refused(
    "the dump of a whole PostgreSQL server (pg_dumpall), which writes into every database of one",
    "restore one database from its own pg_dump, or load this one by hand into an empty server: psql -f",
)
_SQLITE_TEXT = members.Refused(
    "the text of a SQLite database (.dump)", "make a file of it and restore that: sqlite3 new.db <FILE"
)


def _text(seen: Report) -> Format | members.Refused | None:
    if b"\0" in seen.head:
        return None
    found = sql.read(seen.head, seen.tail)
    if found is None:
        return None
    if found.dialect == "sqlite":
        return _SQLITE_TEXT
    if found.form == "cluster":
        return _CLUSTER
    complete = _whole(seen, ended=found.complete)
    return Format(found.dialect, found.form, seen.packed, complete=complete, facts=found.facts)
