"""Nodes of a YAML file into the structs of the model; each error names file, line and key.

Maps and lists are walked here, because msgspec's errors tell neither a line nor the key in a map; single values go
through `msgspec.convert`, strictly.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

import msgspec

from opslib.command import Secret
from opslib.errors import BadSettings
from opslib.settings.units import Parse
from opslib.settings.yamlfile import Node

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
_NAMES = {str: "text", int: "a number", float: "a number", bool: "true or false"}


class Decoder:
    """Turns nodes into values. `lookup` gives the value of a `${NAME}`, or None where it is not set."""

    def __init__(self, lookup: Callable[[str], str | None]) -> None:
        self.lookup = lookup

    def fields(
        self, node: Node, cls: type[msgspec.Struct], key: str = "", without: Iterable[str] = ()
    ) -> dict[str, Any]:
        """The values of the keys that the map gives for the fields of `cls`, except those in `without`."""
        if not isinstance(node.value, dict):
            self.wrong(node, key, f"expected keys ({', '.join(names(cls, without))})")
        hints = get_type_hints(cls, include_extras=True)
        known = names(cls, without)
        for name, child in node.value.items():
            if name not in known:
                raise BadSettings(f"{child.key_place}: unknown key {_join(key, name)!r}{nearest(name, known)}")
        present = {name: child for name, child in node.value.items() if not (child.is_scalar and child.value is None)}
        return {name: self.value(child, hints[name], _join(key, name)) for name, child in present.items()}

    def value(self, node: Node, wanted: Any, key: str) -> Any:
        """The node as a value of the type `wanted`; raises BadSettings."""
        wanted, parser = _unwrap(wanted)
        if wanted is Secret:
            return self.secret(node, key, parser)
        if wanted is Any:
            return self.plain(node, key)
        if parser and node.is_scalar:
            return self.parsed(node, wanted, parser, key)
        if parser and node.value == []:
            self.wrong(node, key, "expected at least one word")
        origin = get_origin(wanted)
        if origin in (Union, UnionType):
            return self.tagged(node, get_args(wanted), key)
        if origin is tuple:
            item = get_args(wanted)[0]
            if not isinstance(node.value, list):
                self.wrong(node, key, "expected a list, in brackets or one `- item` a line")
            return tuple(self.value(child, item, f"{key}[{i}]") for i, child in enumerate(node.value))
        if origin is dict:
            keys, item = get_args(wanted)
            return self.mapping(node, keys, item, key)
        if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
            return self.struct(node, wanted, key)
        return self.leaf(node, wanted, key)

    def mapping(self, node: Node, keys: Any, item: Any, key: str) -> dict[str, Any]:
        """A map with keys of any name, or those of a Literal; for the first of these a bare value may stand."""
        known = get_args(keys)
        if known and not isinstance(node.value, dict):
            node = Node({known[0]: node}, node.place, node.key_place)
        if not isinstance(node.value, dict):
            self.wrong(node, key, "expected keys and values")
        for name, child in node.value.items():
            if known and name not in known:
                raise BadSettings(f"{child.key_place}: unknown key {_join(key, name)!r}{nearest(name, known)}")
        return {name: self.value(child, item, _join(key, name)) for name, child in node.value.items()}

    def plain(self, node: Node, key: str) -> Any:
        """The node as it stands, whatever it is."""
        if isinstance(node.value, dict):
            return {name: self.plain(child, _join(key, name)) for name, child in node.value.items()}
        if isinstance(node.value, list):
            return [self.plain(child, f"{key}[{i}]") for i, child in enumerate(node.value)]
        return self.leaf(node, str, key) if isinstance(node.value, str) else node.value

    def struct(self, node: Node, cls: type[msgspec.Struct], key: str) -> msgspec.Struct:
        """A section, or the bare value that stands for its `short` key."""
        short = getattr(cls, "short", None)
        if short and not isinstance(node.value, dict) and node.value is not None:
            node = Node({short: node}, node.place, node.key_place)
        found = self.fields(node, cls, key)
        for field in msgspec.structs.fields(cls):
            if field.required and field.name not in found:
                raise BadSettings(f"{node.key_place}: {_join(key, field.name)} is missing")
        try:
            return cls(**found)
        except ValueError as error:
            raise BadSettings(f"{node.key_place}: {key}: {error}") from None

    def tagged(self, node: Node, kinds: tuple[Any, ...], key: str) -> msgspec.Struct:
        """A map of one key, which says what kind of struct stands behind it: `{postgres: {…}}`."""
        tags = {str(kind.__struct_config__.tag): kind for kind in kinds}
        if not isinstance(node.value, dict) or len(node.value) != 1:
            self.wrong(node, key, f"expected one of {', '.join(tags)} and its settings, like {{volume: uploads}}")
        ((tag, child),) = node.value.items()
        if tag not in tags:
            raise BadSettings(f"{child.key_place}: unknown key {_join(key, tag)!r}{nearest(tag, tags)}")
        if child.is_scalar and child.value is None:
            child = Node({}, child.place, child.key_place)
        return self.struct(child, tags[tag], _join(key, tag))

    def secret(self, node: Node, key: str, parser: Callable[[Any], Any] | None = None) -> Secret:
        """A password, or an address that is as good as one: only as `${NAME}`, so that no host file ever holds it."""
        if not isinstance(node.value, str) or not re.search(r"(?<!\$)\$\{", node.value):
            raise BadSettings(f"{node.place}: {key}: a secret stands here only as ${{NAME}}; put its value into .env")
        text = self.expand(node)
        if not text:
            raise BadSettings(f"{node.place}: {key}: {node.text} is empty")
        try:
            return Secret(parser(text) if parser else text)
        except ValueError as error:
            self.wrong(node, key, str(error))

    def parsed(self, node: Node, wanted: Any, parser: Callable[[Any], Any], key: str) -> Any:
        """A scalar through one of the parsers of `units`."""
        value = self.leaf(node, str, key) if wanted is str or isinstance(node.value, str) else node.value
        try:
            return parser(value)
        except ValueError as error:
            self.wrong(node, key, str(error))

    def leaf(self, node: Node, wanted: Any, key: str) -> Any:
        """A single value: text, a number, true or false, or one of a few words."""
        value = self.expand(node) if isinstance(node.value, str) else node.value
        if isinstance(value, dict | list):
            self.wrong(node, key, f"expected {_name(wanted)}")
        try:
            value = msgspec.convert(value, wanted, strict=not node.literal)
        except msgspec.ValidationError:
            self.wrong(node, key, f"expected {_name(wanted)}")
        if isinstance(value, str) and (not value or _CONTROL.search(value)):
            self.wrong(node, key, "expected one line of text" if value else "expected text that is not empty")
        return value

    def expand(self, node: Node) -> str:
        """The text with each `${NAME}` replaced; `$${` stands for `${`."""
        if node.literal:
            return str(node.value)

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if match[0] == "$${":
                return "${"
            if name is None or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise BadSettings(f"{node.place}: expected a variable like ${{NAME}}; write $${{ for a plain ${{")
            value = self.lookup(name)
            if value is None:
                raise BadSettings(f"{node.place}: ${{{name}}} is not set", next=f"put {name}=… into .env, or export it")
            return value

        return _REFERENCE.sub(replace, str(node.value))

    def wrong(self, node: Node, key: str, expected: str) -> NoReturn:
        """Raise BadSettings for a value of the wrong kind, shown as it was written, never with a secret put in."""
        raise BadSettings(f"{node.place}: {key + ': ' if key else ''}{expected}, found {_found(node, expected)}")


def names(cls: type[msgspec.Struct], without: Iterable[str] = ()) -> list[str]:
    """The keys that a section may have."""
    return [name for name in cls.__struct_fields__ if name not in without]


def nearest(word: str, known: Iterable[str] | Mapping[str, Any]) -> str:
    """`, did you mean …?`, or, where nothing is near, all there is."""
    known = sorted(known)
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower()[:100], lower, 1, 0.6)
    return f"; did you mean {lower[close[0]]!r}?" if close else f"; known here: {', '.join(known)}"


def _join(key: str, name: str) -> str:
    return f"{key}.{_short(name)}" if key else _short(name)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"


def _unwrap(wanted: Any) -> tuple[Any, Callable[[Any], Any] | None]:
    """Without `| None`, and with the parser that its annotation names; limits (`Meta`) stay for msgspec."""
    if get_origin(wanted) in (Union, UnionType):
        others = [kind for kind in get_args(wanted) if kind is not type(None)]
        if len(others) == 1:
            return _unwrap(others[0])
    if get_origin(wanted) is Annotated:
        for note in get_args(wanted)[1:]:
            if isinstance(note, Parse):
                return get_args(wanted)[0], note.function
    return wanted, None


def _name(wanted: Any) -> str:
    if get_origin(wanted) is Literal:
        return " or ".join(map(str, get_args(wanted)))
    if get_origin(wanted) is Annotated:
        kind, *notes = get_args(wanted)
        least = next((f" of at least {note.ge}" for note in notes if isinstance(note, msgspec.Meta)), "")
        return _NAMES[kind] + least
    return _NAMES.get(wanted, "a single value")


def _found(node: Node, expected: str) -> str:
    if isinstance(node.value, dict):
        return "keys"
    if isinstance(node.value, list):
        return "a list"
    if node.value is None:
        return "nothing"
    shown = _short(node.text)
    if expected == "expected text" and isinstance(node.value, bool):
        return f"{shown}, which YAML reads as true or false: quote it, '{shown}'"
    if expected == "expected text":
        return f"the number {shown}: quote it, '{shown}'"
    return repr(shown) if isinstance(node.value, str) else shown
