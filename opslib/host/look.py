"""One look at a machine: a bash text, one round trip, and what was seen as a value. Nothing is judged here.

What needs root (which program listens, firewalls, certificates) is seen by root, and by whom sudo asks for nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.compose.script import docker_script, sections
from opslib.host.containers import SeenContainer, containers_of
from opslib.host.sockets import Socket, sockets_of

if TYPE_CHECKING:
    from opslib.settings.model import Host

# What the scripts on a host call, and the package it comes in.
_PROGRAMS = {
    "util-linux": "flock kill setsid",
    "coreutils": "base64 cat chmod cp date df dirname env head id install ln ls mkdir mktemp mv nohup nproc printf "
    "readlink realpath rm rmdir sha256sum sleep sort stat sync tail tee timeout tr uname uniq wc",
    "tar": "tar",
}
PROGRAMS = {program: package for package, programs in _PROGRAMS.items() for program in programs.split()}

ROOT = "root"  # of `sudo`: it is root
FREE = "free"  # sudo asks for no password
ASKS = "asks"  # it does, or the user may not use it
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system: bytes and inodes, of which `free` and `free_inodes` may be used by this user. Some count no
    inodes: 0."""

    mount: str
    size: int
    free: int
    inodes: int
    free_inodes: int


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is there or is still to be made, in or below `nearest`, which is."""

    path: str
    there: bool
    writable: bool
    nearest: str
    disk: Disk | None


@dataclass(frozen=True, slots=True)
class Machine:
    """What was seen. Memory and swap in bytes, times as seconds since 1970; None is unknown. `docker_text` is for
    `opslib.compose.engine.engine_from`. `units` has the state of those units of systemd that were asked for and are
    there, None where there is no systemd; `log` is "begun" where a run's log is there, "stays" where that is meant so;
    `security_names` are the first of the packages with a fix for a vulnerability that is
    not installed."""

    now: float
    bash: str
    user: str
    groups: tuple[str, ...]
    sudo: str
    missing: tuple[str, ...]
    os: Mapping[str, str]
    kernel: str
    arch: str
    cpus: int
    load: float
    up: int
    container: bool
    memory: int
    available: int
    swap: int
    root: Folder
    store: Folder
    disks: tuple[Disk, ...]
    cron_lines: int
    daemons: frozenset[str]
    units: Mapping[str, str] | None
    failed: tuple[str, ...]
    apt: bool
    apt_read: int | None
    apt_broken: bool
    unattended: bool
    updates: int | None
    security: int
    security_names: tuple[str, ...]
    reboot: str
    log: str
    holder: str
    held: Mapping[str, str]
    frozen: str | None
    sockets: tuple[Socket, ...]
    firewall: tuple[str, ...]
    certificates: Mapping[str, str]
    certificates_hidden: bool
    certbot_cron: bool
    docker_text: str
    containers: tuple[SeenContainer, ...]
    real_folders: Mapping[str, str]
    tools: bool

    @property
    def sees_all(self) -> bool:
        """Whether root looked."""
        return self.sudo in (ROOT, FREE)


@cache
def _text() -> str:
    lines = resources.files("opslib.host").joinpath("look.bash").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def look_command(host: Host, tools: str) -> Command:
    """The one round trip. `tools`: the tag of the tools image."""
    return docker_script(host, _text(), host.path, host.backup.directory, tools, *PROGRAMS)


def machine_from(text: str) -> Machine:
    """What `look_command` has printed, as a value."""
    parts = sections(text)
    facts = dict(line.partition(" ")[::2] for line in parts["machine"])
    apt = parts.get("apt", [])
    settings = dict(line.partition("=")[::2] for line in apt if "=" in line)
    cron = [line.partition(" ")[::2] for line in parts["cron"]]
    updates = (parts.get("updates") or [""])[0].split()
    root, store, *disks = _disks(parts)
    folders = [name for name in parts if name.startswith("folder ")]
    certificates = parts.get("certificates", [])
    units = dict(_units(parts["units"])) if "units" in parts else None
    return Machine(
        now=float(parts["now"][0].replace(",", ".")), bash=parts["bash"][0],
        user=parts["user"][0], groups=tuple(parts["groups"][0].split()), sudo=parts["sudo"][0],
        missing=tuple(line.strip() for line in parts["missing"]), os=os_release(parts["os"]),
        kernel=facts.get("kernel", ""), arch=facts.get("arch", ""), cpus=int(facts.get("cpus") or 0),
        load=float(facts.get("load") or 0), up=int(facts.get("up") or 0), container=facts.get("container") == "yes",
        memory=int(facts.get("MemTotal", 0)) * _KIB, available=int(facts.get("MemAvailable", 0)) * _KIB,
        swap=int(facts.get("SwapTotal", 0)) * _KIB,
        root=_folder(folders[0], parts, root), store=_folder(folders[-1], parts, store),
        disks=tuple({disk.mount: disk for disk in (root, store, *disks) if disk}.values()),
        cron_lines=next((int(value) for name, value in cron if name == "lines"), 0),
        daemons=frozenset(value for name, value in cron if name == "runs"),
        units=units, failed=tuple(line.split()[0] for line in parts.get("failed", [])),
        apt="there" in apt, apt_broken="broken" in apt,
        apt_read=max((int(line[5:]) for line in apt if line.startswith("read ")), default=None),
        unattended="unattended" in apt and settings.get("upgrade", "").strip("'\"") not in ("", "0"),
        updates=int(updates[0]) if updates else None, security=int(updates[1]) if updates else 0,
        security_names=tuple(updates[2:]), reboot=(parts["reboot"] or [""])[0],
        log=(parts["state"] or [""])[0], holder=" ".join(line.strip() for line in parts.get("lock", [])[1:2]),
        held=_held(parts["locks"]),
        frozen="\n".join(line[1:] for line in parts["frozen"]) if "frozen" in parts else None,
        sockets=tuple(sockets_of(parts)), firewall=tuple(parts.get("firewall", [])),
        certificates=dict(_certificates(certificates)), certificates_hidden="hidden" in certificates,
        certbot_cron="cron" in certificates, docker_text=text,
        containers=tuple(containers_of(parts.get("containers", []))),
        real_folders={
            name[1:]: real[1:] for name, real in zip(parts.get("folders", []), parts.get("real", []), strict=False)
        },
        tools=bool(parts.get("tools")),
    )  # fmt: skip


def os_release(lines: Iterable[str]) -> dict[str, str]:
    """What os-release(5) says, which is written as for a shell."""
    found = {}
    for line in lines:
        name, equals, value = line.strip().partition("=")
        if equals:
            try:
                found[name] = " ".join(shlex.split(value))
            except ValueError:
                found[name] = value.strip("'\"")
    return found


def _disks(parts: Mapping[str, list[str]]) -> list[Disk | None]:
    """Those of the two folders, of the engine, and of `/`; of a place that df could not look at nothing is known."""
    found: list[Disk | None] = []
    for line in parts.get("disks", [])[1:]:
        words = line.split(None, 4)
        size, free, inodes, free_inodes = (int(word) if word.isdigit() else 0 for word in words[:4])
        found.append(Disk(words[4], size, free, inodes, free_inodes))
    return found if len(found) == 4 else [None, None, *found]


def _folder(name: str, parts: Mapping[str, list[str]], disk: Disk | None) -> Folder:
    first, real, *_ = parts[name]  # twice the same, where backups go into the project itself
    there, writable, nearest = first.split(" ", 2)
    return Folder(real, there == "there", writable == "yes", nearest, disk)


def _units(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Names and states of the units that are there."""
    unit: dict[str, str] = {}
    for line in [*lines, "Id="]:
        key, _, value = line.partition("=")
        if key == "Id" and unit.get("LoadState") == "loaded":
            yield unit["Id"], unit.get("ActiveState", "")
        unit = {key: value} if key == "Id" else {**unit, key: value}


def _held(lines: list[str]) -> dict[str, str]:
    """The files that are locked, and by which program."""
    files = {line.split(" ", 2)[1]: line.split(" ", 2)[2] for line in lines if line.startswith("file ")}
    found = {}
    for line in lines:
        if line.startswith("held "):
            _, inode, process, name = [*line.split(" ", 3), ""][:4]
            if inode in files:
                found[files[inode]] = f"{name or 'a program'} (process {process})"
    return found


def _certificates(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Each one's name and PEM text."""
    name, pem = "", list[str]()
    for line in lines:
        if line.startswith(" "):
            pem.append(line[1:])
        elif line.startswith("name "):
            if name:
                yield name, "\n".join(pem)
            name, pem = line[5:], []
    if name:
        yield name, "\n".join(pem)
