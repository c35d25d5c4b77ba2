"""What one run builds on this machine: each image once, whichever of its hosts asks first."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from typing import Protocol

from opslib.compose.project import Project
from opslib.errors import OpsError
from opslib.images.bake import platform_of
from opslib.images.info import ImageInfo
from opslib.settings.model import Build


class Work(Protocol):
    """Builds services."""

    def __call__(self, *, services: list[str]) -> dict[str, ImageInfo]:
        """Service -> the image that it made."""


class Builds:
    """The images, by name, with what each was built of and for which host."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._known: dict[str, tuple[str, str]] = {}
        self._built: dict[str, ImageInfo] = {}
        self._failed: dict[str, OpsError] = {}

    def once(
        self, host: str, project: Project, services: Iterable[str], settings: Build, work: Work
    ) -> dict[str, ImageInfo]:
        """Service -> image; those that were not built yet are built before, all of them at once.

        Raises OpsError where the build fails, or has failed for another host, and where an image of this name was built
        otherwise for another host: the engine here has one image of a name.
        """
        images = {name: project.services[name].image for name in services}
        with self._turn:
            for name, image in images.items():
                made_of = _made_of(project, name, settings)
                known, other = self._known.setdefault(image, (made_of, host))
                if known != made_of:
                    raise OpsError(
                        f"{image} is built in another way for {other} (build arguments, platform), and there can be "
                        "one image of a name here",
                        host=host,
                        next=f"give it a name of its own with `image:`, or take {host} and {other} one after the other",
                    )
            new = [name for name, image in images.items() if image not in self._built]
            failed = next((self._failed[images[name]] for name in new if images[name] in self._failed), None)
            if failed is not None:
                raise OpsError(failed.what, host=host, left=failed.left, next=failed.next)
            if new:
                self._build(new, images, work)
            return {name: self._built[image] for name, image in images.items()}

    def _build(self, new: list[str], images: dict[str, str], work: Work) -> None:
        try:
            made = work(services=new)
        except OpsError as error:
            if type(error) is OpsError:  # and not an interruption, or a line that broke
                self._failed.update({images[name]: error for name in new})
            raise
        self._built.update({images[name]: image for name, image in made.items()})


def _made_of(project: Project, name: str, settings: Build) -> str:
    """What decides what the image of a service becomes, beside its context."""
    service = project.services[name]
    assert service.build is not None, "only services that are built"
    found = {**service.build.settings, "labels": None, "platforms": platform_of(service, settings.platform)}
    return json.dumps(found, sort_keys=True, default=str)
