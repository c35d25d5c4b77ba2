"""First backups, and second ones of data of which little changed: opslib, restic and borgmatic on the same data, each
to a destination of its own on this disk, encrypted by all three; the time, and the bytes that were added there."""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import others, trees
from .databases import database, dumped, shell
from .encrypted import HOST, sealed
from .engines import ENGINES, POSTGRES_DUMP
from .measure import Row, Sizes, rounds, say, seconds
from .place import Place

SQL = "inside psql -qX -v ON_ERROR_STOP=1 -U postgres bench -c"
MORE = f"""{SQL} "insert into events select id + (select max(id) from events), at, customer, kind, amount, email,
  md5(token), note from events where id % 100 = 0" """
FEWER = f"""{SQL} "delete from events where id > $((SIZE / 158))" -c 'vacuum (freeze, analyze) events'"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool and its destination, of which `empty` leaves nothing; `backup` makes a backup there and returns its
    seconds."""

    name: str
    where: Path
    empty: Callable[[], None]
    backup: Callable[[], float]


def measured(place: Place, sizes: Sizes) -> list[Row]:
    """A PostgreSQL database that has grown, then a volume of which some files have changed."""
    return [*_postgres(place, sizes), *_volume(place, sizes)]


def _postgres(place: Place, sizes: Sizes) -> list[Row]:
    engine = ENGINES["postgres"]
    folder = database(place, engine, sizes.size)
    size, container = dumped(place, engine), f"{folder.name}-one-1"
    dump = ("docker", "exec", container, *POSTGRES_DUMP.split())
    hook = {
        "name": "bench",
        "username": "postgres",
        "pg_dump_command": f"docker exec {container} pg_dump",
        "compression": 0,  # borg compresses and finds what it has: it can do neither in what is compressed
    }
    peers = [
        _opslib(place, folder, "backup.postgres"),
        _tool(others.restic(place), "backup", "--stdin-filename", "bench.dump", "--stdin-from-command", "--", *dump),
        _tool(others.borgmatic(place, {"postgresql_databases": [hook]}), "create"),
    ]
    try:
        what = f"PostgreSQL, {size / 1e9:.2f} GB of dump"
        return _compare(sizes.runs, peers, what, "1% more rows", lambda _: shell(place, engine, MORE))
    finally:
        shell(place, engine, FEWER, sizes.size)


def _volume(place: Place, sizes: Sizes) -> list[Row]:
    folder = trees.volume(place, "volume", sizes)
    mount = trees.mountpoint(place, folder)
    peers = [
        _opslib(place, folder, "backup.volumes"),
        _tool(others.restic(place), "backup", mount),
        _tool(others.borgmatic(place, {"source_directories": [mount]}), "create"),
    ]

    def change(number: int) -> None:
        for path in sorted(path for path in Path(mount).rglob("*") if path.is_file())[number::100]:
            with path.open("r+b") as file:
                file.write(os.urandom(min(4096, path.stat().st_size)))

    what = f"a volume, {trees.named('volume', sizes)}"
    return _compare(sizes.runs, peers, what, "1% of the files changed", change)


def _opslib(place: Place, folder: Path, task: str) -> Peer:
    environ, where = {**sealed(place, folder), "OPSLIB_KEEP_LAST": "2"}, folder / HOST

    def empty() -> None:
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir()

    return Peer("opslib", where, empty, lambda: place.inv(folder, task, "--host", HOST, environ=environ).seconds)


def _tool(tool: others.Tool, *words: str) -> Peer:
    return Peer(tool.name, tool.where, tool.empty, lambda: tool.backup(*words))


def _compare(runs: int, peers: Sequence[Peer], what: str, changed: str, change: Callable[[int], object]) -> list[Row]:
    """The rows: `change` is given the number of the round."""
    say(f"{what}: a first and a second backup by {', '.join(peer.name for peer in peers)}")
    added: dict[str, list[int]] = {}

    def backup(peer: Peer, which: str) -> Callable[[], float]:
        def run() -> float:
            if which == "first":
                peer.empty()
            elif peer is peers[0]:
                change(len(added.get(f"{peer.name}, second", ())))
            before = trees.disk_usage(peer.where)
            took = peer.backup()
            added.setdefault(f"{peer.name}, {which}", []).append(trees.disk_usage(peer.where) - before)
            return took

        return run

    found = rounds(
        runs, {f"{peer.name}, {which}": backup(peer, which) for which in ("first", "second") for peer in peers}
    )
    for peer in peers:
        peer.empty()

    def told(name: str) -> str:
        return f"{seconds(found.median(name))}, {statistics.median(added[name]) / 1e6:.0f} MB added"

    rows = []
    for which, text in (("first", f"{what}: the first backup"), ("second", f"a second one, {changed}")):
        ours, *theirs = (f"{peer.name}, {which}" for peer in peers)
        for peer, name in zip(peers[1:], theirs, strict=True):
            first = text if peer is peers[1] else "the same"
            rows.append(Row(first, told(ours), f"{peer.name}: {told(name)}", "", found.ratios(ours, name), runs))
    return rows
