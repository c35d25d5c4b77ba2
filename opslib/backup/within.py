"""SQLite files within volumes and folders: which of them are artifacts of their own."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from re import Pattern
from typing import TYPE_CHECKING

from opslib.backup.scan import BOUND, Inside
from opslib.engines.sqlite import BESIDE
from opslib.settings import globs

if TYPE_CHECKING:
    from opslib.backup.found import Found


def own(inside: Inside, title: str, found: Found, *, left_out: Pattern[bytes] | None,
        wanted: Pattern[bytes] | None = None, above: str = "") -> None:  # fmt: skip
    """Keep of the SQLite files those that are copied as such: not what is left out, and not one whose name no manifest
    can hold. What may go unseen is warned of."""
    if inside.many:
        found.warnings.append(
            f"{title} has more than {BOUND} files: a SQLite file with an unusual name in it may go unseen; name it "
            "under `backup: sources:`"
        )
    kept = []
    for name in inside.sqlite:
        path = posixpath.normpath(posixpath.join(above, name))
        if globs.matches(left_out, path) or not (wanted is None or globs.matches(wanted, path)):
            continue
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = name.encode("utf-8", "surrogateescape")
            found.warnings.append(
                f"{title}: the name of SQLite file {shown!r} is not UTF-8: it is copied as a plain file, which may be "
                "in the middle of a transaction; rename it"
            )
            continue
        kept.append(name)
    inside.sqlite[:] = kept


def beside(paths: Sequence[str]) -> tuple[str, ...]:
    """SQLite files and what SQLite keeps beside them."""
    return tuple(f"{path}{ending}" for path in paths for ending in ("", *BESIDE))
