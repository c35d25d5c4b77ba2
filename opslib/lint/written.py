"""The compose files as a person wrote them: where an entry of the resolved stack stands, what variables it is made of.

Docker Compose says what a stack is, and not where that is written: there may be several files, anchors, merge keys,
`extends` and `include`, and lists that it has rewritten.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opslib.errors import BadSettings
from opslib.lint.items import entry, item
from opslib.lint.nodes import items, scalars, size, text, values
from opslib.settings import yamlfile
from opslib.settings.textfile import read_text
from opslib.settings.yamlfile import Node

LARGEST = 16 << 20  # bytes of a compose file
MOST = 1_000_000  # values that its aliases may make of it; programs that write them all out need the memory

_USE = re.compile(r"\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(:?[-?+])?)")
_AS_IT_IS = ("environment", "args")  # where a name without a value is a variable's


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an entry is written, and its node; `exact` is False for the nearest entry above one that is not found."""

    file: str = ""
    line: int = 0
    exact: bool = False
    node: Node | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Variable:
    """A use of a variable in a compose file. `how` is the operator behind its name: "" and `?` need it to be set, `:?`
    to something, `-` and `:-` have a default, `+` and `:+` do without."""

    name: str
    how: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Written:
    """`files` are those that Compose is called with (the last wins), `documents` what is in them and in those that they
    include and extend, by paths below the project's folder. `unread`: files that cannot be read, and why. `bombs`:
    those whose aliases make more of them than any program should be given."""

    files: tuple[str, ...] = ()
    documents: Mapping[str, tuple[Node, ...]] = field(default_factory=dict, repr=False)
    unread: Mapping[str, str] = field(default_factory=dict)
    bombs: frozenset[str] = frozenset()

    def place(self, path: Sequence[str | int], config: Mapping[str, Any]) -> tuple[str, int]:
        """File and line of `find`."""
        spot = self.find(path, config)
        return spot.file, spot.line

    def find(self, path: Sequence[str | int], config: Mapping[str, Any]) -> Spot:
        """The entry of the resolved `config` at `path`, in the last file that sets it, or the nearest above it."""
        layers, deep = self._down(path, config)
        if not layers:
            return Spot(self.files[-1] if self.files else "")
        return _spot(layers[0], exact=deep == len(path))

    def layers(self, *path: str) -> list[Node]:
        """An entry as each file has it, what counts most first; none where no file has it."""
        layers, deep = self._down(path, {})
        return layers if deep == len(path) else []

    def services(self) -> list[str]:
        """The names of all services, also of those that no profile turns on."""
        found = [layer.value for layer in self.layers("services") if isinstance(layer.value, dict)]
        return sorted({name for services in found for name in services if name != "<<"})

    def env_files(self, service: str) -> list[tuple[str, str]]:
        """The env files that a service must have, each with the folder of the compose file that names it."""
        found = []
        for layer in self.layers("services", service, "env_file"):
            for one in items(layer):
                path = one.text if one.is_scalar else text(entry(one, "path"))
                needed = one.is_scalar or text(entry(one, "required")).lower() != "false"
                if path and needed:
                    found.append((posixpath.dirname(_file(one)), path))
        return found

    def _down(self, path: Sequence[str | int], config: Mapping[str, Any]) -> tuple[list[Node], int]:
        """The nearest entries to `path` that there are, what counts most first, and how deep that is."""
        layers, wanted = self._roots(), config
        for depth, key in enumerate(path):
            wanted = _step(wanted, key)
            below = _below(layers, key, wanted)
            if depth == 1 and path[0] == "services":
                below = [one for layer in below for one in (layer, *self._extended(layer))]
            if not below:
                return layers, depth
            layers = below
        return layers, len(path)

    def uses(self, path: Sequence[str | int], config: Mapping[str, Any]) -> frozenset[str]:
        """The variables that the text of the entry at `path` is made of; none where it is not found."""
        spot = self.find(path, config)
        if spot.node is None or not (spot.exact or spot.node.is_scalar):
            return frozenset()
        matches = (match for one in scalars(spot.node) for match in _USE.finditer(one.text))
        found = {name for match in matches if (name := match[1] or match[2])}
        if len(path) > 1 and path[-2] in _AS_IT_IS and (spot.node.value is None or spot.node.text == path[-1]):
            found.add(str(path[-1]))
        return frozenset(found)

    def variables(self) -> Iterator[Variable]:
        """All uses of variables, file by file."""
        for documents in self.documents.values():
            for node in (one for document in documents for one in scalars(document)):
                for match in _USE.finditer(node.text):
                    if name := match[1] or match[2]:
                        yield Variable(name, match[3] or "", _file(node), _line(node))

    def _roots(self) -> list[Node]:
        """All documents: those that count most first. Whatever includes something counts more than that."""
        files = list(dict.fromkeys(reversed(self.files)))
        for file in files:  # grows meanwhile
            included = (path for document in self.documents.get(file, ()) for path in _included(document))
            files += [one for path in reversed(list(included)) if (one := self._named(file, path)) not in files]
        return [root for file in files for root in reversed(self.documents.get(file, ())) if not root.is_scalar]

    def _extended(self, service: Node) -> Iterator[Node]:
        """What a service extends, and what that extends."""
        seen = set()
        while (how := entry(service, "extends")) is not None:
            file, name = _file(service), how.text if how.is_scalar else text(entry(how, "service"))
            if named := text(entry(how, "file")):
                file = self._named(file, named)
            services = (entry(document, "services") for document in reversed(self.documents.get(file, ())))
            found = next((one for one in (entry(services_, name) for services_ in services) if one is not None), None)
            if found is None or (file, name) in seen:
                return
            seen.add((file, name))
            yield found
            service = found

    def _named(self, file: str, path: str) -> str:
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
        return beside if beside in self.documents else posixpath.normpath(path)


def read(root: Path, files: Iterable[str]) -> Written:
    """The compose files of the project in `root`, and all that they include and extend. Never raises: what is not there
    is left out, what cannot be
    read is in `unread`."""
    files = tuple(posixpath.normpath(file) for file in files)
    documents: dict[str, tuple[Node, ...]] = {}
    unread: dict[str, str] = {}
    todo = list(files)
    for file in todo:  # grows meanwhile
        if file in documents or file in unread or not _is_file(root / file):
            continue
        try:
            documents[file] = tuple(yamlfile.documents(read_text(root / file, file, LARGEST), file))
        except (BadSettings, OSError, ValueError) as error:
            unread[file] = error.what if isinstance(error, BadSettings) else f"{file}: cannot be read: {error}"
            continue
        for path in (one for document in documents[file] for one in _elsewhere(document)):
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
            todo.append(beside if _is_file(root / beside) else posixpath.normpath(path))
    bombs = frozenset(file for file, nodes in documents.items() if sum(map(size, nodes)) > MOST)
    return Written(files, documents, unread, bombs)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _elsewhere(document: Node) -> Iterator[str]:
    yield from _included(document)
    for service in values(entry(document, "services")):
        if path := text(entry(entry(service, "extends"), "file")):
            yield from _plain([path])


def _included(document: Node) -> Iterator[str]:
    for one in items(entry(document, "include")):
        paths = items(one) if one.is_scalar else items(entry(one, "path"))
        yield from _plain(path.text for path in paths)


def _plain(paths: Iterable[str]) -> Iterator[str]:
    """Those that are files: an address, or a name made of variables, is nothing that can be looked at here."""
    return (path for path in paths if path and "$" not in path and ":" not in path and "\0" not in path)


def _step(value: Any, key: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return None


def _below(layers: Sequence[Node], key: str | int, wanted: Any) -> list[Node]:
    found = [one for layer in layers if (one := item(layer, key, wanted)) is not None]
    if not found and len(layers) == 1 and isinstance(key, int) and isinstance(layers[0].value, list):
        return layers[0].value[key : key + 1] if key >= 0 else []
    return found


def _spot(node: Node, *, exact: bool) -> Spot:
    return Spot(_file(node), _line(node), exact, node)


def _file(node: Node) -> str:
    return node.key_place.rpartition(":")[0]


def _line(node: Node) -> int:
    return int(node.key_place.rpartition(":")[2])
