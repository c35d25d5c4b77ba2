"""Pieces are staged where they are to be loaded: what has arrived is not sent again, and nothing half is loaded."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opslib.errors import CommandFailed
from opslib.images import staged
from opslib.images.pieces import END, Piece, compressed, in_memory, member
from opslib.settings.model import Host
from opslib.target.base import Target
from opslib.target.connect import connect
from tests.unit.images.archives import digest

LAYER = bytes(range(256)) * 4000

ENGINE = """#!/bin/bash
# An engine that keeps what it loads in a file beside it, and finds no program in a container.
cd "${0%/*}" || exit
case "$1 $2" in
"image load") cat >loading; [ ! -e refuse ] || { echo refused >&2; exit 1; }; mv loading loaded ;;
"run --rm") [ ! -e broken ] || { echo "layer does not exist" >&2; exit 125; }; exit 127 ;;
"image inspect") echo sha256:new ;;
"image ls") printf 'sha256:%s\\n' new old ;;
esac
"""


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    if shutil.which("zstd") is None:
        pytest.skip("no zstd here")
    client = tmp_path / "docker"
    client.write_text(ENGINE)
    client.chmod(0o755)
    found = connect(Host(name="there", path=str(tmp_path), docker=(str(client),)))
    yield found
    found.close()


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    folder = tmp_path / ".opslib" / "ship"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def pieces(tmp_path: Path) -> list[Piece]:
    packed = b"".join(compressed(member("layer", len(LAYER), iter([LAYER])), "zst"))
    (tmp_path / "piece").write_bytes(packed)
    return [Piece(digest(packed)[7:], len(packed), len(LAYER), tmp_path / "piece"), in_memory(END, "zst")]


def load(target: Target, pieces: list[Piece]) -> tuple[int, list[int]]:
    seen: list[int] = []
    return staged.load(target, ["a:1", "b:2"], pieces, "zst", seen.append), seen


def loaded(tmp_path: Path) -> bytes:
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "loaded").read_bytes())) as tar:
        return tar.extractfile("layer").read()  # type: ignore[union-attr]


def total(pieces: list[Piece]) -> int:
    return sum(one.size for one in pieces)


def test_all_of_it_is_sent_and_loaded_and_nothing_stays(
    target: Target, tmp_path: Path, stage: Path, pieces: list[Piece]
) -> None:
    (stage.parent / "shipped").write_text("sha256:old\nsha256:gone\n")
    assert load(target, pieces)[0] == total(pieces)
    assert loaded(tmp_path) == LAYER
    assert not stage.exists()
    assert (stage.parent / "shipped").read_text() == "sha256:new\nsha256:old\n"


def test_it_goes_on_in_the_middle_of_a_piece(target: Target, tmp_path: Path, stage: Path, pieces: list[Piece]) -> None:
    packed = (tmp_path / "piece").read_bytes()
    (stage / f"{pieces[0].sha256}.part").write_bytes(packed[:-100])
    went, seen = load(target, pieces)
    assert went == 100 + pieces[1].size
    assert seen == [pieces[0].size, total(pieces)]
    assert loaded(tmp_path) == LAYER


@pytest.mark.parametrize("there", ["whole", "whole and not renamed", "cut after the rename"])
def test_a_piece_that_is_there_is_not_sent(
    target: Target, tmp_path: Path, stage: Path, pieces: list[Piece], there: str
) -> None:
    packed = (tmp_path / "piece").read_bytes()
    name = pieces[0].sha256 + (".part" if "not" in there else "")
    (stage / name).write_bytes(b"" if there.startswith("cut") else packed)
    assert load(target, pieces)[0] == (total(pieces) if there.startswith("cut") else pieces[1].size)
    assert loaded(tmp_path) == LAYER


@pytest.mark.parametrize("part", [b"something else", b"x" * 2_000_000])
def test_what_is_damaged_is_not_loaded_and_goes_away(
    target: Target, tmp_path: Path, stage: Path, pieces: list[Piece], part: bytes
) -> None:
    (stage / f"{pieces[0].sha256}.part").write_bytes(part)
    if len(part) < pieces[0].size:
        with pytest.raises(CommandFailed, match="arrived damaged") as caught:
            load(target, pieces)
        assert caught.value.codes == (staged.DAMAGED,)
        assert not (tmp_path / "loaded").exists()
    assert load(target, pieces)[0] == total(pieces)
    assert loaded(tmp_path) == LAYER


@pytest.mark.parametrize("mark, code, said", [
    ("refuse", staged.NOT_LOADED, "refused"), ("broken", staged.NOT_STARTED, "layer does not exist"),
])  # fmt: skip
def test_what_the_engine_says_is_an_error(
    target: Target, tmp_path: Path, pieces: list[Piece], mark: str, code: int, said: str
) -> None:
    (tmp_path / mark).touch()
    with pytest.raises(CommandFailed, match=said) as caught:
        load(target, pieces)
    assert caught.value.codes == (code,)


def test_where_nothing_can_be_written_nothing_is_sent(target: Target, tmp_path: Path, pieces: list[Piece]) -> None:
    (tmp_path / ".opslib").touch()
    with pytest.raises(CommandFailed) as caught:
        load(target, pieces)
    assert caught.value.codes == (staged.NOT_WRITTEN,)
