"""One artifact on its way back: loaded and proven beside the live data, swapped in, or taken back.

A part is a value that a recovery log keeps: everything that undoing needs is in it, and no secret.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from opslib.backup.restore.context import Context
from opslib.errors import OpsError


class Part(Struct, frozen=True, kw_only=True, tag_field="part"):
    """What all kinds have in common. `folder` and `file` say where the artifact is on the machine, `id` stands in the
    names of what lies beside the live data, `counts` are those of the set (None: not known), `before` those of what
    is live now (None: nothing is). `needs` is what it takes on the disk beside the live data, in bytes. `only` are the
    tables, collections or paths that are put back (empty: all), and `counts` are of those alone then. `notes` are said
    in front of the question."""

    title: str
    folder: str
    file: str
    id: str
    raw_bytes: int = 0
    needs: int = 0
    counts: dict[str, Any] | None = None
    before: dict[str, Any] | None = None
    only: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def overwrites(self) -> bool:
        """Whether something is there that would be lost."""
        return self.before is not None

    @property
    def what(self) -> str:
        """The title in front of people: with what is put back of it alone."""
        return f"{', '.join(self.only)} of {self.title}" if self.only else self.title

    @property
    def replaced(self) -> dict[str, Any] | None:
        """What of `before` is overwritten."""
        if not self.only or self.before is None:
            return self.before
        return {name: self.before[name] for name in self.only if name in self.before} or None

    def load(self, ctx: Context) -> None:
        """Load it beside the live data and prove it. Raises OpsError when it is not what the set says."""
        raise NotImplementedError

    def unload(self, ctx: Context) -> None:
        """Remove what `load` made, whole or half or not at all."""
        raise NotImplementedError

    def swap(self, ctx: Context) -> None:
        """Put it in the place of the live data, and prove that it is there."""
        raise NotImplementedError

    def back(self, ctx: Context) -> None:
        """Bring the old data back from any state of `swap`, and prove that they are there."""
        raise NotImplementedError

    def holds(self, ctx: Context) -> dict[str, Any] | None:
        """What is live now, counted; None where nothing is or its kind is not counted."""
        return None

    def clean(self, ctx: Context) -> None:
        """Remove the old data that `swap` left beside the live ones."""
        raise NotImplementedError


def differing(title: str, wanted: dict[str, Any], seen: dict[str, Any], host: str) -> OpsError:
    """The error for counts that are not those of the set."""
    names = sorted(name for name in {**wanted, **seen} if wanted.get(name) != seen.get(name))
    lines = [f"{name}: {wanted.get(name, 'none')} in the set, {seen.get(name, 'none')} restored" for name in names]
    more = f"\n    and {len(lines) - 8} more" if len(lines) > 8 else ""
    return OpsError(
        f"{title} is not what the set says:\n    " + "\n    ".join(lines[:8]) + more,
        host=host,
        next="inv backup.verify, and restore another set",
    )
