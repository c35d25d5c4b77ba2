"""Sending images from this machine's engine to another one over the line, without a registry: only what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.compose.script import read_all
from opslib.errors import Cancelled, CommandFailed, HostLost, OpsError
from opslib.events import Note, Progress
from opslib.images import slim, staged
from opslib.images.cache import Cache
from opslib.images.info import ImageInfo, images_of
from opslib.images.pieces import Codec, Piece, in_memory
from opslib.images.saved import NotUnderstood
from opslib.images.stream import load_failed, no_room, stream

if TYPE_CHECKING:
    from opslib.target.base import Target


@dataclass(frozen=True, slots=True)
class Cargo:
    """What would go to a server for images that it lacks: `layers` are those that it has not, by their digests."""

    layers: Mapping[str, Piece]
    rest: Piece
    codec: Codec

    @property
    def size(self) -> int:
        """Bytes to send, when nothing of it is there yet."""
        return sum(piece.size for piece in self.pieces)

    @property
    def pieces(self) -> list[Piece]:
        """All of it, in order."""
        return [*self.layers.values(), self.rest]


@dataclass(frozen=True, slots=True)
class Shipped:
    """The tags that were sent, the bytes that went (None: by way of a registry, where nobody counts them), and why they
    went whole ("": only what was lacking did)."""

    refs: tuple[str, ...] = ()
    size: int | None = None
    whole: str = ""


def missing(here: Mapping[str, ImageInfo], there: Mapping[str, ImageInfo], refs: Iterable[str]) -> list[str]:
    """The references whose image there is absent, another one, or not whole."""
    return [
        ref
        for ref in dict.fromkeys(refs)
        if ref not in there or not there[ref].listed or there[ref].content != here[ref].content
    ]


def ship(here: Target, target: Target, refs: Iterable[str]) -> Shipped:
    """Bring the images of these tags to the target's engine, unless it has them.

    Only the layers that it lacks are sent; what arrived before a cut is not sent again. Every image is compared
    afterwards by its layers and settings, must be listed and must start. Where that fails, images go whole. Raises
    OpsError (absent here, disk full there, not the same afterwards), HostLost, Cancelled.
    """
    lacking = lacked(here, target, refs)
    if not lacking:
        return Shipped()
    send = list(lacking)
    try:
        went, why = _ship_layers(here, target, lacking), ""
        broken = missing(lacking, images_of(target, send), send)
        if broken:
            why = f"{', '.join(broken)} is not the same there"
    except (Cancelled, HostLost, _Full):
        raise
    except (OpsError, NotUnderstood, OSError) as error:
        went, why = 0, error.what if isinstance(error, OpsError) else str(error)
    if why:
        went += _ship_whole(here, target, lacking, why)
    return Shipped(tuple(send), went, why)


def lacked(here: Target, target: Target, refs: Iterable[str]) -> dict[str, ImageInfo]:
    """The images here that the target's engine has not, by tag. Raises OpsError where one is not here."""
    refs = list(dict.fromkeys(refs))
    if same_engine(here, target) or not refs:
        return {}
    mine = images_of(here, refs)
    absent = [ref for ref in refs if ref not in mine]
    if absent:
        raise OpsError(f"this machine has no image {', '.join(absent)} to send to {target.host.name}")
    return {ref: mine[ref] for ref in missing(mine, images_of(target, refs), refs)}


def load_up(here: Target, target: Target, images: Mapping[str, ImageInfo]) -> Cargo:
    """What has to go to the target for these images; nothing is changed there. Reads them from the engine here where
    they are not in the cache. Raises NotUnderstood, OpsError."""
    shelf = slim.parse_shelf(read_all(target, slim.look_command(target.host, target.state)))
    codec: Codec = "zst" if shelf.zstd else "gz"
    cache, layers, listed = Cache(), dict[str, Piece](), []
    with cache.alone(here):
        for tags in _same(images):
            image = images[tags[0]]
            config, pieces = cache.read(here, tags[0], image, codec)
            layers |= {one: pieces[one] for one in shelf.lacks(image.diff_ids)}
            listed.append(slim.Listed(tags, config, tuple((one, pieces[one].raw) for one in image.diff_ids)))
        cache.clean()
    return Cargo(layers, in_memory(slim.last_members(listed), codec), codec)


def _same(images: Mapping[str, ImageInfo]) -> list[tuple[str, ...]]:
    """The tags of each image."""
    found: dict[str, list[str]] = {}
    for ref, image in images.items():
        found.setdefault(image.id, []).append(ref)
    return [tuple(tags) for tags in found.values()]


class _Full(OpsError):
    """There is no room there for what is sent: all of it would find none either."""


def _ship_layers(here: Target, target: Target, images: Mapping[str, ImageInfo]) -> int:
    name, host, cargo = ", ".join(images), target.host.name, load_up(here, target, images)
    every = {one for image in images.values() for one in image.diff_ids}
    target.tell(Note(host, f"sending {name}: {len(cargo.layers)} of {len(every)} layers, {amount(cargo.size)}"))

    def moved(done: int) -> None:
        target.tell(Progress(host, f"send {name}", done, cargo.size))

    try:
        return staged.load(target, list(images), cargo.pieces, cargo.codec, moved)
    except HostLost as error:
        raise HostLost(
            f"the connection broke while {name} was sent", host=host, next="run it again: what has arrived stays there"
        ) from error
    except CommandFailed as error:
        code = error.codes[0] if error.codes else 0
        if code == staged.NOT_WRITTEN:
            raise _Full(
                f"{target.state}/ship cannot be written, so {name} was not sent: {error.stderr}",
                host=host,
                next="make room there, and run this again: what has arrived stays there",
            ) from None
        if no_room(error):
            full = load_failed(target, name, error)
            raise _Full(full.what, host=host, next=full.next) from None
        if code == staged.DAMAGED:
            Cache().forget(cargo.layers)
        raise


def _ship_whole(here: Target, target: Target, images: Mapping[str, ImageInfo], why: str) -> int:
    send = list(images)
    target.tell(Note(target.host.name, f"{', '.join(send)}: all of it is sent, because {why}", warning=True))
    target.run(staged.clear_command(target.host, target.state), check=False)
    went = stream(here, target, send, sum({image.id: image.size for image in images.values()}.values()))
    broken = missing(images, images_of(target, send), send)
    if broken:
        raise OpsError(
            f"{', '.join(broken)}: the engine loaded the stream, but the image there is not the one that was sent",
            host=target.host.name,
            next=f"docker image rm {' '.join(broken)} there, and run this again",
        )
    return went


def amount(count: int) -> str:
    """Bytes as a person reads them."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def same_engine(here: Target, target: Target) -> bool:
    """Whether both are this machine and the same engine on it."""
    return here.host.is_local and target.host.is_local and here.host.docker == target.host.docker
