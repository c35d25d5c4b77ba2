"""`inv lint` beside compose-lint alone, which is one of the things that it asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .measure import BenchError, Row, call, rounds, say, seconds, timed
from .place import BIN, Place
from .starts import INV

PAIRS = 9  # at least: they are short
SERVICES, STACKS = 14, 40
TASKS = "import opslib\n\nns = opslib.namespace()\n"
DATABASE = """  {name}:
    image: postgres:15
    environment: {{POSTGRES_PASSWORD: "${{DB_PASSWORD:-x}}", POSTGRES_DB: app}}
    volumes: ["{name}:/var/lib/postgresql/data"]
    healthcheck: {{test: [CMD-SHELL, pg_isready -U postgres], interval: 5s, retries: 10}}
"""
SERVER = """  {name}:
    image: registry.example.com/{name}:1.4
    restart: unless-stopped
    environment:
      DATABASE_URL: postgres://app:${{DB_PASSWORD:-x}}@{database}/app
      LOG_LEVEL: info
    ports: ["{port}:8080"]
    depends_on: [{database}]
    volumes: ["./config:/etc/app:ro"]
"""


def measured(place: Place, runs: int) -> list[Row]:
    """One stack of 14 services, and 40 small ones in one call."""
    one, many = place.path / "lint-one", place.path / "lint-many"
    _project(one, {"compose.yml": _stack(SERVICES, databases=3)})
    files = {f"stack{number}/compose.yml": _stack(2 + number % 5, databases=1) for number in range(STACKS)}
    _project(many, files)
    return [
        _row(one, f"`inv lint`, {SERVICES} services", ["compose.yml"], [], runs, "≤ compose-lint + 150 ms"),
        _row(many, f"`inv lint --file …`, {STACKS} stacks", list(files), ["--file", ",".join(files)], runs, ""),
    ]


def _row(folder: Path, what: str, files: list[str], words: list[str], runs: int, aim: str) -> Row:
    alone = [BIN / "compose-lint", "check", "--format", "json", "--no-env", "--fail-on", "low", "--", *files]
    things = {
        "opslib": _ends(3, BIN / "python", "-c", INV, "lint", "--fail-on", "hardening", *words, cwd=folder),
        "compose-lint": _ends(1, *alone, cwd=folder),
        "config": timed("docker", "compose", "-f", files[0], "config", "--format", "json", cwd=folder),
    }
    say(what)
    rounds(1, things)  # whatever has no bytecode yet is compiled
    found = rounds(max(runs, PAIRS), things)
    more = found.median("opslib") - found.median("compose-lint")
    return Row(
        what, seconds(found.median("opslib")),
        f"compose-lint alone: {seconds(found.median('compose-lint'))} (opslib {'+' if more > 0 else '-'}"
        f"{seconds(abs(more))}); `docker compose config` of one file: {seconds(found.median('config'))}",
        aim, found.ratios("opslib", "compose-lint"), max(runs, PAIRS),
    )  # fmt: skip


def _ends(code: int, *argv: str | Path, cwd: Path) -> Callable[[], float]:
    """A thing for `rounds` that ends with this code: something is found in each of them."""
    script = '"$@" >/dev/null; c=$?; [ "$c" = "$0" ] || { echo "ended with $c" >&2; exit 1; }'
    return timed("bash", "-c", script, str(code), *argv, cwd=cwd)


def _project(folder: Path, files: dict[str, str]) -> None:
    (folder / "config").mkdir(parents=True, exist_ok=True)
    (folder / "tasks.py").write_text(TASKS)
    for name, text in files.items():
        path = folder / name
        (path.parent / "config").mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if not (BIN / "compose-lint").exists():
        raise BenchError("compose-lint is not in .venv: scripts/venv --dev")
    call(["docker", "compose", "version"])


def _stack(services: int, databases: int) -> str:
    names = [f"db{number}" for number in range(databases)]
    parts = [DATABASE.format(name=name) for name in names]
    for number in range(services - databases):
        name, database = f"web{number}", names[number % databases]
        parts.append(SERVER.format(name=name, database=database, port=9000 + number))
    volumes = "".join(f"  {name}:\n" for name in names)
    return f"services:\n{''.join(parts)}volumes:\n{volumes}"
