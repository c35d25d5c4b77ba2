"""The dump program of MySQL or MariaDB, beside the server's container, and what is read from its output on the way."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from opslib.backup.database import Counts
from opslib.backup.manifest import Artifact, Fingerprint
from opslib.backup.pack import LONG, beside, inside, pack_command, script
from opslib.engines import mysql
from opslib.errors import OpsError
from opslib.target.docker import run_in

if TYPE_CHECKING:
    from opslib.backup.source import Stage
    from opslib.command import Command, Secret
    from opslib.engines.instance import Instance
    from opslib.target.base import Target

_OPTIONS = (
    "--single-transaction", "--quick", "--triggers", "--routines", "--events", "--hex-blob", "--no-tablespaces",
)  # fmt: skip

THROUGH = 'set -o pipefail; text=$1 how=$2; shift 2; "$@" | python3 -c "$text" "$how"'
"""Shell text: $1 a Python text, $2 its argument, then the program whose output it reads."""


def command(stage: Stage, at: Instance, database: str, file: str, *, programs: bool = True) -> Command:
    """The dump program of the server's own image, read by the counter on its way. `programs`: with the routines and
    events."""
    words = script(THROUGH, program("mysql_count"), "pass", *_words(at, database, programs=programs))
    return pack_command(stage, file, words, options=beside(at), env=env(at))


def _words(at: Instance, database: str, *, programs: bool) -> list[str]:
    options = [one for one in _OPTIONS if programs or one not in ("--routines", "--events")]
    if "MariaDB" not in at.client:
        options.append("--set-gtid-purged=OFF")
        found = re.search(r"Distrib (\d+)", at.client) or re.search(r"Ver (\d+)", at.client)
        options += ["--column-statistics=0"] if found and int(found[1]) >= 8 else []
    return inside(at, *mysql.words(at, "dump"), *options, "--", database)


def program(name: str) -> str:
    """The text of a program of this package."""
    return resources.files("opslib.backup").joinpath(f"{name}.py").read_text(encoding="utf-8")


def env(at: Instance) -> dict[str, str | Secret]:
    """The variables that log its programs in."""
    return {name: value for name, value in at.env.items() if name != "PATH"}


def counts(lines: Sequence[str]) -> Counts:
    """What the counter counted."""
    return dict(one for one in map(msgspec.json.decode, lines) if isinstance(one, list))


def fingerprint(lines: Sequence[str], without: Collection[str] = ()) -> Fingerprint | None:
    """What the counter hashed; `without` are tables, by their bare names, whose rows are not the same when they are
    dumped again."""
    found: dict[str, Any] = next((one for one in map(msgspec.json.decode, lines) if isinstance(one, dict)), {})
    if not found.get("tables"):
        return None
    left = [mysql.name(one) for one in without]
    return Fingerprint(
        contents={table: str(crc) for table, crc in found["rows"].items() if table not in left},
        definitions={table: str(crc) for table, crc in found["tables"].items()}, left_out=tuple(left),
    )  # fmt: skip


def again(target: Target, at: Instance, artifact: Artifact, tools: str) -> Fingerprint | None:
    """The fingerprint of what was restored: of another dump of it, by the same program. None where that is another."""
    if artifact.fingerprint is None or artifact.facts.get("tool") != at.client:
        return None
    words = script(THROUGH, program("mysql_count"), "read", *_words(at, artifact.name, programs=False))
    options = ["--security-opt", "label=disable", "--env", "TINI_SUBREAPER=1", *beside(at)]
    lines = target.run(run_in(target.host, tools, *words, options=options, env=env(at), limit=LONG)).lines
    seen = fingerprint(lines)
    if seen is None:
        raise OpsError(f"what was restored of {artifact.title} could not be hashed", host=target.host.name,
                       next="run it again")  # fmt: skip
    return seen
