"""A volume backed up and restored by opslib, beside `tar | zstd` of its folder by hand and `tar czf`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from .measure import BenchError, Row, Sizes, call, rate, rounds, say, seconds
from .place import Place

KINDS = ("volume", "files")
SMALL = 2000  # bytes of a small file, in the middle
FILL = Path(__file__).with_name("fill_tree.py")


def volume(place: Place, kind: str, sizes: Sizes) -> Path:
    """The folder of a project with a volume of mixed files (`volume`) or of many small ones. It is filled once."""
    words = [str(sizes.volume)] if kind == "volume" else [str(sizes.files * SMALL), str(sizes.files)]
    mark = f"filled-{'-'.join(words)}"
    service = {
        "image": f"{place.images}busybox:1",
        "command": ["sleep", "1000000"],
        "init": True,
        "volumes": ["data:/data"],
    }
    folder, there = place.up(f"bench-{kind}", service, mark)
    if not there:
        say(f"{kind}: {named(kind, sizes)}, about 10 s per GB")
        run = [place.docker, "run", "--rm", "-i", "-v", f"{folder.name}_data:/data"]
        call([*run, f"{place.images}python:3.11-slim", "python", "-", *words], stdin=FILL)
        (folder / mark).touch()
    return folder


def mountpoint(place: Place, folder: Path) -> str:
    """Where the files of a project's volume are on this machine."""
    mount = call([place.docker, "volume", "inspect", "-f", "{{.Mountpoint}}", f"{folder.name}_data"]).out.strip()
    if not os.access(mount, os.R_OK | os.X_OK):
        raise BenchError(f"the peer reads {mount} by hand, and this user may not: run scripts/bench as root")
    return mount


def disk_usage(folder: str | Path) -> int:
    """The bytes of the files in a folder."""
    return int(call(["du", "-sb", folder]).out.split()[0])


def measured(place: Place, sizes: Sizes, kind: str) -> list[Row]:
    """`inv backup.volumes` and `inv restore.volumes`, each beside its peers."""
    folder = volume(place, kind, sizes)
    mount = mountpoint(place, folder)
    bytes_ = disk_usage(mount)
    what = f"{named(kind, sizes)}, {bytes_ / 1e9:.2f} GB"
    say(f"inv backup.volumes, {what}")

    def sh(script: str, made: str = "scratch") -> Callable[[], float]:
        def run() -> float:
            _remove(folder / made)
            (folder / "scratch").mkdir(exist_ok=True)
            return call(["bash", "-euo", "pipefail", "-c", script, "bash", mount], cwd=folder).seconds

        return run

    def inv(*words: str) -> Callable[[], float]:
        return lambda: place.inv(folder, *words).seconds

    def backup() -> float:
        _remove(folder / "backups")
        return inv("backup.volumes")()

    backup()
    found = rounds(
        sizes.runs,
        {
            "opslib": backup,
            "tar | zstd": sh('tar -C "$1" -cf - . | zstd -q -3 -T0 -o tar.zst && sync tar.zst', "tar.zst"),
            "tar czf": sh('tar -C "$1" -czf tar.gz . && sync tar.gz', "tar.gz"),
        },
    )
    back = rounds(
        sizes.runs,
        {
            "opslib": inv("restore.volumes", "--file", "latest", "--host", "local", "--yes"),
            "zstd | tar": sh("zstd -dcq tar.zst | tar -C scratch -xpf - && sync -f scratch"),
            "tar xzf": sh("tar -C scratch -xpzf tar.gz && sync -f scratch"),
        },
    )
    for name in ("tar.zst", "tar.gz"):
        (folder / name).unlink()
    shutil.rmtree(folder / "scratch")

    rows = []
    for task, times, peer, old, aim in (
        ("backup", found, "tar | zstd", "tar czf", "≤ 1.3"),
        ("restore", back, "zstd | tar", "tar xzf", ""),
    ):
        first = f"`inv {task}.volumes`, " + (what if task == "backup" else "the same")
        ours = f"{seconds(times.median('opslib'))}, {rate(bytes_, times.median('opslib'))}"
        bare = f"`{peer}` on the host, and `sync`: ".replace("|", "\\|")
        rows += [
            Row(first, ours, bare + seconds(times.median(peer)), aim, times.ratios("opslib", peer), sizes.runs),
            Row("the same", ours, f"`{old}` on the host: {seconds(times.median(old))}", "",
                times.ratios(old, "opslib"), sizes.runs),
        ]  # fmt: skip
    return rows


def _remove(path: Path) -> None:
    """What the round before has made. Each makes its own anew: to write over a file takes its memory again, and where
    the machine is a virtual one, memory that it has not had yet takes much longer."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    call(["sync"])


def named(kind: str, sizes: Sizes) -> str:
    """How the volume is called in a table."""
    return f"{sizes.volume >> 20} MiB of mixed files" if kind == "volume" else f"{sizes.files} small files"


def clear(place: Place) -> None:
    """Remove the volumes."""
    for kind in KINDS:
        place.down(f"bench-{kind}")
