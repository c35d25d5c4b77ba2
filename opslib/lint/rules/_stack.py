"""What several rules ask of the model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from opslib.compose.project import COMPLETED, Mount, Service
from opslib.lint import known
from opslib.lint.known import Keeps
from opslib.lint.model import Model

_JOB = re.compile(
    r"(^|[-_])(init|setup|bootstrap|migrat\w*|seed\w*|tests?|job|task|once|create\w*|chown|perm\w*)([-_]|$)"
)


def services(model: Model) -> Iterator[tuple[str, Service, Mapping[str, Any]]]:
    """The services that are to run: name, as `Project` has it, and its entry in the resolved file."""
    entries = model.config.get("services") or {}
    for name, service in model.project.services.items():
        if service.replicas > 0:
            yield name, service, entries.get(name) or {}


def staying(model: Model) -> frozenset[str]:
    """The services that are meant to run on and on: no one-shots, no jobs by their names."""
    ends = model.project.one_shots()
    return frozenset(
        name for name, service in model.project.services.items()
        if name not in ends and (service.ports or not _JOB.search(name))
    )  # fmt: skip


_CLIENT = re.compile(
    r"\b(pg_dump|pg_dumpall|pg_restore|psql|mysqldump|mysql|mariadb|mariadb-dump|mongodump|mongorestore|mongosh?|redis-cli"
    r"|sleep|tail|cron|crond|curl|wait-for\S*)\b"
)
_SERVER = re.compile(
    r"\b(mysqld|mariadbd|mongod|mongos|redis-server|valkey-server|docker-entrypoint\.sh)\b|^postgres\b"
)


def kind(model: Model, service: Service) -> str:
    """The kind of database that a service is, "" for any other. One that is built here is one where its image keeps
    data as such a database does: its name alone says little. One that is started with a client, for backups say, is
    none."""
    found = known.database(service.image)
    told = command((model.config.get("services") or {}).get(service.name) or {}) if found else ""
    if not found or (_CLIENT.search(told) and not _SERVER.search(told)):
        return ""
    if any(one.depends_on.get(service.name) == COMPLETED for one in model.project.services.values()):
        return ""
    if service.build is not None:
        facts, keeps = model.facts.images.get(service.image), known.keeps(service.image)
        own = {folder for group in keeps.data for folder in group} if keeps else set()
        return found if facts is not None and own & set(facts.volumes) else ""
    return found


def command(entry: Mapping[str, Any]) -> str:
    """What a service is started with, as one text: its entrypoint and its command."""
    words: list[str] = []
    for key in ("entrypoint", "command"):
        value = entry.get(key) or []
        words += [value] if isinstance(value, str) else [str(one) for one in value]
    return " ".join(words)


def written(model: Model, *path: str | int) -> str | None:
    """The text of a value as a person wrote it, with its variables; None where it is in no compose file."""
    spot = model.written.find(path, model.config)
    if not spot.exact or spot.node is None or not spot.node.is_scalar:
        return None
    text, key = spot.node.text, str(path[-1])
    if "environment" not in path[-2:-1]:
        return text
    if spot.node.value is None or text == key:  # a variable that is passed on as it is
        return None
    return text[len(key) + 1 :] if text.startswith(f"{key}=") else text


@dataclass(frozen=True, slots=True)
class Where:
    """What is mounted over a folder of a container: `kept` by a volume with a name or a folder of the machine,
    `anonymous` in a volume without a name, in memory (`tmpfs`), or in the container's own `layer`. `index` is the place
    of the mount in the service's list, None where there is none of its own: then the image's `VOLUME` is at `volume`,
    "" where it has none there."""

    how: Literal["kept", "anonymous", "tmpfs", "layer"]
    index: int | None = None
    volume: str = ""


def where(model: Model, name: str, folder: str) -> Where:
    """Where a service's `folder` really is: the deepest mount above it counts, also those that the image brings."""
    found, depth = Where("layer"), -1
    for volume in _volumes(model, model.project.services[name]):
        if _above(volume, folder) and len(volume) > depth:
            found, depth = Where("anonymous", volume=volume), len(volume)
    for one in (model.config["services"].get(name) or {}).get("tmpfs") or []:
        target = _plain(str(one).split(":")[0])
        if _above(target, folder) and len(target) >= depth:
            found, depth = Where("tmpfs"), len(target)
    for index, mount in enumerate(model.project.services[name].mounts):
        target = _plain(mount.target)
        if _above(target, folder) and len(target) >= depth:
            found, depth = Where(_how(model, mount), index), len(target)
    return found


def _how(model: Model, mount: Mount) -> Literal["kept", "anonymous", "tmpfs"]:
    if mount.type == "tmpfs":
        return "tmpfs"
    if mount.type != "volume":
        return "kept"
    options = ((model.config.get("volumes") or {}).get(mount.source) or {}).get("driver_opts") or {}
    if options.get("type") == "tmpfs":
        return "tmpfs"
    return "kept" if mount.source else "anonymous"


def _volumes(model: Model, service: Service) -> tuple[str, ...]:
    facts = model.facts.images.get(service.image)
    if facts is not None:
        return tuple(_plain(one) for one in facts.volumes)
    keeps = known.keeps(service.image) if service.build is None else None
    return keeps.volumes if keeps else ()


def _above(target: str, folder: str) -> bool:
    return f"{_plain(folder)}/".startswith(f"{target.rstrip('/')}/")


def _plain(path: str) -> str:
    return path.rstrip("/") or "/"


def data(model: Model, name: str) -> tuple[tuple[str, ...], ...]:
    """The folders in which a known image keeps its data, as `Keeps.data`: moved by a variable or an option where the
    service says so."""
    service, entry = model.project.services[name], (model.config["services"].get(name) or {})
    keeps = known.keeps(service.image)
    if keeps is None:
        return ()
    facts = model.facts.images.get(service.image)
    variables: dict[str, str] = {**(facts.env if facts else {}), **service.environment}
    moved = _moved(keeps, variables, command(entry))
    return tuple((one,) for one in moved) or keeps.data


def _moved(keeps: Keeps, variables: Mapping[str, str], told: str) -> list[str]:
    for how in keeps.by:
        option = re.search(rf"(?:^|\s){re.escape(how)}[= ]+[\"']?(/[^\s\"',]+)", told)
        value = variables.get(how) or (option[1] if option else "")
        if value.startswith("/"):
            return [one.rstrip("/") for one in value.split(",") if one.startswith("/")]
    return []


def listens(model: Model, name: str) -> frozenset[int]:
    """The ports that a service is known to listen on inside its container."""
    service, entry = model.project.services[name], model.config["services"].get(name) or {}
    ports = {port.target for port in service.ports}
    ports |= {int(digits) for one in entry.get("expose") or [] if (digits := str(one).split("/")[0]).isdigit()}
    if own := known.PORTS.get(kind(model, service)):
        ports.add(own)
    return frozenset(ports)


def written_in(model: Model, name: str, key: str) -> str:
    """The compose file that sets a key in the service itself, not by an anchor or in a service that it extends; "" for
    none. Only there it can be changed without changing others."""
    file = model.place("services", name, key).file
    for document in model.written.documents.get(file, ()):
        found: Any = document
        for step in ("services", name, key):
            found = found.value.get(step) if found is not None and isinstance(found.value, dict) else None
        if found is not None:
            return file
    return ""
