"""Whether a text that was changed means what it should: both are read, and compared as values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opslib.errors import BadSettings
from opslib.lint.rule import REMOVE, Edit
from opslib.settings import yamlfile
from opslib.settings.yamlfile import Node


def as_meant(before: str, after: str, edits: Iterable[Edit]) -> bool:
    """Whether the new text means the old one with these edits, and nothing else."""
    try:
        (old,), (new,) = yamlfile.documents(before, "before"), yamlfile.documents(after, "after")
    except (BadSettings, ValueError):
        return False
    wanted, got = _plain(old, {}), _plain(new, {})
    for edit in edits:
        if not _set(wanted, edit):
            return False
    return _digest(wanted, {}) == _digest(got, {})


def _plain(node: Node, seen: dict[int, Any]) -> Any:
    """Maps and lists as such, scalars with their kind; what is shared stays shared."""
    if node.is_scalar:
        return node.value
    if id(node.value) not in seen:
        if isinstance(node.value, dict):
            seen[id(node.value)] = {key: _plain(one, seen) for key, one in node.value.items()}
        else:
            assert isinstance(node.value, list)
            seen[id(node.value)] = [_plain(one, seen) for one in node.value]
    return seen[id(node.value)]


def _set(root: Any, edit: Edit) -> bool:
    *above, last = edit.path
    try:
        for key in above:
            root = root.setdefault(key, {}) if isinstance(root, dict) else root[key]
        if edit.value is REMOVE:
            del root[last]
        else:
            root[last] = edit.value
    except (KeyError, IndexError, TypeError, AttributeError):
        return False
    return True


def _digest(value: Any, seen: dict[int, int]) -> int:
    """One number for a tree, however often a piece of it is referred to."""
    if not isinstance(value, dict | list):
        return hash((type(value).__name__, value))
    if id(value) not in seen:
        parts = sorted((key, _digest(one, seen)) for key, one in value.items()) if isinstance(value, dict) else [
            _digest(one, seen) for one in value
        ]  # fmt: skip
        seen[id(value)] = hash((type(value).__name__, tuple(parts)))
    return seen[id(value)]
