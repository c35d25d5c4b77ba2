"""How long it takes until something happens: listing the tasks, and a deploy with nothing to do."""

from __future__ import annotations

import json
import os
import venv
from pathlib import Path
from typing import Any

from .measure import BenchError, Row, call, rounds, say, seconds, timed
from .place import BIN, DEPLOYED, Place

LISTS = 15  # pairs at least: they are short
BARE = """from invoke import task


@task
def one(c):
    \"\"\"The only task.\"\"\"
"""
INV = "import sys; from invoke.main import program; sys.argv[0] = 'inv'; program.run()"
HOST = """address: {server}
path: {project}
project: {project}
env_file: .env
"""


def listing(place: Place, runs: int) -> list[Row]:
    """`inv --list` beside that of Invoke alone with a file of one task."""
    example, bare, python = place.example("bench-list"), place.path / "bare", _bare_python(place.path / "bare-venv")
    bare.mkdir(exist_ok=True)
    (bare / "tasks.py").write_text(BARE)
    things = {
        "opslib": timed(BIN / "python", "-c", INV, "--list", cwd=example),
        "invoke": timed(python, "-c", INV, "--list", cwd=bare),
    }
    say("inv --list")
    rounds(1, things)  # whatever has no bytecode yet is compiled
    found = rounds(max(runs, LISTS), things)
    return [
        Row(
            "`inv --list` in the example",
            seconds(found.median("opslib")),
            f"Invoke alone, one task: {seconds(found.median('invoke'))}",
            "≤ 1.3",
            found.ratios("opslib", "invoke"),
            max(runs, LISTS),
        )
    ]


def nochange(place: Place, runs: int) -> list[Row]:
    """`inv deploy` of a stack that is already live, over SSH."""
    example = place.example(DEPLOYED)
    (example / "hosts" / f"{place.server}.yml").write_text(HOST.format(server=place.server, project=DEPLOYED))
    words = ("deploy", "--host", place.server, "--yes", "--json")
    say(f"inv deploy of the example to the server {place.server}, about 2 minutes the first time")
    place.inv(example, *words)

    def deploy() -> float:
        ran = place.inv(example, *words)
        (host,) = json.loads(ran.out)["hosts"]
        if host["changed"]:
            raise BenchError(f"the deploy that should have had nothing to do changed {host['result']['changes']}")
        return ran.seconds

    deploy()
    up = _compose_up(place, example)
    call(up)
    deploy()
    found = rounds(runs, {"opslib": deploy, "ssh": timed(*place.ssh("true")), "compose": timed(*up)})
    peers = f"`ssh host true`: {seconds(found.median('ssh'))}; `ssh host docker compose up -d --no-recreate`: "
    return [
        Row(
            "`inv deploy` over SSH, nothing to do",
            seconds(found.median("opslib")),
            peers + seconds(found.median("compose")),
            "≤ 2 s",
            found.ratios("opslib", "compose"),
            runs,
        )
    ]


def _compose_up(place: Place, example: Path) -> list[str]:
    """Compose's own no-change: the command that the live release gives for bringing it back by hand, but for
    recreating. Compose counts what a service depends on among its settings, and only as far as it was asked for too."""

    def releases(*words: str) -> dict[str, Any]:
        told = json.loads(place.inv(example, "releases", "--host", place.server, "--json", *words).out)
        result: dict[str, Any] = told["hosts"][0]["result"]
        return result

    live = next(release["id"] for release in releases()["releases"] if release["current"])
    by_hand = releases("--show", live)["by_hand"]
    return place.ssh(next(line for line in by_hand if line.startswith("docker compose ")) + " --no-recreate")


def _bare_python(folder: Path) -> Path:
    """An environment with Invoke and nothing else, the same files as opslib's: what is installed beside a package
    costs at each start."""
    if not folder.exists():
        venv.create(folder, with_pip=False, symlinks=True)
        where = "import invoke, sysconfig; print(invoke.__path__[0]); print(sysconfig.get_path('purelib'))"
        package = call([BIN / "python", "-c", where]).out.split("\n")[0]
        packages = call([folder / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).out
        os.symlink(package, Path(packages.strip()) / "invoke")
    return folder / "bin" / "python"
