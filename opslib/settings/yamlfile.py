"""A YAML file as a tree of nodes that know their file and line.

The tree is made from libyaml's events: PyYAML's own composer recurses in C and dies on deep nesting, drops duplicate
keys, and makes `true` of a service named `yes`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from opslib.errors import BadSettings
from opslib.settings.textfile import read_text
from opslib.settings.units import Scalar

_DEEPEST = 20  # levels; a host file needs five
_DEEPEST_ELSEWHERE = 100
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG = "tag:yaml.org,2002:"
_RESOLVER = yaml.resolver.Resolver()


@dataclass(frozen=True, slots=True)
class Node:
    """One value: a map, a list or a scalar.

    `place` is `file:line` of the value, `key_place` that of its key (the same where it has none). `text` is a scalar as
    it was written. `literal`: from the environment or a flag, so that `7` may mean a number and `${X}` is just text.
    """

    value: dict[str, Node] | list[Node] | Scalar
    place: str
    key_place: str
    text: str = ""
    literal: bool = False

    @property
    def is_scalar(self) -> bool:
        """Whether it is neither a map nor a list."""
        return not isinstance(self.value, dict | list)


def read(path: Path, shown: str) -> Node:
    """The file's map; an empty file is an empty map. `shown` is the file's name in errors.

    Raises FileNotFoundError when there is no such file, and BadSettings with file and line for everything else.
    """
    return parse(read_text(path, shown), shown)


def parse(text: str, shown: str) -> Node:
    """The map that a YAML text holds; raises BadSettings with file and line."""
    roots = _composed(_Composer(text, shown))
    root = roots[0] if roots else Node(None, f"{shown}:1", f"{shown}:1")
    if root.is_scalar and root.value is None:
        return Node({}, f"{shown}:1", f"{shown}:1")
    if not isinstance(root.value, dict):
        found = "a list" if isinstance(root.value, list) else "a bare value"
        raise BadSettings(f"{root.place}: expected keys like `path: /srv/app`, found {found}")
    return root


def documents(text: str, shown: str) -> list[Node]:
    """The documents of a YAML text that is another program's: it may have several, nested deeper, with any tags.
    Raises BadSettings with file and line."""
    return _composed(_Composer(text, shown, _DEEPEST_ELSEWHERE, strict=False))


def _composed(composer: _Composer) -> list[Node]:
    text, shown = composer.text, composer.shown
    if bad := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise BadSettings(f"{shown}:{line}: a control character (U+{ord(bad[0]):04X}) in the text")
    try:
        return composer.documents()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, shown) from None
    except yaml.YAMLError as error:
        raise BadSettings(f"{shown}:1: not valid YAML: {error}") from None


def merge(base: Node, over: Node) -> Node:
    """`over` on top of `base`: maps key by key, anything else is replaced; a key without a value replaces nothing."""
    if over.is_scalar and over.value is None:
        return base
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return Node(merged, over.place, over.key_place)


@dataclass(slots=True)
class _Composer:
    text: str
    shown: str
    deepest: int = _DEEPEST
    strict: bool = True
    anchors: dict[str, Node] = field(default_factory=dict)
    events: Iterator[yaml.Event] = field(init=False)

    def documents(self) -> list[Node]:
        self.events = iter(yaml.parse(self.text, Loader=yaml.CSafeLoader))
        roots: list[Node] = []
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if roots and self.strict:
                    raise self.error(event, "a second YAML document: a host file holds one")
                self.anchors = {}
                roots.append(self.node(next(self.events), 1))
        return roots

    def node(self, event: yaml.Event, depth: int, key_place: str = "") -> Node:
        place = self.place(event)
        key_place = key_place or place
        if depth > self.deepest:
            raise self.error(event, "nested too deeply")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise self.error(event, f"nothing before *{event.anchor} is named &{event.anchor}")
            known = self.anchors[event.anchor]
            return Node(known.value, known.place, key_place, known.text)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if self.strict and event.tag not in (None, "!") and not str(event.tag).startswith(_TAG):
            raise self.error(event, f"the tag {event.tag} is not known here")
        if isinstance(event, yaml.ScalarEvent):
            node = Node(_scalar(event), place, key_place, event.value)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node(self.items(depth), place, key_place)
        else:
            node = Node(self.pairs(depth), place, key_place)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def items(self, depth: int) -> list[Node]:
        found = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            found.append(self.node(event, depth + 1))
        return found

    def pairs(self, depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent) or not key.value:
                raise self.error(key, "a key must be a plain word")
            if key.value in found:
                raise self.error(key, f"duplicate key {key.value!r}, first at {found[key.value].key_place}")
            found[key.value] = self.node(next(self.events), depth + 1, self.place(key))
        return found

    def place(self, event: yaml.Event) -> str:
        return f"{self.shown}:{event.start_mark.line + 1 if event.start_mark else 1}"

    def error(self, event: yaml.Event, what: str) -> BadSettings:
        return BadSettings(f"{self.place(event)}: {what}")


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    """What YAML makes of a scalar. Numbers that it would read in base 8, 16 or 60 stay text: `22:22` is no 1342."""
    text: str = event.value
    tag = event.tag
    if tag in (None, "!"):
        tag = _RESOLVER.resolve(yaml.ScalarNode, text, event.implicit)  # type: ignore[no-untyped-call]
    kind = str(tag).removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in ("yes", "no", "true", "false", "on", "off"):
        return text.lower() in ("yes", "true", "on")
    if kind in ("int", "float") and re.fullmatch(r"[-+]?(0|[1-9][0-9]{0,17})", text):
        return int(text)
    if kind == "float" and re.fullmatch(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", text):
        return float(text) if math.isfinite(float(text)) else text
    return text


def _syntax_error(error: yaml.MarkedYAMLError, text: str, shown: str) -> BadSettings:
    mark = error.problem_mark or error.context_mark
    lines = text.splitlines()
    number = min(mark.line if mark else 0, max(len(lines) - 1, 0))
    line = lines[number] if lines else ""
    indented = line[: len(line) - len(line.lstrip())]
    if "\t" in indented or ("\t" in line and "cannot start any token" in str(error.problem)):
        return BadSettings(f"{shown}:{number + 1}: a tab: YAML is indented with spaces")
    what = " ".join(str(part) for part in (error.problem, error.context) if part)
    return BadSettings(f"{shown}:{number + 1}: not valid YAML: {what}")
