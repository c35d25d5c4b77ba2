"""A host's settings as they stand in the files of a project on that host itself: there it is this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from opslib.errors import BadSettings
from opslib.settings.decode import Decoder
from opslib.settings.dotenv import EnvFile
from opslib.settings.load import KEYS, host_node, lookup_in
from opslib.settings.model import Host
from opslib.settings.yamlfile import Node

# What only this machine does with the host: it needs no way to itself, and nothing of how it was made.
_OURS = ("address", "jump", "path", "compose")
_MAKING = "provision"
# Of the host's own machine, or chosen by where the project lies there. Never a private key.
_NOT = {"OPSLIB_PATH", "OPSLIB_COMPOSE"}


def portable(root: Path, host: Host, path: str, environ: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The text of hosts/NAME.yml there, where the project lies in `path`, and the variables that go with it: those that
    the file refers to, and the settings of `.env`. Raises BadSettings."""
    node = host_node(root, host.name)
    assert isinstance(node.value, dict)
    node = Node({key: child for key, child in node.value.items() if key != _MAKING}, node.place, node.key_place)
    assert isinstance(node.value, dict)
    lookup, used = lookup_in(root, environ), dict[str, str]()

    def noted(name: str) -> str | None:
        value = lookup(name)
        if value is not None:
            used[name] = value
        return value

    Decoder(noted).fields(node, Host, without=["name"])
    for name in sorted({*KEYS, "OPSLIB_TOOLS_BASE"} - _NOT):
        if lookup(name):
            noted(name)
    kept = {key: _plain(child) for key, child in node.value.items() if key not in _OURS}
    tree = {"path": path, **({"compose": list(host.compose)} if host.compose else {}), **kept}
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120), used


def env_text(values: Mapping[str, str]) -> str:
    """The values as an env file. Raises BadSettings for one that no reader of env files would read as it is."""
    lines = []
    for name, value in sorted(values.items()):
        plain = value.replace("_", "").replace("-", "").isalnum() and value.isascii()
        line = f"{name}={value}" if plain or not value else f"{name}='{value}'"
        try:
            read = EnvFile(f"{line}\n", ".env").get(name)
        except BadSettings:
            read = None
        if read != value:
            raise BadSettings(f"the value of {name} cannot stand in an env file", next="choose one without a quote")
        lines.append(f"{line}\n")
    return "".join(lines)


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(child) for child in node.value]
    return node.value
