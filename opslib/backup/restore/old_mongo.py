"""Where what mongodump wrote, and no manifest tells about, goes: by the databases that it holds."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from opslib.backup.databases import DATABASES
from opslib.backup.mongo import WHOLE, counts
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context
from opslib.backup.restore.options import Options
from opslib.backup.restore.single import DATABASE
from opslib.engines.instance import Instance
from opslib.engines.mongo_inventory import Contents, facts_of
from opslib.errors import BadSettings, OpsError


def place(ctx: Context, at: Instance, chosen: Chosen, options: Options) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """What it is restored as (a database, or WHOLE), its counts, and facts as a manifest would have them.

    A dump with users of the whole server, an oplog, or several databases is restored as it is, unless one database is
    asked for; nothing but its databases is touched. Raises OpsError where it holds nothing, or not what is asked for.
    """
    seen, form = chosen.held, chosen.seen
    assert seen is not None
    assert form is not None
    layout = form.facts.get("layout", "server")
    facts: dict[str, Any] = {"root": form.root, "layout": layout}
    held = databases(seen)
    if not held:
        raise OpsError(f"{chosen.single} holds no database: mongodump found nothing to write",
                       host=ctx.target.host.name, left="everything", next="take another file")  # fmt: skip
    name = _chosen(ctx, chosen, options, held)
    if layout == DATABASE:
        into = _of_folder(ctx, at, chosen, options)
        return into, counts(seen, DATABASE), {**facts, "part": "database", "database": into, **facts_of(seen, DATABASE)}
    if name is not None:
        return options.database or name, counts(seen, name), {
            **facts, "part": "database", "database": name, **facts_of(seen, name)
        }  # fmt: skip
    return WHOLE, counts(seen, ""), {**facts, "part": "server", "database": "", "only": held, **facts_of(seen, "")}


def databases(seen: Contents) -> list[str]:
    """Those that it holds something of that is no part of the server itself."""
    return sorted({one.partition(".")[0] for one in (*seen.inventory.indexes, *seen.inventory.views)})


def _chosen(ctx: Context, chosen: Chosen, options: Options, held: list[str]) -> str | None:
    """The database that is taken out of it; None: all that it holds."""
    assert chosen.held is not None
    if options.database in held:
        return options.database
    own = any(name != "system.version" for database, name in chosen.held.raw if database in ("", "admin"))
    if len(held) == 1 and (options.database or options.into or not own):
        return held[0]
    if options.database or options.into:
        raise BadSettings(
            f"{chosen.single} holds the databases {', '.join(held)}" + (
                f", and not {options.database}" if options.database else ": --into takes one of them"),
            host=ctx.target.host.name, left="everything", next="name the one that is wanted with --database",
        )  # fmt: skip
    return None


def _of_folder(ctx: Context, at: Instance, chosen: Chosen, options: Options) -> str:
    """The folder of one database is called like it, if nobody has renamed it."""
    if options.database or options.into:
        return options.database or DATABASE
    assert chosen.seen is not None
    own = posixpath.basename(chosen.seen.root) or re.sub(r"\.(tar|tgz|tar\.gz|tar\.zst)$", "", chosen.single)
    replacing = DATABASES["mongo"].replace
    assert replacing is not None
    known = [name for name in replacing.names(ctx.target, at) if name != WHOLE]
    if own in known or len(known) == 1:
        return own if own in known else known[0]
    raise BadSettings(
        f"{chosen.single} holds the collections of one database and does not say which: service {at.service} has "
        f"{', '.join(known) or 'none'}",
        host=ctx.target.host.name, left="everything", next="name it with --database",
    )  # fmt: skip
