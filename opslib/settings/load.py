"""From a project's folder and a host's name to a `Host`.

flag > OPSLIB_* of the environment > OPSLIB_* of `.env` > hosts/NAME.yml > hosts/_defaults.yml > what is built in.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from opslib.errors import BadSettings
from opslib.settings import yamlfile
from opslib.settings.decode import Decoder, nearest
from opslib.settings.dotenv import EnvFile
from opslib.settings.model import Host, Signals
from opslib.settings.yamlfile import Node

LOCAL = "local"
KEYS = {
    "OPSLIB_PATH": "path",
    "OPSLIB_PROJECT": "project",
    "OPSLIB_ENV_FILE": "env_file",
    "OPSLIB_COMPOSE": "compose",
    "OPSLIB_BACKUP_DIRECTORY": "backup.directory",
    "OPSLIB_KEEP_LAST": "backup.keep.last",
    "OPSLIB_TOOLS_IMAGE": "tools_image",
    "OPSLIB_DOCKER": "docker",
    "OPSLIB_WAIT": "wait",
}
"""The OPSLIB_* settings that stand for a key of the host file. OPSLIB_HOST chooses the host itself."""

FLAGS = {"wait": "wait", "weight": "deploy.weight", "hold": "deploy.hold"}
"""The options of tasks that stand for a key of the host file."""

PROCESS = ("OPSLIB_SSH_CONFIG", "OPSLIB_TOOLS_BASE", "OPSLIB_AGE_IDENTITY", "OPSLIB_AGE_IDENTITY_FILE")
"""The OPSLIB_* settings that are no host's own: they hold for the whole process (`adopt`)."""

_FILES = {"OPSLIB_SSH_CONFIG", "OPSLIB_AGE_IDENTITY_FILE"}
_OURS = {*KEYS, *PROCESS, "OPSLIB_HOST"}
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
COMPOSE_OVERRIDES = (
    "compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml",
)  # fmt: skip
HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def known_hosts_names(root: Path) -> list[str]:
    """The hosts that can be named: `local` and every hosts/NAME.yml but the example."""
    found = {path.stem for path in (root / "hosts").glob("*.yml") if HOST_NAME.fullmatch(path.stem)}
    return sorted(found - {"example"} | {LOCAL})


def load_host(
    root: Path, name: str, overrides: Mapping[str, str] = {}, environ: Mapping[str, str] = os.environ
) -> Host:
    """The host's settings, whole and checked.

    `overrides` are flags: a dotted key of the host file (one of the values of `KEYS` or `FLAGS`) and its text. Raises
    BadSettings.
    """
    checked(root, name)
    settings = Settings(root, environ)
    node = yamlfile.merge(host_node(root, name), settings.node(overrides))
    found = Decoder(settings.lookup).fields(node, Host, without=["name"])
    return _with_defaults(root, name, found)


def bare_local(root: Path) -> Host:
    """This machine without anything that its file says."""
    return _with_defaults(root, LOCAL, {})


def host_node(root: Path, name: str) -> Node:
    """What a host's file says on top of hosts/_defaults.yml. Raises BadSettings."""
    return yamlfile.merge(host_file(root, "_defaults"), host_file(root, name))


def lookup_in(root: Path, environ: Mapping[str, str]) -> Callable[[str], str | None]:
    """What gives the values of `${NAME}` and of settings, from the environment and `.env`. Raises BadSettings."""
    return Settings(root, environ).lookup


def load_signals(root: Path, name: str, environ: Mapping[str, str] = os.environ) -> Signals:
    """Whom a host's file wants to be told, as far as that can be known: also where the file is wrong elsewhere, so that
    somebody learns of it."""
    try:
        lookup = Settings(root, environ).lookup
        node = host_node(root, name)
    except BadSettings:
        return Signals()
    for key in ("backup", "signals"):
        node = node.value.get(key, Node({}, "", "")) if isinstance(node.value, dict) else node
    found: dict[str, Any] = {}
    for key, child in node.value.items() if isinstance(node.value, dict) else ():
        with suppress(BadSettings):
            found |= Decoder(lookup).fields(Node({key: child}, "", ""), Signals)
    return Signals(**found)


def _with_defaults(root: Path, name: str, found: dict[str, Any]) -> Host:
    folder = root.name or "project"
    if found.get("address") is None:
        found["path"] = str(root / os.path.expanduser(found.get("path", ".")))
    else:
        found["path"] = found.get("path", f"opslib/{folder}").removeprefix("~/") or "."
    if not found.get("compose"):
        choices = (COMPOSE_FILES, COMPOSE_OVERRIDES) if name == LOCAL else (COMPOSE_FILES,)
        firsts = [next((file for file in choice if (root / file).is_file()), None) for choice in choices]
        found["compose"] = tuple(file for file in firsts if file) if firsts[0] else ()
    if "env_file" not in found and (root / ".env").is_file():
        found["env_file"] = ".env"
    return Host(name=name, **found)


def adopt(root: Path, environ: MutableMapping[str, str] = os.environ) -> None:
    """Give the process the settings in `PROCESS` that only `.env` says. A file named there is relative to `root`.

    Raises BadSettings.
    """
    settings = Settings(root, environ)
    for name in PROCESS:
        value = settings.text(name)
        if value and not environ.get(name):
            environ[name] = str(root / os.path.expanduser(value)) if name in _FILES else value


class Settings:
    """What the process environment and `.env` say: OPSLIB_* settings, and the values of `${NAME}`."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.file = EnvFile.read(root / ".env", ".env")
        for name in self.file.values():
            if name.startswith("OPSLIB_") and name not in _OURS and not name.startswith("OPSLIB_LAB"):
                raise BadSettings(f"{self.file.place(name)}: unknown setting {name!r}{nearest(name, _OURS)}")

    def lookup(self, name: str) -> str | None:
        """The value of `${name}`; None where neither says it."""
        value = self.environ.get(name)
        if value is None:
            return self.file.get(name)
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise BadSettings(f"{name}: its value in the environment is not UTF-8 text")
        return value

    def text(self, name: str) -> str | None:
        """A setting; empty counts as not set."""
        return self.lookup(name) or self.file.get(name) or None

    def node(self, overrides: Mapping[str, str]) -> Node:
        """OPSLIB_* and flags as if they stood in a host file."""
        root = Node({}, "settings", "settings")
        for name, key in KEYS.items():
            if text := self.text(name):
                place = name if self.environ.get(name) else f"{self.file.place(name)}: {name}"
                root = yamlfile.merge(root, _nested(key, text, place))
        flags = {key: flag for flag, key in FLAGS.items()}
        for key, text in overrides.items():
            if key not in (*KEYS.values(), *flags):
                raise ValueError(f"no flag sets {key!r}")
            place = f"--{flags.get(key) or key.replace('.', '-').replace('_', '-')}"
            root = yamlfile.merge(root, _nested(key, text, place))
        return root


def _nested(key: str, text: str, place: str) -> Node:
    def scalar(value: str) -> Node:
        return Node(value, place, place, text=value, literal=True)

    node = scalar(text)
    if key == "compose":
        node = Node([scalar(part) for part in text.split(":")], place, place)
    for part in reversed(key.split(".")):
        node = Node({part: node}, place, place)
    return node


def host_file(root: Path, name: str) -> Node:
    shown = f"hosts/{name}.yml"
    try:
        node = yamlfile.read(root / "hosts" / f"{name}.yml", shown)
    except FileNotFoundError:
        if name not in ("_defaults", LOCAL):  # a dangling link: without its address it would mean this machine
            raise BadSettings(f"{shown}: no such file") from None
        return Node({}, f"{shown}:1", f"{shown}:1")
    assert isinstance(node.value, dict)
    if name in ("_defaults", LOCAL) and "address" in node.value:
        why = "local is this machine" if name == LOCAL else "each host has its own"
        raise BadSettings(f"{node.value['address'].key_place}: address cannot stand here: {why}")
    return node


def checked(root: Path, name: str) -> str:
    """The name, if there is such a host."""
    hosts = root / "hosts"
    if name == LOCAL or (HOST_NAME.fullmatch(name) and os.path.lexists(hosts / f"{name}.yml")):
        return name
    if HOST_NAME.fullmatch(name) and os.path.exists(hosts / f"{name}.yaml"):
        raise BadSettings(f"hosts/{name}.yaml: host files end in .yml", next=f"mv hosts/{name}.yaml hosts/{name}.yml")
    known = known_hosts_names(root)
    close = difflib.get_close_matches(name[:100], known, 3)
    hint = f" did you mean {' or '.join(map(repr, close))}?" if close else ""
    file = f"hosts/{name}.yml" if HOST_NAME.fullmatch(name) else "hosts/NAME.yml"
    raise BadSettings(
        f"unknown host {name[:100]!r}:{hint} hosts/ holds {', '.join(known)}",
        next=f"cp hosts/example.yml {file}, and edit it",
    )
