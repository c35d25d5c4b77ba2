"""Data that nobody keeps: beside a mount, in a volume without a name, in memory, in a file of two writers."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from opslib.compose.project import Mount, Service
from opslib.lint import known
from opslib.lint.model import Model, Place
from opslib.lint.rule import Found, Rule
from opslib.lint.rules._stack import Where, data, kind, services, staying, where

_NO_DATA = re.compile(
    r"/(etc|usr|opt/scripts|backups?|dumps?|docker-entrypoint\S*|init\S*|scripts?|certs?|ssl|logs?|tmp|run)\b"
)
_ROOTS = ("", "/", "/var", "/var/lib", "/opt", "/srv", "/usr", "/home")
_IDLE = re.compile(r"/(node_modules|vendor|\.venv|venv|cache|\.cache|tmp|run|logs?)(/|$)")
_SQLITE = re.compile(r"\.(sqlite3?|db3?|sqlitedb)$", re.IGNORECASE)
_FILE = re.compile(r"\.(conf|cfg|cnf|ini|toml|ya?ml|json|xml|properties|env|pem|crt|cer|key|htpasswd)$")


def _unkept(model: Model, name: str, service: Service) -> Iterator[tuple[str, Where]]:
    """The folders in which a known image would keep data, and nothing does."""
    if not kind(model, service) and (service.build is not None or known.database(service.image)):
        return
    for group in data(model, name):
        found = [(folder, where(model, name, folder)) for folder in group]
        if not any(one.how == "kept" for _, one in found):
            yield next((pair for pair in found if pair[1].index is not None), found[0])


def _beside(service: Service, folder: str) -> tuple[int, Mount] | None:
    """The mount by which somebody meant to keep what is in `folder`."""
    for index, mount in enumerate(service.mounts):
        if mount.read_only or mount.type not in ("volume", "bind") or not mount.source or _is_file(mount):
            continue
        target = mount.target.rstrip("/")
        above = folder.startswith(f"{target}/") and target != ""
        parent = posixpath.dirname(target)
        near = parent not in _ROOTS and folder.startswith(f"{parent}/") and target != folder
        named = mount.type == "volume" and not _NO_DATA.match(target)
        if above or (near and not _NO_DATA.match(target)) or named:
            return index, mount
    return None


def _is_file(mount: Mount) -> bool:
    return mount.type == "bind" and bool(_FILE.search(mount.target) or _SQLITE.search(mount.target))


def _mounts(model: Model, name: str, index: int | None) -> Place:
    path: tuple[str | int, ...] = ("services", name)
    return model.place(*path) if index is None else model.place(*path, "volumes", index)


def _lost(where: Where) -> str:
    if where.how == "layer":
        return "in the container itself, and each deploy begins with none"
    return "in a volume without a name, and `docker compose down` and `up` begin with a new, empty one"


def _mount_beside_data(model: Model) -> Iterator[Found]:
    for name, service, _ in services(model):
        told = False
        for folder, found in _unkept(model, name, service):
            beside = _beside(service, folder) if found.how in ("anonymous", "layer") and found.index is None else None
            if beside is not None:
                told = True
                yield _misplaced(model, name, folder, found, *beside)
        facts = model.facts.images.get(service.image)
        for volume in () if facts is None or told else facts.volumes:
            found = where(model, name, volume)
            if not found.volume or volume in known.IDLE or _IDLE.search(volume):
                continue
            for index, mount in enumerate(service.mounts):
                above = volume.startswith(f"{mount.target.rstrip('/')}/") and mount.target != "/"
                if above and mount.type in ("volume", "bind") and not mount.read_only:
                    yield _misplaced(model, name, volume, found, index, mount)
                    break


def _misplaced(model: Model, name: str, folder: str, found: Where, index: int, mount: Mount) -> Found:
    root = model.project.root.rstrip("/")
    source = f".{mount.source[len(root) :]}" if mount.source.startswith(f"{root}/") else mount.source
    return Found(
        f"{name} keeps its data in {folder}, and {mount.target} is mounted: the data are {_lost(found)}",
        f"copy the data out first (inv backup, or docker compose cp {name}:{folder} .), then mount\n"
        f"volumes:\n  - {source}:{found.volume or folder}",
        _mounts(model, name, index), name,
    )  # fmt: skip


def _anonymous_volume(model: Model) -> Iterator[Found]:
    stay = staying(model)
    for name, service, _ in services(model):
        database = kind(model, service)
        for folder, found in _unkept(model, name, service) if database and name in stay else ():
            lost = found.how == "layer" or found.how == "anonymous"
            meant = found.index is not None or database != "redis"  # a cache may keep nothing
            if lost and meant and (found.index is not None or _beside(service, folder) is None):
                yield Found(
                    f"the data of {name} ({folder}) are {_lost(found)}",
                    f"volumes:\n  - {name}_data:{found.volume or folder}\n"
                    f"and at the top level:\nvolumes:\n  {name}_data:",
                    _mounts(model, name, found.index), name,
                )  # fmt: skip


def _database_on_tmpfs(model: Model) -> Iterator[Found]:
    stay = staying(model)
    for name, service, _ in services(model):
        database = kind(model, service)
        keeps = database not in ("", "redis") and name in stay
        for folder, found in _unkept(model, name, service) if keeps else ():
            if found.how == "tmpfs":
                of_list = found.index is not None
                place = _mounts(model, name, found.index) if of_list else model.place("services", name, "tmpfs")
                yield Found(
                    f"the data of {name} ({folder}) are in memory: gone with every stop",
                    f"volumes:\n  - {name}_data:{folder}", place, name,
                )  # fmt: skip


def _sqlite_file(model: Model) -> Iterator[Found]:
    for name, service, _ in services(model):
        for index, mount in enumerate(service.mounts):
            if mount.type == "bind" and not mount.read_only and _SQLITE.search(mount.target):
                folder = posixpath.dirname(mount.target)
                yield Found(
                    f"{name} mounts the file {mount.target} alone: what SQLite writes beside it (-wal, -journal) "
                    "stays in the container and is lost with it, and with it the last changes",
                    f"mount its folder\nvolumes:\n  - ./data:{folder}",
                    _mounts(model, name, index), name,
                )  # fmt: skip


def _file_mount(model: Model) -> Iterator[Found]:
    for name, service, entry in services(model):
        for index, mount in enumerate(service.mounts[: len(entry.get("volumes") or [])]):
            if "initdb" in mount.target:
                continue
            if mount.type == "bind" and _FILE.search(mount.target) and _FILE.search(mount.source):
                yield Found(
                    f"{name} mounts the file {mount.target} alone: editors, git and certbot put a new file in its "
                    "place, and the container goes on with the old one, also after a reload (inv deploy sees it and "
                    f"recreates {name}; nobody else does)",
                    "mount the folder that the file is in, or after a change: "
                    f"docker compose up -d --force-recreate --no-deps {name}",
                    _mounts(model, name, index), name,
                )  # fmt: skip


def _volume_of_two(model: Model) -> Iterator[Found]:
    """Two servers on one folder of data."""
    owners: dict[str, str] = {}
    stay = staying(model)
    for name, service, _ in services(model):
        if not (database := kind(model, service)) or name not in stay:
            continue
        for folder in sorted({folder for group in data(model, name) for folder in group}):
            found = where(model, name, folder)
            if found.how != "kept" or found.index is None:
                continue
            mount = service.mounts[found.index]
            source = f"{model.project.volume_name(mount) or mount.source} {folder[len(mount.target.rstrip('/')) :]}"
            if service.replicas > 1 and not model.project.swarm:
                yield Found(
                    f"{service.replicas} containers of {name} write to the same {mount.source}: {database} is not "
                    "made for that, and destroys it",
                    "deploy:\n  replicas: 1", _mounts(model, name, found.index), name,
                )  # fmt: skip
            if owners.setdefault(source, name) != name:
                yield Found(
                    f"{name} and {owners[source]} write to the same {mount.source}: two servers on one folder of data "
                    "destroy it",
                    f"volumes:\n  - {name}_data:{mount.target}", _mounts(model, name, found.index), name,
                )  # fmt: skip


def _writable_elsewhere(model: Model) -> Iterator[Found]:
    of: dict[str, str] = {}
    stay = staying(model)
    for name, service, _ in services(model):
        for group in data(model, name) if kind(model, service) else ():
            for folder in group:
                found = where(model, name, folder)
                if found.how == "kept" and found.index is not None:
                    mount = service.mounts[found.index]
                    of[model.project.volume_name(mount) or mount.source] = name
    for name, service, _ in services(model):
        for index, mount in enumerate(service.mounts):
            owner = of.get(model.project.volume_name(mount) or mount.source)
            if owner and owner != name and not mount.read_only and not kind(model, service) and name in stay:
                yield Found(
                    f"{name} may write to {mount.source}, where {owner} keeps its data",
                    f"volumes:\n  - {mount.source}:{mount.target}:ro", _mounts(model, name, index), name,
                )  # fmt: skip


def _unnamed_volume(model: Model) -> Iterator[Found]:
    for name, service, _ in services(model):
        facts = model.facts.images.get(service.image)
        if facts is None or (kind(model, service) and known.keeps(service.image)):
            continue
        for volume in facts.volumes:
            idle = volume in known.IDLE or _IDLE.search(volume)
            if where(model, name, volume).volume and not idle:
                yield Found(
                    f"the image of {name} keeps {volume} in a volume without a name: `docker compose down` and `up` "
                    "begin with a new, empty one",
                    f"volumes:\n  - {name}_data:{volume}\nor, where it is worth nothing:\ntmpfs: [{volume}]",
                    _mounts(model, name, None), name,
                )  # fmt: skip


RULES = (
    Rule("mount-beside-data", "loses data", "a volume is mounted beside the folder that the image keeps its data in",
         _mount_beside_data),
    Rule("anonymous-volume", "loses data", "a database keeps its data in a volume without a name, or in its container",
         _anonymous_volume),
    Rule("database-on-tmpfs", "loses data", "a database keeps its data in memory", _database_on_tmpfs),
    Rule("sqlite-file-mount", "loses data", "an SQLite file is mounted alone", _sqlite_file),
    Rule("volume-of-two", "loses data", "two database servers write to one volume", _volume_of_two),
    Rule("file-mount", "hardening", "a file is mounted that an editor replaces", _file_mount),
    Rule("data-volume-writable", "hardening", "another service may write to a database's volume", _writable_elsewhere),
    Rule("unnamed-volume", "hardening", "the image brings a volume that has no name", _unnamed_volume),
)  # fmt: skip
