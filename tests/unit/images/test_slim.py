"""What a server lacks of an image, and the archive with just that."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from opslib.images.pieces import Codec, compressed, in_memory, member
from opslib.images.saved import NotUnderstood, Saved, unpacked
from opslib.images.slim import Listed, Shelf, full_name, last_members, parse_shelf
from tests.unit.images.archives import PACKS, archive, config_of, digest, info_of

LAYERS = (b"base" * 4000, b"app", b"", b"app")
IDS = tuple(digest(one) for one in LAYERS)


@pytest.mark.parametrize(
    "there, lacks",
    [
        ({}, "abc"),
        ({"1": "ab"}, "c"),
        ({"1": "abcd"}, ""),
        ({"1": "ax", "2": "abx"}, "c"),
        ({"1": "bc"}, "abc"),  # the same layers on another base are other files
        ({"1": ""}, "abc"),
    ],
)
def test_on_the_classic_store_the_layers_below_are_shared(there: dict[str, str], lacks: str) -> None:
    shelf = Shelf(images={id: tuple(layers) for id, layers in there.items()})
    assert shelf.lacks(tuple("abc")) == tuple(lacks)


def test_in_containerd_only_what_we_shipped_counts() -> None:
    images = {"1": ("a", "x"), "2": ("b", "c")}
    assert Shelf(True, images=images).lacks(tuple("abc")) == tuple("abc")
    assert Shelf(True, images=images, shipped=frozenset({"2"})).lacks(tuple("abc")) == ("a",)
    # shipped once, and no longer listed
    assert Shelf(True, images={"1": ("a",)}, shipped=frozenset({"2"})).lacks(tuple("abc")) == tuple("abc")


@given(
    st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.lists(st.sampled_from("abc"), max_size=6)), st.booleans()
)
def test_nothing_that_is_not_there_is_left_out(wanted: list[str], images: list[list[str]], containerd: bool) -> None:
    there = {str(number): tuple(layers) for number, layers in enumerate(images)}
    lacks = Shelf(containerd, images=there, shipped=frozenset(there)).lacks(wanted)
    assert len(lacks) == len(set(lacks))
    if containerd:
        assert set(wanted) - set(lacks) <= {one for layers in images for one in layers}
    else:
        kept = next((at for at in range(len(wanted)) if wanted[at] in lacks), len(wanted))
        assert kept == 0 or any(layers[:kept] == wanted[:kept] for layers in images)


def test_a_shelf_is_read() -> None:
    text = (
        '# store\n[["driver-type","io.containerd.snapshotter.v1"]]\n# zstd\n/usr/bin/zstd\n# shipped\nsha256:1\n'
        '# images\nsha256:1 ["sha256:a","sha256:b"]\nsha256:2 null\n'
    )
    images = {"sha256:1": ("sha256:a", "sha256:b"), "sha256:2": ()}
    assert parse_shelf(text) == Shelf(True, True, images, frozenset({"sha256:1"}))
    assert parse_shelf('# store\n[["Backing Filesystem","extfs"]]\n# zstd\n# shipped\n# images\n') == Shelf()


@pytest.mark.parametrize(
    "tag, full",
    [
        ("redis:7", "docker.io/library/redis:7"),
        ("redis", "docker.io/library/redis:latest"),
        ("acme/api:1", "docker.io/acme/api:1"),
        ("ghcr.io/acme/api:1", "ghcr.io/acme/api:1"),
        ("localhost/api", "localhost/api:latest"),
        ("r:5000/api", "r:5000/api:latest"),
    ],
)
def test_tags_have_the_names_that_containerd_gives_them(tag: str, full: str) -> None:
    assert full_name(tag) == full


def plain(data: bytes, codec: Codec) -> bytes:
    if codec == "gz":
        return gzip.decompress(data)
    return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()


@pytest.mark.parametrize("codec", ["zst", "gz"])
def test_pieces_behind_each_other_are_one_archive_with_both_indexes(codec: Codec) -> None:
    sent = LAYERS[1]
    name = f"blobs/sha256/{digest(sent)[7:]}"
    layer = b"".join(compressed(member(name, len(sent), iter([sent])), codec))
    sizes = tuple((id, len(one)) for id, one in zip(IDS, LAYERS, strict=True))
    rest = in_memory(last_members([Listed(("a:1", "r.example/b:2"), config_of(LAYERS), sizes)]), codec)
    with rest.open() as file:
        whole = plain(layer + file.read(), codec)
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        files = {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]
    assert files[name] == sent
    for path, data in files.items():
        if path.startswith("blobs/"):
            assert path == f"blobs/sha256/{digest(data)[7:]}"
    (old,) = json.loads(files["manifest.json"])
    assert old["RepoTags"] == ["a:1", "r.example/b:2"]
    assert files[old["Config"]] == config_of(LAYERS)
    assert old["Layers"] == [f"blobs/sha256/{id[7:]}" for id in IDS]
    first, second = json.loads(files["index.json"])["manifests"]
    assert first["annotations"]["io.containerd.image.name"] == "docker.io/library/a:1"
    assert second["annotations"] == {
        "io.containerd.image.name": "r.example/b:2", "org.opencontainers.image.ref.name": "2",
    }  # fmt: skip
    manifest = json.loads(files[f"blobs/sha256/{first['digest'][7:]}"])
    assert [(one["digest"], one["size"]) for one in manifest["layers"]] == list(sizes)
    assert manifest["config"]["digest"] == digest(config_of(LAYERS))


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("pack", PACKS)
def test_what_an_engine_saved_is_read(tmp_path: Path, pack: str, old: bool) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(archive(LAYERS, pack=PACKS[pack], old=old))
    saved = Saved(path, IDS)
    assert saved.config == config_of(LAYERS)
    for id, layer in zip(IDS, LAYERS, strict=True):
        assert b"".join(saved.layer(id)) == layer
        assert saved.size(id) == len(layer)
    saved.close()


def test_what_is_no_archive_of_that_image_is_not_understood(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    for data in (b"", b"no archive" * 100, archive(LAYERS)[:5000]):
        path.write_bytes(data)
        with pytest.raises(NotUnderstood, match="not understood"):
            Saved(path, IDS)
    path.write_bytes(archive(LAYERS))
    with pytest.raises(NotUnderstood, match="another image"):
        Saved(path, info_of(LAYERS[:2]).diff_ids)


def test_a_layer_that_is_cut_is_not_understood() -> None:
    packed = PACKS["gzip"](b"".join(str(number).encode() for number in range(50_000)))
    with pytest.raises(NotUnderstood, match="cannot be read"):
        list(unpacked(io.BytesIO(packed[: len(packed) // 2])))
