"""What is kept of images on this machine: read once, bounded, and only what it says it is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opslib.errors import Cancelled, OpsError
from opslib.images.cache import LIMIT, Cache
from opslib.images.saved import NotUnderstood
from opslib.settings.model import Host
from opslib.target.base import Target
from opslib.target.connect import connect
from tests.unit.images.archives import archive, config_of, digest, info_of

LAYERS = (b"base" * 40_000, b"app")
IMAGE = info_of(LAYERS)
BASE, APP = IMAGE.diff_ids

ENGINE = """#!/bin/bash
# An engine whose only image is in a file beside it; each time it is asked for it is noted.
echo "$*" >>"${0%/*}/asked"
[ -e "${0%/*}/image.tar" ] || { echo "No such image" >&2; exit 1; }
cat "${0%/*}/image.tar"
"""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Target]:
    client = tmp_path / "docker"
    client.write_text(ENGINE)
    client.chmod(0o755)
    (tmp_path / "image.tar").write_bytes(archive(LAYERS))
    target = connect(Host(name="local", path=str(tmp_path), docker=(str(client),)))
    yield target
    target.close()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache({"XDG_CACHE_HOME": str(tmp_path / "cache")}, most=2000)


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "asked").read_text().splitlines() if (tmp_path / "asked").exists() else []


def test_an_image_is_read_once_for_all_that_take_it(here: Target, cache: Cache, tmp_path: Path) -> None:
    found = []

    def take() -> None:
        with cache.alone(here):
            found.append(cache.read(here, "a:1", IMAGE, "zst"))

    threads = [threading.Thread(target=take) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked(tmp_path) == ["image save a:1"]
    for config, pieces in found:
        assert config == config_of(LAYERS)
        assert [piece.raw for piece in pieces.values()] == [len(one) for one in LAYERS]
        assert list(pieces) == [BASE, APP]
        for piece in pieces.values():
            with piece.open() as file:
                packed = file.read()
            assert (digest(packed)[7:], len(packed)) == (piece.sha256, piece.size)
    assert oct(cache.folder.stat().st_mode & 0o777) == "0o700"
    assert {path.suffix for path in cache.folder.iterdir()} == {"", ".json", ".zst"}
    (tmp_path / "image.tar").unlink()
    with pytest.raises(OpsError, match="save failed here"), cache.alone(here):
        cache.read(here, "a:1", IMAGE, "gz")  # another kind of piece
    assert {path.suffix for path in cache.folder.iterdir()} == {"", ".json", ".zst"}


def test_of_a_new_image_only_new_layers_are_packed(here: Target, cache: Cache, tmp_path: Path) -> None:
    newer = (LAYERS[0], b"new app")
    with cache.alone(here):
        base = cache.read(here, "a:1", IMAGE, "zst")[1][BASE]
        os.utime(base.path or "", (1, 1))
        (tmp_path / "image.tar").write_bytes(archive(newer))
        pieces = cache.read(here, "a:2", info_of(newer), "zst")[1]
    assert pieces[BASE] == base
    assert os.stat(base.path or "").st_mtime > 1  # used of late
    assert len(list(cache.folder.glob("*.zst"))) == 3
    assert asked(tmp_path)[-1] == "image save a:2"  # as this engine pushes nothing, which is said


def test_a_layer_that_is_another_is_not_kept(here: Target, cache: Cache, tmp_path: Path) -> None:
    data = archive(LAYERS).replace(b"app\0", b"apq\0")
    (tmp_path / "image.tar").write_bytes(data)
    with pytest.raises(NotUnderstood, match="something else"), cache.alone(here):
        cache.read(here, "a:1", IMAGE, "zst")
    assert not list(cache.folder.glob(f"{APP[7:]}*")) + list(cache.folder.glob("*.part"))


def test_what_was_used_least_of_late_goes_first(cache: Cache, here: Target) -> None:
    now = time.time()
    with cache.alone(here):
        for number, (name, age) in enumerate(
            [("a.tar", 3), ("b.x.zst", 2), ("c.json", 1.5), ("d.x.zst", 0.5), ("e.9.part", 1.1), ("f.9.part", 0.1)]
        ):
            path = cache.folder / name
            path.write_bytes(b"x" * (1000 + number))
            os.utime(path, (now, now - age * LIMIT))
        cache.clean()
    # not what a run may be using, and of parts none that a run cannot be writing
    assert sorted(path.name for path in cache.folder.iterdir()) == ["d.x.zst", "f.9.part", "lock"]


def test_who_waits_for_his_turn_can_be_interrupted(cache: Cache, here: Target) -> None:
    with cache.alone(here):
        here.cancel()
        with pytest.raises(Cancelled), cache.alone(here):
            pass


def test_no_folder_is_an_error(here: Target, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OpsError, match=r"cannot write .*file"),
        Cache({"XDG_CACHE_HOME": f"{tmp_path}/file"}).alone(here),
    ):
        pass
