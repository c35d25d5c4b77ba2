"""Building the images of a project, and getting those that nobody builds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.compose.project import Project
from opslib.compose.script import docker_script
from opslib.errors import CommandFailed, OpsError
from opslib.events import Note, Output
from opslib.images.info import ImageInfo, images_of

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

BUILD = 2 * 3600.0  # seconds for building or pulling
_KEPT = 15  # of a failed build's lines


def to_build(project: Project, services: Iterable[str] = ()) -> list[str]:
    """The services that have a `build:`, all of them or those named."""
    chosen = set(services)
    return [name for name, one in project.services.items() if one.build and (not chosen or name in chosen)]


def to_pull(project: Project, services: Iterable[str] = ()) -> dict[str, str]:
    """Image -> a service that uses it, for the images that no service of the project builds."""
    built = {service.image for service in project.services.values() if service.build}
    chosen = set(services)
    found: dict[str, str] = {}
    for name, service in project.services.items():
        if service.image not in built and (not chosen or name in chosen):
            found.setdefault(service.image, name)
    return found


def build_command(host: Host, project: Project, services: Iterable[str], platform: str | None = None) -> Command:
    """`docker compose build` of the services; what it says comes on standard output."""
    env = {"DOCKER_DEFAULT_PLATFORM": platform} if platform else None
    compose = project.compose(host, "--ansi", "never", "build", "--", *services, env=env, limit=BUILD)
    return _said_together(compose)


def build(
    target: Target,
    project: Project,
    services: Iterable[str] = (),
    *,
    tag_as: Mapping[str, str] | None = None,
    platform: str | None = None,
) -> dict[str, ImageInfo]:
    """Build the services that have a `build:` on the target's engine, from its folder `project.root`.

    `tag_as` gives a service's image a second tag, that of a release. Returns service -> image. Lines are told as
    Output. Raises OpsError with the last lines of a build that fails.
    """
    names = to_build(project, services)
    if not names:
        return {}
    host = target.host
    target.tell(Note(host.name, f"building {', '.join(names)}"))
    _shown(target, project, build_command(host, project, names, platform), f"building {', '.join(names)} failed")
    images = images_of(target, [project.services[name].image for name in names])
    gone = [name for name in names if project.services[name].image not in images]
    if gone:
        raise OpsError(f"the build of {', '.join(gone)} ended well but made no image", host=host.name)
    tags = {project.services[name].image: tag for name, tag in (tag_as or {}).items() if name in names}
    if tags:
        target.run(tag_command(host, {images[image].id: tag for image, tag in tags.items()}))
    return {name: images[project.services[name].image] for name in names}


def tag_command(host: Host, tags: Mapping[str, str]) -> Command:
    """Give images further tags: image (ID or tag) -> new tag."""
    words = [word for pair in tags.items() for word in pair]
    return docker_script(host, 'while (($#)); do docker image tag "$1" "$2" || exit; shift 2; done', *words)


def pull_command(host: Host, project: Project, service: str) -> Command:
    """`docker compose pull` of one service."""
    return project.compose(host, "--ansi", "never", "pull", "--quiet", "--", service, limit=BUILD)


def pull_missing(target: Target, project: Project, services: Iterable[str] = ()) -> list[str]:
    """Pull the images that no service builds and that the engine does not have; returns them.

    Raises OpsError naming the image and what the registry answered, or that no registry can be reached.
    """
    images = to_pull(project, services)
    there = images_of(target, images)
    absent = [image for image in images if image not in there]
    for image in absent:
        target.tell(Note(target.host.name, f"pulling {image}"))
        try:
            target.run(pull_command(target.host, project, images[image]))
        except CommandFailed as error:
            raise pull_failed(image, project.masked(error.stderr)).on(target.host.name) from None
    return absent


_OFFLINE = re.compile(
    r"no such host|dial tcp|i/o timeout|network is unreachable|connection refused|TLS handshake"
    r"|temporary failure in name|context deadline exceeded|Client\.Timeout",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"manifest unknown|not found|does not exist|access denied|access to the resource is denied|unauthorized|denied:",
    re.IGNORECASE,
)


def pull_failed(image: str, said: str) -> OpsError:
    """The error for a pull that failed, from what Compose said."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("time=")]
    answer = re.sub(r"^Error response from daemon: ", "", lines[-1]) if lines else "no answer"
    if _OFFLINE.search(answer):
        return OpsError(
            f"image {image} is not there, and its registry cannot be reached: {answer}",
            next=f"docker pull {image} there when it is online, or send it: docker save {image} | ssh … docker load",
        )
    if _UNKNOWN.search(answer):
        return OpsError(
            f"image {image} does not exist, or its registry does not give it: {answer}",
            next="correct its name in the compose file, or `docker login` there if it is private",
        )
    return OpsError(f"image {image} cannot be pulled: {answer}", next=f"docker pull {image}")


def _said_together(cmd: Command) -> Command:
    """The command with its standard error on its standard output, so that its lines can be shown in their order."""
    stage = cmd.stages[0]
    return Command(
        (type(stage)(("bash", "-c", 'exec "$@" 2>&1', "opslib", *stage.argv), stage.env, stage.cwd),), limit=cmd.limit
    )


def _shown(target: Target, project: Project, cmd: Command, failure: str) -> None:
    last: list[str] = []
    try:
        for line in target.lines(cmd):
            text = project.masked(line)
            target.tell(Output(target.host.name, text))
            last = [*last[1 - _KEPT :], text]
    except CommandFailed:
        shown = "".join(f"\n    | {line[:300]}" for line in last)
        raise OpsError(f"{failure}:{shown}", host=target.host.name) from None
