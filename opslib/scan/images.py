"""Which images a scan looks at: all that the stack runs, and all that its compose files want; each one once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from opslib.compose.project import Project
from opslib.compose.stack import Stack, look
from opslib.errors import BadSettings, OpsError
from opslib.images.info import ImageInfo, images_of
from opslib.settings.decode import nearest
from opslib.state.project import project_here
from opslib.target.base import Target


@dataclass(frozen=True, slots=True)
class Subject:
    """An image to scan: what it is called, the services that use it, the machine whose engine has it (None: no engine
    has it, and the scanner asks its registry), and what that engine says of it. `wanted`: the compose files want it;
    else it only runs."""

    name: str
    services: tuple[str, ...] = ()
    at: Target | None = None
    info: ImageInfo | None = None
    wanted: bool = True

    @property
    def ref(self) -> str:
        """What names exactly this image there."""
        return self.info.id if self.info else self.name


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a scan is asked for: one image, one or several services, or (neither) all of the stack."""

    image: str | None = None
    services: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is the whole stack."""
        return self.image is None and not self.services


def subjects(target: Target, here: Target, root: Path, asked: Wanted) -> list[Subject]:
    """The images, in the order of their names. Raises BadSettings for a service that is not there, and for one that has
    to be built first."""
    if asked.image is not None:
        return _located([Subject(asked.image)], target, here)
    project, _ = project_here(target, here, root)
    stack = look(target, project.name)
    for name in asked.services:
        if name not in project.services:
            raise BadSettings(f"there is no service {name!r}{nearest(name, project.services)}", host=target.host.name)
    found = _located(used(project, stack, asked.services), target, here)
    unbuilt = [name for one in found if one.at is None for name in one.services if _built(project, name)]
    if unbuilt:
        raise BadSettings(
            f"{', '.join(sorted(unbuilt))}: the image has not been built", host=target.host.name,
            left="everything", next="inv build",
        )  # fmt: skip
    return found


def _built(project: Project, service: str) -> bool:
    return service in project.services and project.services[service].build is not None


def used(project: Project, stack: Stack, services: Sequence[str]) -> list[Subject]:
    """Each image by its name, and those that containers run by their ids; with the services that use them."""
    wanted: dict[str, list[str]] = {}
    runs: dict[str, list[str]] = {}
    for service in project.services.values():
        if not services or service.name in services:
            wanted.setdefault(service.image, []).append(service.name)
    for container in stack.running:
        if not services or container.service in services:
            runs.setdefault(container.image_id, []).append(container.service)
    return [
        Subject(name, tuple(dict.fromkeys(users)), wanted=names is wanted)
        for names in (wanted, runs)
        for name, users in names.items()
    ]


def _located(found: Sequence[Subject], target: Target, here: Target) -> list[Subject]:
    """Where each image is: on the host, else on this machine. The same image under several names is one."""
    names = [one.name for one in found]
    machines = [target] if target.host.is_local else [target, here]
    there = [(machine, images_of(machine, names)) for machine in machines]
    by_content: dict[str, Subject] = {}
    for one in found:
        machine, info = _place(one.name, there)
        content = info.content if info else one.name
        before = by_content.get(content)
        if before is None:
            by_content[content] = replace(one, at=machine, info=info)
        else:  # those that are wanted come first, with their names
            by_content[content] = replace(before, services=tuple(dict.fromkeys((*before.services, *one.services))))
    return sorted(by_content.values(), key=lambda one: one.name)


def _place(
    name: str, there: Sequence[tuple[Target, Mapping[str, ImageInfo]]]
) -> tuple[Target, ImageInfo] | tuple[None, None]:
    return next(((machine, images[name]) for machine, images in there if name in images), (None, None))


def nearer(found: Sequence[Subject], machine: Target) -> list[Subject]:
    """The same, but those that the scanner's own engine has as well are taken from there: nothing has to travel."""
    away = [one for one in found if one.at is not None and not same_machine(one.at, machine)]
    if not away:
        return list(found)
    try:
        there = {info.content: info for info in images_of(machine, [one.name for one in away]).values()}
    except OpsError:  # a machine without an engine can scan archives
        return list(found)
    return [
        replace(one, at=machine, info=there[one.info.content])
        if one in away and one.info is not None and one.info.content in there
        else one
        for one in found
    ]


def same_machine(one: Target, other: Target) -> bool:
    """Whether they are two ways to the same engine."""
    return one is other or (one.host.is_local and other.host.is_local)
