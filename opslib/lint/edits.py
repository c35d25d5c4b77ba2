"""Safe changes to a compose file, made in its text: whatever is not changed keeps its bytes.

Programs that read YAML and write it again give a file other indentation, quotes and line breaks, and a person a diff in
which nothing can be seen. So here the places are taken from the YAML, and the text is cut there. What cannot be done
that way (anchors, block lists, several documents) is left to a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml import MappingNode, ScalarNode, SequenceNode

from opslib.lint.meaning import as_meant
from opslib.lint.rule import REMOVE, Edit

_Path = Sequence[str | int]


class _NotSafe(Exception):
    """An edit that a person has to make."""


@dataclass(slots=True)
class _Cuts:
    """What is to be put in place of which pieces of the text, and the new entries of each map."""

    pieces: list[tuple[int, int, str]] = field(default_factory=list)
    new: dict[int, tuple[MappingNode, int, dict[str, Any]]] = field(default_factory=dict)


def edited(text: str, edits: Sequence[Edit]) -> tuple[str, list[Edit]]:
    """The text with as many of the edits made as can be, and those. Nothing else in it means something else then."""
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError):
        return text, []
    if len(documents) != 1 or not isinstance(documents[0], MappingNode):
        return text, []
    cuts, made = _Cuts(), []
    shared = _shared(documents[0])
    for edit in edits:
        try:
            _cut(cuts, documents[0], edit, text, shared)
            made.append(edit)
        except _NotSafe:
            continue
    changed = text
    for start, stop, piece in sorted([*cuts.pieces, *_additions(cuts, text)], reverse=True):
        changed = changed[:start] + piece + changed[stop:]
    if made and not as_meant(text, changed, made):
        return _one_by_one(text, made) if len(made) > 1 else (text, [])
    return changed, made


def _one_by_one(text: str, edits: Iterable[Edit]) -> tuple[str, list[Edit]]:
    """For those that do not go together."""
    made: list[Edit] = []
    for edit in edits:
        text, one = edited(text, [edit])
        made += one
    return text, made


def _cut(cuts: _Cuts, root: MappingNode, edit: Edit, text: str, shared: set[int]) -> None:
    node: Any = root
    parent: MappingNode | None = None
    for at, key in enumerate(edit.path):
        if id(node) in shared or _tagged(node):
            raise _NotSafe
        below = _child(node, key)
        if below is None:
            _add(cuts, node, edit.path[at:], edit.value, text)
            return
        parent, node = (node if isinstance(node, MappingNode) else None), below
    if id(node) in shared or _tagged(node):
        raise _NotSafe
    if edit.value is REMOVE:
        cuts.pieces.append(_without(parent, node, text))
    elif _in_one_piece(node):
        start, stop = node.start_mark.index, node.end_mark.index
        cuts.pieces.append((start, stop, ("" if start < stop else " ") + _flow(edit.value)))
    else:
        cuts.pieces.append(_instead(parent, node, edit.value, text))


def _add(cuts: _Cuts, node: Any, path: _Path, value: Any, text: str) -> None:
    merges = isinstance(node, MappingNode) and _child(node, "<<") is not None
    if value is REMOVE or not isinstance(node, MappingNode) or (merges and len(path) > 1) or _has_numbers(path):
        raise _NotSafe
    if id(node) not in cuts.new:
        cuts.new[id(node)] = (node, _place(node, text), {})
    new = cuts.new[id(node)][2]
    for key in path[:-1]:
        new = new.setdefault(str(key), {})
        if not isinstance(new, dict):
            raise _NotSafe
    new[str(path[-1])] = value


def _has_numbers(path: _Path) -> bool:
    return any(isinstance(key, int) for key in path)


def _child(node: Any, key: str | int) -> Any:
    if isinstance(node, MappingNode):
        return next((value for name, value in node.value if isinstance(name, ScalarNode) and name.value == key), None)
    if isinstance(node, SequenceNode) and isinstance(key, int) and 0 <= key < len(node.value):
        return node.value[key]
    return None


def _tagged(node: Any) -> bool:
    """Compose's `!reset` and `!override`: what they say would be gone."""
    return str(node.tag).startswith("!")


def _in_one_piece(node: Any) -> bool:
    return node.style not in ("|", ">") if isinstance(node, ScalarNode) else bool(node.flow_style)


def _shared(root: Any) -> set[int]:
    """The nodes that several places refer to, or that have a name for it."""
    seen: set[int] = set()
    found: set[int] = set()
    todo = [root]
    while todo:
        node = todo.pop()
        if id(node) in seen:
            found.add(id(node))
            continue
        seen.add(id(node))
        if isinstance(node, MappingNode):
            todo += [one for pair in node.value for one in pair]
        elif isinstance(node, SequenceNode):
            todo += node.value
    return found


def _instead(parent: MappingNode | None, node: Any, value: Any, text: str) -> tuple[int, int, str]:
    """Another value in place of a block of lines, where there is no comment in it that would be lost."""
    if parent is None or isinstance(node, ScalarNode):
        raise _NotSafe
    key = next(name for name, one in parent.value if one is node)
    start, stop = text.index(":", key.end_mark.index) + 1, _end(key, node, text)
    if "#" in text[start:stop]:
        raise _NotSafe
    if not isinstance(value, dict | list):
        return start, stop, f" {_flow(value)}"
    return start, stop, _lines(value, key.start_mark.column + 2, text)


def _without(parent: MappingNode | None, node: Any, text: str) -> tuple[int, int, str]:
    """The lines of an entry of a map, taken away."""
    if parent is None or parent.flow_style or len(parent.value) < 2:
        raise _NotSafe
    key = next(name for name, value in parent.value if value is node)
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    if text[start : key.start_mark.index].strip():
        raise _NotSafe
    stop = text.find("\n", _end(key, node, text))
    return start, len(text) if stop < 0 else stop + 1, ""


def _place(node: MappingNode, text: str) -> int:
    """Where a new entry of a map goes: in front of its brace, or behind the line of its last entry."""
    if node.flow_style:
        return len(text[: node.end_mark.index - 1].rstrip())
    key, value = node.value[-1]
    at = text.find("\n", _end(key, value, text))
    return len(text) if at < 0 else at - (text[at - 1] == "\r")


def _additions(cuts: _Cuts, text: str) -> Iterable[tuple[int, int, str]]:
    for node, at, new in cuts.new.values():
        if node.flow_style:
            yield at, at, f", {_flow(new)[1:-1]}" if node.value else _flow(new)[1:-1]
            continue
        yield at, at, _lines(new, node.value[0][0].start_mark.column, text)


def _end(key: Any, node: Any, text: str) -> int:
    """Behind the last character of an entry of a map; an alias stands on the line of its key."""
    before = key.end_mark.index
    while True:
        if node.start_mark.index < before:  # an alias: the node itself stands elsewhere
            if key is None:
                raise _NotSafe
            stop = text.find("\n", before)
            return len(text) if stop < 0 else stop
        if isinstance(node, ScalarNode) or node.flow_style or not node.value:
            return len(text[: node.end_mark.index].rstrip())
        if isinstance(node, MappingNode):
            key, node = node.value[-1]
            before = key.end_mark.index
        else:
            key, before, node = None, node.start_mark.index, node.value[-1]


def _lines(value: Any, column: int, text: str) -> str:
    """A value in lines of its own below what stands before, indented so far, with the line ends of the text."""
    end = "\r\n" if "\r\n" in text else "\n"
    lines = yaml.safe_dump(value, sort_keys=False, width=1_000_000, allow_unicode=True).splitlines()
    return "".join(f"{end}{' ' * column}{line}" for line in lines)


def _flow(value: Any) -> str:
    dumped = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1_000_000, allow_unicode=True)
    return re.sub(r"\n(\.\.\.\n)?\Z", "", dumped)
