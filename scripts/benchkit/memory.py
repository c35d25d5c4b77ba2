"""The memory of `inv`, of its tools containers, and of what it runs in a database's container, at large sizes: it must
not grow with them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from . import trees
from .databases import database
from .encrypted import HOST, sealed
from .engines import ENGINES
from .measure import MIB, BenchError, Row, Sizes, call, say
from .place import Place
from .transfers import client_words, file_there

AIM = "< 150 MiB each"
PAGE = os.sysconf("SC_PAGE_SIZE")
EVERY = 0.05  # seconds


def peaks(place: Place, sizes: Sizes) -> list[Row]:
    """The peak of each, once: it hardly differs between runs."""
    folders = {engine.name: database(place, engine, sizes.size // engine.share) for engine in ENGINES.values()}
    folders["volumes"] = trees.volume(place, "volume", sizes)
    say("peak memory of backups, restores, and transfers")
    rows = []
    for name, folder in folders.items():
        size = sizes.volume if name == "volumes" else sizes.size // ENGINES[name].share
        environ = sealed(place, folder)
        for host in ("local", HOST) if name == "postgres" else ("local",):
            for words in ((f"backup.{name}",), (f"restore.{name}", "--file", "latest", "--yes")):
                rows.append(_task(place, folder, size, environ, *words, "--host", host))
    return [*rows, *_moves(place, sizes.size)]


def _task(place: Place, folder: Path, size: int, environ: Mapping[str, str], *words: str) -> Row:
    engine = _id(place, f"{folder.name}-one-1")
    with watching(place, engine) as seen:
        inv = place.inv(folder, *words, environ=environ).peak
    added = seen.pop(engine, 0)
    if not seen:
        raise BenchError(f"inv {words[0]} was too short for the memory of its tools container to be seen: more --size")
    ours = f"`inv` {inv / MIB:.0f} MiB, a tools container {max(seen.values()) / MIB:.0f} MiB"
    ours += f", in the database's container {added / MIB:.0f} MiB" if added else ""
    what = f"peak memory of `inv {words[0]}`{', encrypted' if words[-1] == HOST else ''}, {size >> 20} MiB"
    return Row(what, ours, "", AIM)


def _moves(place: Place, size: int) -> list[Row]:
    sample, todo, rows = file_there(place, size), place.path / "todo", []
    for name, what in (("get", "down"), ("put", "up")):
        todo.write_text(f"{name}\n")
        words = client_words(place, sample, place.path / "back")
        peak = call(words, env=place.environment, stdin=todo).peak
        what = f"peak memory of a process that moves {size >> 20} MiB {what} over SSH"
        rows.append(Row(what, f"{peak / MIB:.0f} MiB", "", AIM))
    return rows


@contextlib.contextmanager
def watching(place: Place, engine: str) -> Iterator[dict[str, int]]:
    """The most bytes that the processes of each tools container had resident together, by its id, of those containers
    that a `docker run` below this process started meanwhile; and of those that were put into the container `engine`,
    beside its own. Pages that processes share count for each of them."""
    peaks: dict[str, int] = {}
    done = threading.Event()

    def watch() -> None:
        names: dict[str, str] = {}
        while not done.wait(EVERY):
            for name in _started() - names.keys():
                if found := _id(place, name):
                    names[name] = found
            for container, resident in _resident({*names.values()}, engine).items():
                peaks[container] = max(resident, peaks.get(container, 0))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def _started() -> set[str]:
    """The names of the containers that processes below this one are running."""
    parents, commands = {}, {}
    for pid in _pids():
        with contextlib.suppress(OSError):
            parents[pid] = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
            commands[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    found = set()
    for pid, words in commands.items():
        if "--name" in words[:-1] and words[1:2] == ["run"] and _below(pid, parents):
            found.add(words[words.index("--name") + 1])
    return found


def _below(pid: int, parents: dict[int, int]) -> bool:
    while pid > 1 and pid != os.getpid():
        pid = parents.get(pid, 0)
    return pid == os.getpid()


def _id(place: Place, name: str) -> str:
    words = [place.docker, "inspect", "-f", "{{.Id}}", name]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def _resident(tools: set[str], engine: str) -> dict[str, int]:
    found = dict.fromkeys(tools, 0)
    inside: dict[int, int] = {}  # the parents of the processes in the engine's container
    own: set[int] = set()
    for pid in _pids():
        with contextlib.suppress(OSError, IndexError):
            group = Path(f"/proc/{pid}/cgroup").read_text()
            for container in tools:
                if container in group:
                    found[container] += _pages(pid)
            if engine and engine in group:
                status = Path(f"/proc/{pid}/status").read_text()
                inside[pid] = int(status.split("\nPPid:", 1)[1].split()[0])
                if status.split("\nNSpid:", 1)[1].split("\n")[0].split()[-1] == "1":
                    own.add(pid)
    for pid in inside:
        if _first(pid, inside) not in own:
            with contextlib.suppress(OSError):
                found[engine] = found.get(engine, 0) + _pages(pid)
    return found


def _first(pid: int, parents: Mapping[int, int]) -> int:
    """The first of a process's ancestors in the container: its process 1, or what `docker exec` put there."""
    while parents[pid] in parents:
        pid = parents[pid]
    return pid


def _pages(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())
