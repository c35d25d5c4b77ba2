"""What was done to a target, when, by whom and how it ended: one line a run."""

from __future__ import annotations

from typing import Any

from opslib.state import lines
from opslib.target.base import Target

_KEPT = 500  # lines read at most


def append(target: Target, entry: dict[str, Any]) -> None:
    """Add one run to the journal."""
    lines.append(target, f"{target.state}/journal.jsonl", entry)


def read_with(target: Target, key: str) -> list[dict[str, Any]]:
    """The newest runs that say something under this key, oldest first, however long ago."""
    found = lines.read_with(target, f"{target.state}/journal.jsonl", f'"{key}":', last=_KEPT)
    return [entry for entry in found if key in entry]


def read(target: Target) -> list[dict[str, Any]]:
    """The newest runs, oldest first."""
    return lines.read(target, f"{target.state}/journal.jsonl", last=_KEPT)
