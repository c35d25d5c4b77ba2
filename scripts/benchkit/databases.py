"""Each engine backed up and restored by opslib, beside its bare dump and restore, and the way of the old scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from .engines import ENGINES, Engine
from .measure import Row, Sizes, call, rate, rounds, say, seconds
from .place import BIN, Place

SHELL = """set -euo pipefail
inside() { docker exec "$C" "$@"; }
feed() { docker exec -i "$C" "$@"; }
"""
KIT = Path(__file__).parent


def database(place: Place, engine: Engine, size: int) -> Path:
    """The folder of a project whose database's dump has about `size` bytes. It is filled once."""
    mark = f"filled-{size}"
    service = {
        "image": f"{place.images}{engine.image}",
        "volumes": [f"data:{engine.data}"],
        "healthcheck": {"test": ["CMD", "bash", "-c", engine.ready], "interval": "1s", "retries": 60},
        **engine.service,
    }
    folder, there = place.up(f"bench-{engine.name}", service, mark)
    if not there:
        say(f"{engine.name}: {size >> 20} MiB, about a minute per GiB")
        shell(place, engine, engine.fill, size)
        (folder / mark).touch()
    return folder


def shell(place: Place, engine: Engine, script: str, size: int = 0) -> float:
    """The seconds of one of an engine's scripts."""
    return call(["bash", "-c", SHELL + script], env=_environment(place, engine, size)).seconds


def dumped(place: Place, engine: Engine) -> int:
    """Make the bare dump that the peers work with; its bytes."""
    return int(_said(place, engine, engine.keep).split()[-1])


def _said(place: Place, engine: Engine, script: str) -> str:
    return call(["bash", "-c", SHELL + script], env=_environment(place, engine, 0)).out.strip()


def _environment(place: Place, engine: Engine, size: int) -> dict[str, str]:
    name = f"bench-{engine.name}"
    return {
        **place.environment, "C": f"{name}-one-1", "V": f"{name}_data", "D": str(place.path / name), "KIT": str(KIT),
        "PYTHON": str(BIN / "python"), "IMAGES": place.images, "SIZE": str(size),
    }  # fmt: skip


def measured(place: Place, sizes: Sizes, engine: Engine) -> list[Row]:
    """`inv backup.NAME` and `inv restore.NAME`, each beside its peers."""
    folder = database(place, engine, sizes.size // engine.share)
    bytes_ = dumped(place, engine)
    say(f"inv backup.{engine.name}, a dump of {bytes_ / 1e9:.2f} GB")
    return [*_backup(place, sizes, engine, folder, bytes_), *_restore(place, sizes, engine, folder, bytes_)]


def _backup(place: Place, sizes: Sizes, engine: Engine, folder: Path, bytes_: int) -> list[Row]:
    def inv() -> float:
        return place.inv(folder, f"backup.{engine.name}").seconds

    inv()  # the tools image is built the first time
    things = {"opslib": inv, "bare": lambda: shell(place, engine, engine.dump)}
    more: list[Row] = []
    if engine.name == "postgres":
        things |= beside_zstd(place, engine)
    found = rounds(sizes.runs, {**things, "old": lambda: shell(place, engine, engine.old_dump)})
    mine, took = found.median("opslib"), found.median
    ours = f"{seconds(mine)}, {rate(bytes_, mine)}"
    if engine.name == "postgres":
        zstd = f"and `zstd -3 -T0` of the same bytes: {seconds(took('zstd'))}"
        more = [
            Row("the same", ours, f"the slower of that {zstd}", "≤ 1.2",
                found.ratios("opslib", "bare", "zstd"), sizes.runs),
            Row("the same", ours, f"the two at once, with no pipe between them: {seconds(took('both'))}", "",
                found.ratios("opslib", "both"), sizes.runs),
        ]  # fmt: skip
        (folder / "raw").unlink()
        (folder / "raw.zst").unlink()
    return [
        Row(f"`inv backup.{engine.name}`, {bytes_ / 1e9:.2f} GB of dump", ours,
            f"the bare dump to nowhere: {seconds(took('bare'))}", "", found.ratios("opslib", "bare"), sizes.runs),
        *more,
        Row("the same", ours, f"{engine.old}: {seconds(took('old'))}", "≥ 3" if more else "",
            found.ratios("old", "opslib"), sizes.runs),
    ]  # fmt: skip


def beside_zstd(place: Place, engine: Engine) -> dict[str, Callable[[], float]]:
    """What no compressed dump can do without: the dump, and zstd of the same bytes, which lie in a file."""
    shell(place, engine, 'inside cat /tmp/bench.raw >"$D/raw"')
    zstd = 'zstd -q -f -3 -T0 "$D/raw" -o "$D/raw.zst" && sync "$D/raw.zst"'
    return {
        "zstd": lambda: shell(place, engine, zstd),
        "both": lambda: shell(place, engine, f"{engine.dump} & {zstd} && wait $!"),
    }


def _restore(place: Place, sizes: Sizes, engine: Engine, folder: Path, bytes_: int) -> list[Row]:
    steps: dict[str, float] = {}

    def inv() -> float:
        words = (f"restore.{engine.name}", "--file", "latest", "--host", "local", "--yes", "--json")
        ran = place.inv(folder, *words)
        steps.update({step["name"]: step["seconds"] for step in json.loads(ran.out)["hosts"][0]["steps"]})
        return ran.seconds

    def load(script: str) -> float:
        shell(place, engine, engine.tidy)
        return shell(place, engine, script)

    found = rounds(
        sizes.runs,
        {
            "opslib": inv,
            "loading": lambda: sum(steps[name] for name in engine.loading),
            "bare": lambda: load(engine.load),
            "old": lambda: load(engine.old_load),
        },
    )
    shell(place, engine, engine.tidy)
    mine, alone, took = found.median("opslib"), found.median("loading"), found.median
    ours = f"{seconds(mine)}, {rate(bytes_, mine)}"
    return [
        Row(f"`inv restore.{engine.name}`, the same", ours, f"the bare restore: {seconds(took('bare'))}", "",
            found.ratios("opslib", "bare"), sizes.runs),
        Row(f"of that, {' and '.join(f'`{name}`' for name in engine.loading)}", f"{seconds(alone)}, "
            f"{rate(bytes_, alone)}", f"the bare restore: {seconds(took('bare'))}", "≤ 1.15",
            found.ratios("loading", "bare"), sizes.runs),
        Row("the whole again", ours, f"{engine.old_back}: {seconds(took('old'))}", "",
            found.ratios("old", "opslib"), sizes.runs),
    ]  # fmt: skip


def version(place: Place, engine: Engine) -> str:
    """The server's name and version; a stand-in says that it is one."""
    said = " ".join(_said(place, engine, engine.version).split())
    return re.sub(r" The lab's stand-in[:;] (.*?)\.?$", r" (the lab's stand-in: \1)", said)


def clear(place: Place) -> None:
    """Remove the databases."""
    for engine in ENGINES.values():
        place.down(f"bench-{engine.name}")
