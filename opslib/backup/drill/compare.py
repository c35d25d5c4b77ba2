"""What a drill compares beside the counts: the fingerprint that was taken with a dump, and files byte by byte."""

from __future__ import annotations

from typing import Any

from opslib.backup.databases import DATABASES
from opslib.backup.manifest import Artifact, Fingerprint
from opslib.backup.restore.context import Context
from opslib.errors import OpsError


def compare(ctx: Context, artifact: Artifact) -> dict[str, Any]:
    """What of an artifact that was restored is the same as it was: how many tables or collections by their `contents`,
    which kinds of `definitions`, and what was left out. Raises OpsError naming what is not the same."""
    database = DATABASES.get(artifact.kind)
    wanted = artifact.fingerprint
    if wanted is None or database is None or database.again is None:
        return {"contents": 0, "definitions": [], "left_out": []}
    seen = database.again(ctx.target, ctx.instance(artifact.service or ""), artifact, ctx.tools)
    if seen is None:
        return {"contents": 0, "definitions": [], "left_out": ["everything: the server is of another version"]}
    wrong = differences(wanted, seen)
    if wrong:
        more = f"\n    and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        raise OpsError(f"{artifact.title} is not what the set says, though its counts are:\n    "
                       + "\n    ".join(wrong[:8]) + more,
                       host=ctx.target.host.name, next="inv backup.verify, and drill another set")  # fmt: skip
    same = wanted.contents.keys() & seen.contents.keys()
    return {"contents": len(same), "definitions": sorted(wanted.definitions), "left_out": [*wanted.left_out]}


def differences(wanted: Fingerprint, seen: Fingerprint) -> list[str]:
    """What is not the same, in words; what could not be hashed a second time is not said to be other."""
    both = sorted(wanted.contents.keys() & seen.contents.keys())
    defined = wanted.definitions and seen.definitions
    what = sorted(wanted.definitions.keys() | seen.definitions.keys()) if defined else []
    return [
        *(f"{name}: other contents" for name in both if wanted.contents[name] != seen.contents[name]),
        *(f"{name}: other definitions" for name in what if wanted.definitions.get(name) != seen.definitions.get(name)),
    ]
