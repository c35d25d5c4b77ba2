"""Archives of images as engines of several ages and stores write them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence

import zstandard

from opslib.images.info import ImageInfo

Pack = Callable[[bytes], bytes]
PACKS: dict[str, Pack] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def config_of(layers: Sequence[bytes]) -> bytes:
    """The configuration of an image with these layers."""
    return json.dumps({"architecture": "amd64", "rootfs": {"diff_ids": [digest(one) for one in layers]}}).encode()


def info_of(layers: Sequence[bytes]) -> ImageInfo:
    """What `docker image inspect` would say of it."""
    return ImageInfo(digest(config_of(layers)), tuple(digest(one) for one in layers), "", 0, "amd64")


def archive(layers: Sequence[bytes], *, pack: Pack = bytes, old: bool = False) -> bytes:
    """`docker image save` of it. `old`: as before Engine 25, where a layer that comes twice is a link."""
    config = config_of(layers)
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    names = []
    for number, layer in enumerate(layers):
        packed = pack(layer)
        name = f"{number:064}/layer.tar" if old else f"blobs/sha256/{digest(packed)[7:]}"
        if old and (first := layers.index(layer)) != number:
            links[name] = f"../{first:064}/layer.tar"
        else:
            files[name] = packed
        names.append(name)
    named = f"{digest(config)[7:]}.json" if old else f"blobs/sha256/{digest(config)[7:]}"
    files[named] = config
    files["manifest.json"] = json.dumps([{"Config": named, "RepoTags": ["a:1"], "Layers": names}]).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, to in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, to
            tar.addfile(info)
    return out.getvalue()
