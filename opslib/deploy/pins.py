"""Which image each service gets, and the tag that keeps it: decided purely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opslib.compose.project import Project
from opslib.deploy.render import tag_for
from opslib.images.info import ImageInfo
from opslib.state.releases import Pin, Release


@dataclass(frozen=True, slots=True)
class Images:
    """The images of a project by name. `pins` are known already, `build` are the services to build (image -> one of
    them), `fetch` the images that neither the server nor a build has."""

    pins: dict[str, Pin]
    build: dict[str, str]
    fetch: tuple[str, ...]

    @property
    def unknown(self) -> frozenset[str]:
        """The images that only a build or a pull will make known."""
        return frozenset({*self.build, *self.fetch})


def choose(
    project: Project,
    there: Mapping[str, ImageInfo],
    last: Release | None,
    keys: Mapping[str, str],
    services: Mapping[str, str],
    release: str,
    *,
    again: bool = False,
) -> Images:
    """`there` are images of the server by reference, `keys` say what each image that we build would be built from
    now, and `services` by which service. `again` builds all of them anew."""
    pins: dict[str, Pin] = {}
    build: dict[str, str] = {}
    fetch: list[str] = []
    for name in dict.fromkeys(service.image for service in project.services.values()):
        kept = kept_of(name, last, there)
        if name in keys:
            same = last is not None and keys[name] and last.builds.get(name) == keys[name]
            if same and kept is not None and not again:
                pins[name] = kept
            else:
                build[name] = services[name]
        elif name in there:
            pins[name] = pin(name, there, kept, release, pins)
        elif kept is not None:
            pins[name] = kept
        else:
            fetch.append(name)
    return Images(pins, build, tuple(fetch))


def pin(name: str, there: Mapping[str, ImageInfo], kept: Pin | None, release: str, taken: Mapping[str, Pin]) -> Pin:
    """The image of that name under the tag that it has already if it is the last release's, else under this release's.
    One that differs from the last release's in nothing but the commit that it was built from is that one."""
    image = there[name]
    if kept is not None and there[kept.tag].content == image.content:
        return kept
    return Pin(name, image.id, tag_for(name, release, {one.tag for one in taken.values()}), image.diff_ids)


def kept_of(name: str, last: Release | None, there: Mapping[str, ImageInfo]) -> Pin | None:
    """The last release's image of that name, if it is still there under its tag."""
    for one in last.images.values() if last else ():
        if one.name == name and one.tag in there and there[one.tag].id == one.id:
            return one
    return None
