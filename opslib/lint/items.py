"""Finding an entry of the resolved stack in the YAML that it came from: Compose turns short forms into long ones,
lists into maps, puts variables in, and mixes the lists of several files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from opslib.settings.yamlfile import Node

_VARIABLE = "\0"  # stands for one, whatever its value
_MODES = {"ro", "rw", "z", "Z", "cached", "delegated", "consistent", "nocopy"}


def entry(node: Node | None, key: str) -> Node | None:
    """What a map has under `key`, itself or by a merge key (`<<`); None for what is no map."""
    return next((one.value[key] for one in _merged(node) if isinstance(one.value, dict) and key in one.value), None)


def _merged(node: Node | None) -> Iterator[Node]:
    """A map and all that is merged into it, each once: merge keys can be a bomb."""
    seen: set[int] = set()
    todo = [node] if node is not None else []
    while todo:
        one = todo.pop()
        if not isinstance(one.value, dict) or id(one.value) in seen:
            continue
        seen.add(id(one.value))
        yield one
        if (merge := one.value.get("<<")) is not None:
            todo += reversed(merge.value) if isinstance(merge.value, list) else [merge]


def item(node: Node, key: str | int, wanted: Any) -> Node | None:
    """What became of `node` under `key` in the resolved stack, where it is `wanted`; None where there is none."""
    if isinstance(node.value, dict):
        return entry(node, str(key))
    if not isinstance(node.value, list):
        return None
    if isinstance(key, str):  # a list of NAME or NAME=VALUE that is a map now
        named = (one for one in reversed(node.value) if one.is_scalar and one.text.partition("=")[0] == key)
        return next(named, None)
    return next((one for one in node.value if _same(one, wanted)), None)


def _same(written: Node, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return _same_map(written, wanted) if isinstance(written.value, dict) else _same_short(written, wanted)
    text = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
    return written.is_scalar and wanted is not None and _like(_opened(written.text), text)


def _same_map(written: Node, wanted: Mapping[str, Any]) -> bool:
    """Both in the long form: what they are called by is the same."""
    pairs = [
        (str(wanted[key]), found.text) for key in ("target", "published", "source", "path")
        if wanted.get(key) is not None and (found := entry(written, key)) is not None and found.is_scalar
    ]  # fmt: skip
    return bool(pairs) and all(
        _like(_opened(text), told) or told.endswith(f"/{posixpath.normpath(text)}") for told, text in pairs
    )


def _same_short(written: Node, wanted: Mapping[str, Any]) -> bool:
    if not written.is_scalar:
        return False
    text = _opened(written.text)
    if "type" in wanted:
        return _like(_target(text), str(wanted.get("target")).rstrip("/"))
    if "path" in wanted:
        return _like(text, str(wanted["path"])) or str(wanted["path"]).endswith(f"/{posixpath.normpath(text)}")
    if "source" in wanted:
        return _like(text, str(wanted["source"]))
    return _same_port(text.partition("/")[0].rsplit(":", 2), wanted)


def _target(text: str) -> str:
    """Where a volume in the short form is mounted."""
    pieces = text.split(":")
    if len(pieces) > 1 and set(pieces[-1].split(",")) <= _MODES:
        pieces.pop()
    return pieces[-1].rstrip("/")


def _same_port(pieces: list[str], wanted: Mapping[str, Any]) -> bool:
    published = pieces[-2] if len(pieces) > 1 else ""
    return _among(str(wanted.get("target", "")), pieces[-1]) and _among(str(wanted.get("published", "")), published)


def _among(port: str, written: str) -> bool:
    """Whether a port is the one that is written, or in its range."""
    first, _, last = written.partition("-")
    if last and all(re.fullmatch(r"[0-9]{1,5}", one) for one in (first, last, port)):
        return int(first) <= int(port) <= int(last)
    return _like(written, port)


def _opened(text: str) -> str:
    """The text with a sign in place of each variable, and single dollars."""
    out, at = [], 0
    while (dollar := text.find("$", at)) >= 0:
        out.append(text[at:dollar])
        at = dollar + 1
        if text[at : at + 1] == "$":
            out.append("$")
            at += 1
        elif text[at : at + 1] == "{":
            at = _closed(text, at)
            out.append(_VARIABLE)
        elif name := _NAME.match(text, at):
            at = name.end()
            out.append(_VARIABLE)
        else:
            out.append("$")
    return "".join([*out, text[at:]])


_NAME = re.compile(r"[A-Za-z_]\w*")


def _closed(text: str, at: int) -> int:
    """Behind the brace that closes the one at `at`."""
    depth = 0
    for here in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[here], 0)
        if depth == 0:
            return here + 1
    return len(text)


def _like(pattern: str, text: str) -> bool:
    """Whether a text can have come of `_opened`. No regular expression: many variables would make it slow."""
    head, *rest = pattern.split(_VARIABLE)
    if not rest:
        return pattern == text
    *middle, tail = rest
    at, end = len(head), len(text) - len(tail)
    if at > end or not (text.startswith(head) and text.endswith(tail)):
        return False
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
