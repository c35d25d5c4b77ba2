"""The files that compose files refer to by name, read from their YAML: what Compose needs before it can say more."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opslib.errors import BadSettings


@dataclass(frozen=True, slots=True)
class References:
    """Paths below the project's folder: `files` that are here, `absent` ones, and which of both are `private`: they
    hold passwords (`env_files` of services, files of `secrets:`). `compose` are the compose files among them,
    `services` the names of all services."""

    files: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    compose: tuple[str, ...] = ()
    services: frozenset[str] = frozenset()


def compose_files(root: Path, files: tuple[str, ...]) -> References:
    """The compose files and, as deep as it goes, what they include, extend and take variables from. What lies
    elsewhere or is named by a variable is left out.

    Raises BadSettings for a compose file that is not there or no YAML.
    """
    found: dict[str, None] = {}
    absent: dict[str, None] = {}
    private: dict[str, None] = {}
    env_files: dict[str, None] = {}
    compose: dict[str, None] = {}
    services: set[str] = set()
    todo = [posixpath.normpath(file) for file in files]
    for file in todo:
        if not (root / file).is_file():
            raise BadSettings(f"there is no compose file {root / file}", next="see `compose:` in the host file")
    while todo:
        file = todo.pop(0)
        if file in found:
            continue
        found[file] = compose[file] = None
        document = _load(root / file)
        if isinstance(document, dict) and isinstance(document.get("services"), dict):
            services |= {str(name) for name in document["services"]}
        for kind, path in _named(document):
            below = _below(root, path)
            if below is None:
                continue
            if kind in ("private", "env"):
                private[below] = None
            if kind == "env":
                env_files[below] = None
            if not (root / below).is_file():
                absent[below] = None
            elif kind == "compose":
                todo.append(below)
            else:
                found[below] = None
    return References(
        tuple(found), tuple(absent), tuple(private), tuple(env_files), tuple(compose), frozenset(services)
    )


def project_name(root: Path, files: tuple[str, ...]) -> str | None:
    """The `name:` of the last compose file that has one, unless it is made of variables."""
    names = [document.get("name") for file in files if isinstance(document := _load(root / file), dict)]
    plain = [name for name in names if isinstance(name, str) and "$" not in name]
    return plain[-1] if plain else None


def _named(document: Any) -> Iterator[tuple[str, str]]:
    """("compose", "env", "private" or "other", path) for every file that the document names."""
    if not isinstance(document, dict):
        return
    for one in _list(document.get("include")):
        for path in _list(one.get("path") if isinstance(one, dict) else one):
            yield "compose", path
        for path in _list(one.get("env_file") if isinstance(one, dict) else None):
            yield "env", path
    for section, kind in (("configs", "other"), ("secrets", "private")):
        for entry in _values(document.get(section)):
            yield from ((kind, path) for path in _list(entry.get("file")))
    for service in _values(document.get("services")):
        extends = service.get("extends")
        if isinstance(extends, dict):
            yield from (("compose", path) for path in _list(extends.get("file")))
        for one in _list(service.get("env_file")):
            yield from (("env", path) for path in _list(one.get("path") if isinstance(one, dict) else one))


def _below(root: Path, path: Any) -> str | None:
    if not isinstance(path, str) or "$" in path:
        return None
    joined = posixpath.normpath(posixpath.join(str(root), path))
    return posixpath.relpath(joined, root) if joined.startswith(f"{root}/") else None


def _list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _values(section: Any) -> list[dict[str, Any]]:
    return [one for one in section.values() if isinstance(one, dict)] if isinstance(section, dict) else []


def _load(path: Path) -> Any:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Compose's own tags (`!reset`, `!override`) stand for what is under them."""

    def plain(loader: Any, suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)

    Loader.add_multi_constructor("!", plain)
    try:
        return yaml.load(path.read_bytes(), Loader=Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path.name}:{mark.line + 1}" if mark else path.name
        raise BadSettings(f"{place}: no YAML: {getattr(error, 'problem', None) or 'it cannot be read'}") from None
    except OSError as error:
        raise BadSettings(f"cannot read {path}: {error.strerror}") from None
