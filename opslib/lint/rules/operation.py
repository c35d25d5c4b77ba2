"""What a stack needs to run for years: logs that end, restarts, limits, versions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from opslib.compose.project import Service
from opslib.images.info import split_name
from opslib.lint.model import Model
from opslib.lint.rule import REMOVE, Edit, Found, Rule
from opslib.lint.rules._stack import kind, services, staying

_ROTATION = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
_GROWS = ("json-file", "")
_LATEST = ("latest", "stable", "edge", "nightly", "main", "master")
_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


def _edit(model: Model, name: str, key: str, value: Any) -> Edit | None:
    """Set a key of a service, in the last file that says something of it."""
    file = model.place("services", name).file
    return Edit(file, ("services", name, key), value) if file else None


def _no_rotation(model: Model) -> Iterator[Found]:
    for name, _, entry in services(model):
        logging = entry.get("logging") or {}
        options = logging.get("options") or {}
        if str(logging.get("driver") or "") in _GROWS and not options.get("max-size"):
            yield Found(
                f"the log of {name} is kept whole and for ever: one day it fills the disk, and everything on it stops",
                'logging:\n  driver: json-file\n  options: {max-size: 10m, max-file: "3"}',
                model.place("services", name, *(("logging",) if logging else ())), name,
                None if logging else _edit(model, name, "logging", _ROTATION),
            )  # fmt: skip


def _no_restart(model: Model) -> Iterator[Found]:
    stay = staying(model)
    for name, service, entry in services(model):
        said = entry.get("restart") or (entry.get("deploy") or {}).get("restart_policy")
        if not said and service.restart == "no" and name in stay:
            yield Found(
                f"{name} has no restart policy: when it crashes, or the machine is started anew, it stays down",
                "restart: unless-stopped", model.place("services", name), name,
                _edit(model, name, "restart", "unless-stopped"),
            )  # fmt: skip


def _no_limit(model: Model) -> Iterator[Found]:
    stay = staying(model)
    for name, _, entry in services(model):
        limits = ((entry.get("deploy") or {}).get("resources") or {}).get("limits") or {}
        if entry.get("mem_limit") or limits.get("memory") or name not in stay:
            continue
        used = model.facts.memory.get(name, 0)
        now = f" (it uses {used / 1e6:.0f} MB now)" if used else ""
        yield Found(
            f"nothing limits the memory of {name}{now}: when it leaks, the kernel ends whatever it likes on this "
            "machine",
            f"mem_limit: {_room(used)}", model.place("services", name), name,
        )  # fmt: skip


def _room(used: int) -> str:
    """Twice what is used, as a round number."""
    size = 128
    while size * 1_000_000 < 2 * used:
        size *= 2
    return f"{size}m" if used else "512m  # what it needs, and as much again"


def _floating(model: Model) -> Iterator[tuple[str, Service, str]]:
    """The services whose image's tag says no version, with that; not those of images that are built here."""
    here = {one.image for one in model.project.services.values() if one.build is not None}
    for name, service, _ in services(model):
        tag = split_name(service.image)[1]
        if "@" not in service.image and tag in _LATEST and service.image not in here:
            yield name, service, tag


def _database_latest(model: Model) -> Iterator[Found]:
    for name, service, tag in _floating(model):
        if kind(model, service):
            yield Found(
                f"{name} runs {service.image}: the next pull may bring a major version ({tag}) that does not read "
                "the data of the old one, and there is no way back",
                f"image: {split_name(service.image)[0]}:VERSION, the one that runs now",
                model.place("services", name, "image"), name,
            )  # fmt: skip


def _latest(model: Model) -> Iterator[Found]:
    for name, service, tag in _floating(model):
        if not kind(model, service):
            yield Found(
                f"{name} runs {service.image}: which version `{tag}` is differs from machine to machine and day to day",
                f"image: {split_name(service.image)[0]}:VERSION", model.place("services", name, "image"), name,
            )  # fmt: skip


def _version_key(model: Model) -> Iterator[Found]:
    if model.is_written("version"):
        place = model.place("version")
        yield Found(
            "`version:` does nothing since Compose v2, which warns of it at each call", "take the line away", place,
            edit=Edit(place.file, ("version",), REMOVE),
        )  # fmt: skip


def _architecture(model: Model) -> Iterator[Found]:
    host = _ARCH.get(model.facts.host_arch, model.facts.host_arch)
    for name, service, _ in services(model):
        facts = model.facts.images.get(service.image)
        if host and facts is not None and facts.arch and facts.arch != host and not service.platform:
            yield Found(
                f"the image of {name} is for {facts.arch}, and the machine is {host}: it ends with `exec format "
                "error`, or is emulated, many times slower",
                f"docker compose pull {name} there, or build it for linux/{host}",
                model.place("services", name, "image"), name,
            )  # fmt: skip


def _aliases(model: Model) -> Iterator[Found]:
    """By network, who answers to which name."""
    known: dict[tuple[str, str], str] = {}
    for name, _, entry in services(model):
        known.update({(network, name): name for network in _networks(entry)})
    for name, service, entry in services(model):
        for network, how in _networks(entry).items():
            aliases = [str(one) for one in (how or {}).get("aliases") or []]
            aliases += [service.container_name] if service.container_name else []
            for alias in dict.fromkeys(aliases):
                other = known.setdefault((network, alias), name)
                if other != name and model.project.services[other].image != service.image:
                    path = ("networks", network, "aliases") if alias != service.container_name else ("container_name",)
                    yield Found(
                        f"{name} and {other} both answer to the name {alias} in network {network}: whoever asks for "
                        "it gets one or the other, by chance",
                        f"a name that only {name} has", model.place("services", name, *path), name,
                    )  # fmt: skip


def _networks(entry: Mapping[str, Any]) -> dict[str, Any]:
    if re.match(r"host|none|service:|container:", str(entry.get("network_mode") or "")):
        return {}
    found = entry.get("networks") or {"default": None}
    return dict(found) if isinstance(found, Mapping) else dict.fromkeys(found)


RULES = (
    Rule("no-log-rotation", "breaks", "a log grows until the disk is full", _no_rotation),
    Rule("no-restart-policy", "breaks", "a service that ends stays down", _no_restart),
    Rule("no-memory-limit", "hardening", "nothing limits a service's memory", _no_limit),
    Rule("database-latest", "breaks", "a database's version is whatever is newest", _database_latest),
    Rule("latest-tag", "hardening", "an image's version is whatever is newest", _latest),
    Rule("version-key", "hardening", "the key `version:` does nothing", _version_key),
    Rule("wrong-architecture", "breaks", "an image is for another kind of processor", _architecture),
    Rule("alias-collision", "breaks", "two services answer to one name", _aliases),
)
