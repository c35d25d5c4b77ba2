"""A backup of a PostgreSQL database, beside the slowest thing that it cannot do without."""

from __future__ import annotations

from pathlib import Path

from .measure import BenchError, Row, call, rate, rounds, say, seconds
from .place import Place

PROJECT = "bench-postgres"
CONTAINER = f"{PROJECT}-db-1"
ROW = 158  # bytes of a row in a dump
COMPOSE = """services:
  db:
    image: {images}postgres:15
    environment: {{POSTGRES_PASSWORD: bench, POSTGRES_DB: bench}}
    command: [postgres, -c, max_wal_size=4GB]
    shm_size: 256m
    volumes: ["data:/var/lib/postgresql/data"]
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -q -h 127.0.0.1 -U postgres -d bench"]
      interval: 1s
      retries: 60
volumes:
  data:
"""
TASKS = "import opslib\n\nns = opslib.namespace()\n"
# Rows as applications have them: a sequence, times, numbers, a few repeated words, addresses, a digest, some prose.
FILL = """\\set ON_ERROR_STOP on
select setseed(0.5);
create table events (id bigint primary key, at timestamptz not null, customer integer not null, kind text not null,
  amount numeric(10,2) not null, email text not null, token text not null, note text not null);
insert into events select g, timestamptz '2026-01-01' + g * interval '1.7 s', customer,
  (array['view', 'search', 'order', 'refund'])[1 + customer % 4], (customer % 90000) / 100.0,
  'customer' || customer || '@example.com', md5(g::text),
  (array['delivered to the neighbour', 'paid by card', 'asked for an invoice', 'came back twice'])[1 + g % 4]
  || ', ' || (array['morning', 'noon', 'evening', 'night'])[1 + customer % 4]
from (select g, (random() * 900000)::integer as customer from generate_series(1, {rows}) g) rows;
vacuum (freeze, analyze) events;
checkpoint;
"""
DUMP = "pg_dump -U postgres -Fc -Z0 bench"


def database(place: Place, size: int) -> Path:
    """The folder of a project whose database's dump has about `size` bytes. It is filled once."""
    folder = place.path / PROJECT
    if not (folder / f"filled-{size}").exists() or not version(place):
        clear(place)
        folder.mkdir(exist_ok=True)
        (folder / "docker-compose.yml").write_text(COMPOSE.format(images=place.images))
        (folder / "tasks.py").write_text(TASKS)
        say(f"a database of {size >> 20} MiB, about a minute per GiB")
        call([*_compose(place, folder), "up", "-d", "--wait"])
        (folder / "fill.sql").write_text(FILL.format(rows=size // ROW))
        psql = [place.docker, "exec", "-i", CONTAINER, "psql", "-qX", "-U", "postgres", "bench"]
        call(psql, stdin=folder / "fill.sql")
        (folder / f"filled-{size}").touch()
    return folder


def backup(place: Place, runs: int, size: int) -> list[Row]:
    """`inv backup.postgres` beside the dump alone, zstd alone, and what the old scripts did."""
    folder = database(place, size)
    raw, packed, old = (place.path / name for name in ("raw", "raw.zst", "old.gz"))
    call([place.docker, "exec", CONTAINER, *DUMP.split()], to=raw)
    bytes_ = raw.stat().st_size

    def dump() -> float:
        return call([place.docker, "exec", CONTAINER, "sh", "-c", f"{DUMP} >/dev/null"]).seconds

    def zstd() -> float:
        return call(["sh", "-c", 'zstd -q -f -3 -T0 "$1" -o "$2" && sync "$2"', "sh", raw, packed]).seconds

    def both() -> float:
        """The dump and the compression of the same bytes side by side, with no pipe between them."""
        script = 'docker exec "$1" sh -c "$2 >/dev/null" & zstd -q -f -3 -T0 "$3" -o "$4" && sync "$4" && wait $!'
        return call(["sh", "-c", script, "sh", CONTAINER, DUMP, raw, packed]).seconds

    def old_script() -> float:
        script = 'docker exec "$1" pg_dump -U postgres bench | gzip >"$2"'
        return call(["sh", "-c", script, "sh", CONTAINER, old]).seconds

    say(f"inv backup.postgres, a dump of {bytes_ / 1e9:.2f} GB")
    place.inv(folder, "backup.postgres")
    things = {
        "opslib": lambda: place.inv(folder, "backup.postgres").seconds,
        "pg_dump": dump,
        "zstd": zstd,
        "both": both,
    }
    found = rounds(runs, {**things, "docker exec pg_dump | gzip": old_script})
    mine, took = found.median("opslib"), found.median
    what = f"`inv backup.postgres`, {bytes_ / 1e9:.2f} GB of dump"
    for path in (raw, packed, old):
        path.unlink()
    return [
        Row(
            what,
            f"{seconds(mine)}, {rate(bytes_, mine)}",
            f"the slower of `pg_dump >/dev/null` inside: {seconds(took('pg_dump'))}, and `zstd -3 -T0` of the same "
            f"bytes: {seconds(took('zstd'))}",
            "≤ 1.2",
            found.ratios("opslib", "pg_dump", "zstd"),
            runs,
        ),
        Row(
            "the same",
            seconds(mine),
            f"the two at once, with no pipe between them: {seconds(took('both'))}",
            "",
            found.ratios("opslib", "both"),
            runs,
        ),
        Row(
            "the same",
            seconds(mine),
            f"`docker exec pg_dump \\| gzip`: {seconds(took('docker exec pg_dump | gzip'))}",
            "≥ 3",
            found.ratios("docker exec pg_dump | gzip", "opslib"),
            runs,
        ),
    ]


def version(place: Place) -> str:
    """PostgreSQL's, where a database was brought up; else ""."""
    try:
        return call([place.docker, "exec", CONTAINER, "postgres", "--version"]).out.split()[2]
    except BenchError:
        return ""


def clear(place: Place) -> None:
    """Remove the database."""
    folder = place.path / PROJECT
    if (folder / "docker-compose.yml").exists():
        call([*_compose(place, folder), "down", "--volumes", "--timeout", "1"])
        for mark in folder.glob("filled-*"):
            mark.unlink()


def _compose(place: Place, folder: Path) -> list[str]:
    return [place.docker, "compose", "--project-directory", str(folder), "-p", PROJECT]
