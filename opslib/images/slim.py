"""An archive that holds only the layers that a server lacks: what it lacks, and what `docker image load` takes there.

It has both an index of the older form (`manifest.json`) and one of OCI (`index.json`): engines with the classic store
read the one, those that keep images in containerd the other, and each fails on the other's alone. Layers in it are not
compressed, so that a layer's digest is its diff ID in both stores.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opslib.command import Command
from opslib.compose.script import docker_script, sections
from opslib.images.pieces import END, member

if TYPE_CHECKING:
    from opslib.settings.model import Host

_OCI = "application/vnd.oci.image"

# $1 the .opslib folder
_LOOK = """printf '# store\\n'; docker info --format '{{json .DriverStatus}}' || exit
printf '# zstd\\n'; command -v zstd; printf '# shipped\\n'; cat -- "$1/shipped" 2>/dev/null
printf '# images\\n'; mapfile -t ids < <(docker image ls -q --no-trunc | sort -u)
((${#ids[@]})) && docker image inspect --format '{{.Id}} {{json .RootFS.Layers}}' -- "${ids[@]}" 2>/dev/null; true"""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What an engine has to build on: the diff IDs of the images that it lists, by its own ids. `shipped` are the ids
    of those that came as such an archive. `containerd`: where it keeps them. `zstd`: whether the machine has it."""

    containerd: bool = False
    zstd: bool = False
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shipped: frozenset[str] = frozenset()

    def lacks(self, diff_ids: Sequence[str]) -> tuple[str, ...]:
        """The layers of an image that have to be in the archive.

        The classic store opens no layer that it has with the same layers below it. In containerd a layer is known by
        the digest that it was stored under, which is its diff ID only if it came from us: what was pulled or built
        there is compressed, and an image that refers to both is listed by no `docker image ls`.
        """
        if self.containerd:
            there = {one for id, layers in self.images.items() if id in self.shipped for one in layers}
            return tuple(dict.fromkeys(one for one in diff_ids if one not in there))
        shared = max((_shared(layers, diff_ids) for layers in self.images.values()), default=0)
        return tuple(dict.fromkeys(diff_ids[shared:]))


def look_command(host: Host, state: str) -> Command:
    """The one round trip of a `Shelf`."""
    return docker_script(host, _LOOK, state)


def parse_shelf(text: str) -> Shelf:
    """The shelf from what `look_command` printed."""
    parts = sections(text)
    images = {}
    for line in parts.get("images", []):
        id, _, layers = line.partition(" ")
        images[id] = tuple(json.loads(layers) or ())
    store = " ".join(parts.get("store", []))
    return Shelf("io.containerd" in store, bool(parts.get("zstd")), images, frozenset(parts.get("shipped", [])))


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class Listed:
    """An image as the archive lists it: its tags, its configuration, and its layers with their bytes."""

    tags: tuple[str, ...]
    config: bytes
    layers: tuple[tuple[str, int], ...]


def last_members(images: Iterable[Listed]) -> bytes:
    """The end of the archive, which comes after its layers: the images' configurations and manifests, the two
    indexes."""
    files: dict[str, bytes] = {}
    old, new = [], []
    for image in images:
        config = _blob(files, image.config)
        layers = [{"mediaType": f"{_OCI}.layer.v1.tar", "digest": one, "size": size} for one, size in image.layers]
        manifest = {
            "schemaVersion": 2, "mediaType": f"{_OCI}.manifest.v1+json",
            "config": {"mediaType": f"{_OCI}.config.v1+json", **config}, "layers": layers,
        }  # fmt: skip
        described = {"mediaType": f"{_OCI}.manifest.v1+json", **_blob(files, _json(manifest))}
        old.append({
            "Config": _path(config["digest"]), "RepoTags": image.tags, "Layers": [_path(one) for one, _ in image.layers]
        })  # fmt: skip
        for tag in image.tags:
            name = full_name(tag)
            named = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
            new.append({**described, "annotations": named})
    files["oci-layout"] = _json({"imageLayoutVersion": "1.0.0"})
    files["index.json"] = _json({"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": new})
    files["manifest.json"] = _json(old)
    blocks = [block for name, data in files.items() for block in member(name, len(data), [data])]
    return b"".join([*blocks, END])


def full_name(tag: str) -> str:
    """A tag as containerd knows it: `redis:7` is `docker.io/library/redis:7`."""
    first, slash, _ = tag.partition("/")
    name = tag if slash and re.search(r"[.:]|^localhost$", first) else f"docker.io/{'' if slash else 'library/'}{tag}"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _blob(files: dict[str, bytes], data: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    files[_path(digest)] = data
    return {"digest": digest, "size": len(data)}


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest.partition(':')[2]}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
