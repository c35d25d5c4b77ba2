"""Which hosts `--host` means."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from opslib.errors import BadSettings
from opslib.settings import yamlfile
from opslib.settings.decode import Decoder, nearest
from opslib.settings.load import HOST_NAME, LOCAL, Settings, checked, host_file, known_hosts_names, load_host
from opslib.settings.model import Host
from opslib.settings.yamlfile import Node

ALL = "all"
"""The group of every host with a file; no file may name it (`units.group`)."""


def select_hosts(root: Path, spec: str | None, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The names that `--host` means (`prod`, `a,b`, `@web`, `@all`), without doubles; None: OPSLIB_HOST, else `local`.

    Raises BadSettings for a host or group that is not there.
    """
    settings = Settings(root, environ)
    if spec is None:
        spec = settings.text("OPSLIB_HOST") or LOCAL
    chosen: list[str] = []
    for word in (part.strip() for part in spec.split(",")):
        if not word:
            raise BadSettings(f"--host {spec!r}: expected a name, names joined by commas, or @group")
        if word == f"@{ALL}":
            chosen += _every(root)
        else:
            chosen += _members(root, word[1:], settings) if word.startswith("@") else [checked(root, word)]
    return list(dict.fromkeys(chosen))


def _every(root: Path) -> list[str]:
    """Every host that has a file, `local` only where it has one. A file that is no host's, by its name, is an error: a
    backup of all hosts must not pass one over in silence."""
    hosts = root / "hosts"
    files = sorted(
        path for path in hosts.glob("*.y*ml") if path.name[0] not in "._" and path.suffix in (".yml", ".yaml")
    )
    for path in files:
        if path.suffix == ".yaml" or not HOST_NAME.fullmatch(path.stem):
            raise BadSettings(
                f"hosts/{path.name}: no host can be called so, and @{ALL} means each file of hosts/",
                next="name it NAME.yml, of letters, digits, `.`, - and _; what begins with _ is no host",
            )
    found = [path.stem for path in files if path.stem != "example"]
    if not found:
        raise BadSettings(
            f"hosts/ holds no host, so there is none for @{ALL}", next="cp hosts/example.yml hosts/NAME.yml"
        )
    return found


def _members(root: Path, group: str, settings: Settings) -> list[str]:
    """The hosts of a group. Only `groups` is read of each file: other hosts' unset passwords are no concern here. A
    file in which even that cannot be read may be one of the group's, so it is: what is wrong with it is said then."""
    groups: dict[str, list[str]] = {}
    unknown: list[tuple[str, BadSettings]] = []
    names = known_hosts_names(root)
    for name in names:
        try:
            for one in _groups(root, name, settings):
                groups.setdefault(one, []).append(name)
        except BadSettings as error:
            unknown.append((name, error))
    if group not in groups:
        if unknown:
            raise unknown[0][1]
        what = nearest(group, groups) if groups else "; no host file names a group"
        raise BadSettings(f"unknown group {group!r}{what}", next="add `groups: [NAME]` to the files of its hosts")
    return sorted([*groups[group], *(name for name, _ in unknown)])


def _groups(root: Path, name: str, settings: Settings) -> tuple[str, ...]:
    node = yamlfile.merge(host_file(root, "_defaults"), host_file(root, name))
    assert isinstance(node.value, dict)
    only = Node({key: child for key, child in node.value.items() if key == "groups"}, node.place, node.place)
    found: tuple[str, ...] = Decoder(settings.lookup).fields(only, Host).get("groups", ())
    return found


def sharing(root: Path, hosts: Sequence[Host]) -> list[str]:
    """The hosts beside these, with a file of their own, that read the same env file as one of them. One whose file
    cannot be read is no concern here."""
    mine, files = {host.name for host in hosts}, {_env_file(host) for host in hosts}
    found = []
    for name in known_hosts_names(root):
        if name in mine or not (root / "hosts" / f"{name}.yml").is_file():
            continue
        try:
            other = load_host(root, name)
        except BadSettings:
            continue
        if _env_file(other) in files:
            found.append(name)
    return found


def _env_file(host: Host) -> str:
    return host.env_file or ".env"
