"""The caches of the host file, as BuildKit is told of them, and what a builder cannot do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from opslib.command import bash
from opslib.compose.engine import look_at_engine
from opslib.compose.project import absolute
from opslib.errors import BadSettings
from opslib.events import Note
from opslib.images.info import images_of, of_registry
from opslib.target.docker import csv

if TYPE_CHECKING:
    from opslib.settings.caches import Cache
    from opslib.target.base import Target

NEW = ".new"
# A folder's old content is never removed by BuildKit, so each build writes a new one, which takes the place of the old.
_SWAP = """for f; do [[ -d $f.new ]] || continue
  rm -rf -- "$f.old" && { [[ ! -e $f ]] || mv -T -- "$f" "$f.old"; } && mv -T -- "$f.new" "$f" || exit
  rm -rf -- "$f.old"; done"""


def cache_entry(cache: Cache, service: str, image: str, root: str, *, write: bool) -> str:
    """One cache of a service: each has its own folder, or its own tag in the repository. What is `inline` is read from
    the image, in the engine or its registry."""
    if cache.kind == "folder":
        (folder,) = folders(cache, [service], root)
        return csv("type=local", f"dest={folder}{NEW}", "mode=max") if write else csv("type=local", f"src={folder}")
    if cache.kind == "registry":
        return csv("type=registry", f"ref={cache.at}:{service}", *(["mode=max"] if write else []))
    return "type=inline" if write else csv("type=registry", f"ref={image}")


def folders(cache: Cache | None, services: Iterable[str], root: str) -> list[str]:
    """The folders that a cache of these services is written to."""
    return [f"{absolute(root, cache.at)}/{one}" for one in services] if cache and cache.kind == "folder" else []


def readable(target: Target, caches: Iterable[Cache], driver: str, images: Iterable[str]) -> frozenset[str]:
    """The images that a cache `inline` is read from: those of a registry, and those that an engine with the classic
    store has and builds with itself (with containerd's it asks a registry alone). Any other name would be asked for on
    Docker Hub, where it may be somebody else's. Warns of images that it is not read from."""
    if not any(one.kind == "inline" for one in caches):
        return frozenset()
    names = list(images)
    of_registries = {name for name in names if of_registry(name)}
    if driver == "docker" and look_at_engine(target).store != "containerd":
        return frozenset(of_registries.union(images_of(target, names)))
    if left := sorted(set(names) - of_registries):
        why = "the builder there reads it from a registry alone"
        text = f"`cache_from: inline` reads nothing from {', '.join(left)}: {why}"
        target.tell(Note(target.host.name, text, warning=True))
    return frozenset(of_registries)


def refuse_export(target: Target, cache: Cache | None, driver: str) -> None:
    """Raises BadSettings where the builder cannot write such a cache: Docker's own one can only with the containerd
    image store, except for `inline`."""
    if cache is None or cache.kind == "inline" or driver != "docker":
        return
    store = look_at_engine(target).store
    if store != "containerd":
        raise BadSettings(
            f"`cache_to: {cache}`: the builder there is the Docker engine itself, which cannot write a cache to a "
            f"{cache.kind} while its image store is {store}",
            host=target.host.name,
            left="everything",
            next="`cache_to: inline` in the host file; or docker buildx create --use --driver docker-container there; "
            "or the containerd image store",
        )


def put_in_place(target: Target, written: Sequence[str]) -> None:
    """Let the caches that a build has written beside these folders take their place."""
    if written:
        said = target.run(bash(_SWAP, *written, limit=600), check=False)
        if not said.ended.ok:
            target.tell(Note(target.host.name, f"the build cache was not exchanged: {said.ended.stderr.strip()}", True))
