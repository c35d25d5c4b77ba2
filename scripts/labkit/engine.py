"""The Docker engine: the one that is there, or one installed and started by the lab."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import apt
from .shell import LabError, attempt, environment, run, say, state_dir

SOURCES = Path("/etc/apt/sources.list.d/opslib-lab.sources")
PREFERENCES = Path("/etc/apt/preferences.d/opslib-lab")
SECCOMP = Path(__file__).parent / "images/server/seccomp.json"
"""What containers may not call, as Docker's own profile has it, said the other way round: runc compiles a short list of
what is forbidden faster than the long one of what is allowed, which costs more than all else of a `docker exec`."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine that has Compose v2."""

    docker: str  # the client's path
    version: str
    compose: str
    storage: str
    ours: bool  # started by the lab, so `down --all` stops it

    def facts(self) -> dict[str, object]:
        return {
            "docker": self.docker,
            "version": self.version,
            "compose": self.compose,
            "storage": self.storage,
            "started_by_lab": self.ours,
        }


@functools.cache
def client() -> str:
    """The docker client to call: the first that knows Compose v2, since a client may lack the package's plugins."""
    clients = [path for path in (shutil.which("docker", path=environment()["PATH"]), "/usr/bin/docker") if path]
    return next((path for path in clients if compose_version(path)), clients[0])


def compose_version(docker: str) -> str:
    said = attempt([docker, "compose", "version", "--short"], limit=20).stdout.strip().lstrip("v")
    major = re.match(r"\d+", said)
    return said if major and int(major[0]) >= 2 else ""


def running() -> Engine | None:
    """The engine that answers now, whoever started it; `compose` is empty where Compose v2 is missing."""
    docker = client()
    said = attempt([docker, "info", "--format", "{{json .}}"], limit=20)
    try:
        info = json.loads(said.stdout or "{}") if said.returncode == 0 else {}
    except json.JSONDecodeError:
        info = {}
    if not info.get("ServerVersion"):
        return None
    return Engine(docker, info["ServerVersion"], compose_version(docker), info.get("Driver", ""), our_pid() is not None)


def ensure(yes: bool = False) -> Engine:
    """An engine that answers; installs and starts one where that is possible. LabError with code 3 otherwise."""
    engine = running()
    if engine and engine.compose:
        return engine
    if engine is None and shutil.which("dockerd", path=environment()["PATH"]) and compose_version(client()):
        start()
    else:
        _install(engine is not None, yes)
        client.cache_clear()
        if running() is None:
            start()
    engine = running()
    if engine is None or not engine.compose:
        raise LabError("there is a Docker engine now, but `docker compose` v2 is still missing", 3)
    return engine


def _install(has_engine: bool, yes: bool) -> None:
    name, codename = apt.os_release()
    what = "Docker's Compose v2" if has_engine else "a Docker engine"
    if not apt.may_install():
        raise LabError(f"no lab here: it needs {what}, and only as root on Debian or Ubuntu can the lab install it", 3)
    packages = {"ubuntu": ["docker.io", "docker-compose-v2", "docker-buildx"]}.get(
        name, ["docker.io", "docker-cli", "docker-compose", "docker-buildx"]
    )
    beside = name == "debian" and codename == "bookworm"
    say(f"this machine lacks {what}. The lab is about to:")
    if beside:
        say(f"  add Debian 13's packages as a source that nothing else is taken from: {SOURCES}, {PREFERENCES}")
    say(f"  install with apt: iptables {' '.join(packages)}" + (" (from Debian 13)" if beside else ""))
    say(f"  start dockerd, unless systemd does, with its data in {state_dir('engine')}")
    if not yes and sys.stdin.isatty() and input("go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise LabError("nothing was installed", 3)
    if beside:
        SOURCES.write_text(apt.debian_archive("trixie").deb822())
        PREFERENCES.write_text("Package: *\nPin: release n=trixie\nPin-Priority: 100\n")
    apt.update()
    # Named one by one: `-t trixie` would prefer Debian 13 for what they depend on too, and bring a new libc along.
    with _services_held_back():
        apt.install(["iptables", *(f"{package}/trixie" if beside else package for package in packages)])


@contextlib.contextmanager
def _services_held_back() -> Iterator[None]:
    """Without systemd the package would start an engine of its own with another data folder."""
    policy = Path("/usr/sbin/policy-rc.d")
    if Path("/run/systemd/system").exists() or policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def start() -> None:
    """Start the installed engine and wait until it answers. LabError (3) with the log's last line when it does not."""
    if os.geteuid() != 0:
        raise LabError("the Docker engine here does not answer (not running, or not yours to use); start it first", 3)
    if Path("/run/systemd/system").exists():
        say("systemctl start docker")
        run(["systemctl", "start", "docker"], limit=90)
        return
    folder = state_dir("engine")
    pid_file, log = folder / "dockerd.pid", folder / "dockerd.log"
    _clear_stale(folder)
    filtered = Path(shutil.copy(SECCOMP, folder))
    say(f"start dockerd, about 5 s (log: {log})")
    with open(log, "ab") as out:
        process = subprocess.Popen(
            [
                "dockerd",
                "--data-root",
                folder / "data",
                "--exec-root",
                folder / "exec",
                "-p",
                pid_file,
                "--seccomp-profile",
                filtered,
            ],
            env=environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    give_up = time.monotonic() + 90
    while running() is None:
        if process.poll() is not None or time.monotonic() > give_up:
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise LabError(f"dockerd did not come up: {' '.join(last)}", 3)
        time.sleep(0.3)


def _clear_stale(folder: Path) -> None:
    """A killed dockerd leaves pid files, which another process's number can make look alive.

    Its containers live on, and the new one needs the run-time state to find and stop them, as long as this machine
    has not been started anew since.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    noted = folder / "boot_id"
    if not noted.exists() or noted.read_text() != boot:
        shutil.rmtree(folder / "exec", ignore_errors=True)
        noted.write_text(boot)
    for pid_file in (folder / "dockerd.pid", folder / "exec" / "containerd" / "containerd.pid"):
        if not _alive(pid_file, pid_file.stem):
            pid_file.unlink(missing_ok=True)


def our_pid() -> int | None:
    """The process id of the dockerd that the lab started, while it runs."""
    return _alive(state_dir("engine") / "dockerd.pid", "dockerd")


def _alive(pid_file: Path, name: str) -> int | None:
    try:
        pid = int(pid_file.read_text())
        program = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except (OSError, ValueError):
        return None
    return pid if os.path.basename(program.decode(errors="replace")) == name else None


def stop() -> None:
    """Stop the engine that the lab started; another one is left alone."""
    pid = our_pid()
    if pid is None:
        return
    say(f"stop dockerd (process {pid})")
    os.kill(pid, signal.SIGTERM)
    give_up = time.monotonic() + 60
    while our_pid() is not None:
        if time.monotonic() > give_up:
            raise LabError(f"dockerd (process {pid}) did not stop within 60 s")
        time.sleep(0.2)
