"""restic, borgmatic and wrk in folders of the bench's own: nothing of them is installed on the machine."""

from __future__ import annotations

import json
import os
import shutil
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .measure import BenchError, call, say
from .place import Place

# What Debian's borgbackup needs beside the libraries that apt itself has.
BORG = ("borgbackup", "python3-msgpack", "python3-packaging", "python3-pkg-resources")
WRK = ("wrk", "libluajit-5.1-2", "libluajit-5.1-common")
PASSWORD = "bench"
WRAPPER = '#!/bin/sh\nPYTHONPATH={0}/usr/lib/python3/dist-packages exec /usr/bin/python3 {0}/usr/bin/borg "$@"\n'


@dataclass(frozen=True, slots=True)
class Tool:
    """A backup tool whose repository is `where`. `make` makes it, `argv` is its beginning of every command."""

    name: str
    where: Path
    argv: tuple[str, ...]
    make: tuple[str, ...]
    env: Mapping[str, str]

    def empty(self) -> None:
        """A new repository, and nothing known of an old one."""
        shutil.rmtree(self.where.parent, ignore_errors=True)
        self.where.parent.mkdir()
        call([*self.argv, *self.make], env=self.env)

    def backup(self, *words: str) -> float:
        """The seconds of one backup."""
        return call([*self.argv, *words], env=self.env).seconds


def restic(place: Place) -> Tool:
    """restic, which compresses and encrypts by itself."""
    program = _programs(place) / "usr/bin/restic"
    base = place.path / "restic"
    env = {"RESTIC_REPOSITORY": f"{base}/repository", "RESTIC_PASSWORD": PASSWORD, "RESTIC_CACHE_DIR": f"{base}/cache"}
    version = call([program, "version"]).out.split()[1]
    return Tool(f"restic {version}", base / "repository", (str(program), "-q"), ("init",), {**os.environ, **env})


def borgmatic(place: Place, what: Mapping[str, object]) -> Tool:
    """borgmatic with what it backs up (keys of its configuration), encrypted as its documentation does it, and
    compressed like opslib's sets."""
    programs = _programs(place)
    program, base, file = programs / "borgmatic/bin/borgmatic", place.path / "borg", place.path / "borgmatic.json"
    settings = {
        "repositories": [{"path": f"{base}/repository"}],
        "local_path": str(programs / "borg"),
        "encryption_passphrase": PASSWORD,
        "compression": "zstd,3",
        "borg_base_directory": f"{base}/base",
        "user_runtime_directory": f"{base}/run",
        "user_state_directory": f"{base}/state",
        **what,
    }
    file.write_text(json.dumps(settings))
    borg = call([programs / "borg", "--version"]).out.split()[1]
    name = f"borgmatic {call([program, '--version']).out.strip()} with borg {borg}"
    make = ("repo-create", "--encryption", "repokey-blake2")
    return Tool(name, base / "repository", (str(program), "-c", str(file), "-v", "-1"), make, os.environ)


def wrk(place: Place) -> tuple[Path, dict[str, str]]:
    """wrk, and the environment that it needs."""
    folder = place.path / "wrk"
    if not (folder / "ready").exists():
        say("wrk from Debian")
        _unpacked(folder, WRK)
        (folder / "ready").touch()
    (libraries,) = (folder / "usr/lib").glob("*/libluajit-5.1.so.2")
    return folder / "usr/bin/wrk", {**os.environ, "LD_LIBRARY_PATH": str(libraries.parent)}


def _programs(place: Place) -> Path:
    """The folder of the programs: Debian's packages unpacked, and an environment with borgmatic."""
    folder = place.path / "others"
    if not (folder / "ready").exists():
        say("restic and borgbackup from Debian, borgmatic from PyPI")
        # restic stands alone, so that of a newer Debian will do; borgbackup goes with this machine's Python
        _unpacked(folder, (f"restic={_newest('restic')}", *BORG))
        (folder / "borg").write_text(WRAPPER.format(folder))
        (folder / "borg").chmod(0o755)
        venv.create(folder / "borgmatic", with_pip=True)
        call([folder / "borgmatic/bin/pip", "install", "-q", "borgmatic"])
        (folder / "ready").touch()
    return folder


def _newest(package: str) -> str:
    lines = call(["apt-cache", "madison", package]).out.splitlines()
    if not lines:
        raise BenchError(f"apt knows no {package}: apt-get update")
    return lines[0].split("|")[1].strip()


def _unpacked(folder: Path, packages: Sequence[str]) -> None:
    """A new folder with what is in these packages of Debian."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "debs").mkdir(parents=True)
    call(["apt-get", "download", "-qq", *packages], cwd=folder / "debs")
    for package in sorted((folder / "debs").iterdir()):
        call(["dpkg", "-x", package, folder])
