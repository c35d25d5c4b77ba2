"""Building the images of a project, and getting those that nobody builds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from opslib.command import Command, Secret
from opslib.compose.project import Project
from opslib.compose.script import docker_script
from opslib.errors import CommandFailed, OpsError
from opslib.events import Note, Output
from opslib.images import build_cache
from opslib.images.bake import entry
from opslib.images.builder import BUILD, build_command, build_secrets, look_at_builder
from opslib.images.info import ORIGIN, ImageInfo, images_of
from opslib.images.revision import PATTERN, Revision, version_tag
from opslib.settings.model import Build
from opslib.target.process import mask

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

KEEP = 5  # versions of an image whose tags stay where it is built
_KEPT = 15  # of a failed build's lines
_LABELS = f"""for ref; do
  docker image inspect --format '{{{{index .Config.Labels "{ORIGIN}version"}}}}' -- "$ref" || exit; done"""
_EMULATE = "the image is for another kind of processor: install emulation (binfmt) where it is built, or `build: {on: \
remote}` in the host file"
# $1 how many stay, $2 what a version looks like, then image and tag in turn.
_VERSIONS = """keep=$1 like=$2; shift 2
while (($#)); do
  docker image tag "$1" "$2" || exit; name=${2%:*}; shift 2
  docker image ls --format '{{.Tag}}' "$name" | sort -ru | { n=0; while read -r tag; do
    [[ ! $tag =~ ^$like$ ]] || ((++n <= keep)) || docker image rm -- "$name:$tag" >/dev/null 2>&1; done; }
done; true"""


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


def build(
    target: Target,
    project: Project,
    services: Iterable[str] = (),
    *,
    settings: Build | None = None,
    revision: Revision | None = None,
    no_cache: bool = False,
    keep: int = KEEP,
    secrets: Mapping[str, Secret] | None = None,
) -> dict[str, ImageInfo]:
    """Build the services that have a `build:` on the target's engine, from its folder `project.root`, those with the
    same image once.

    The images get the labels and the tag of the `revision`; tags of older ones than the newest `keep` go. `secrets` are
    the variables of build secrets; None: Compose on the target knows them. Returns service -> image. Lines are told as
    Output. Raises OpsError with the last lines of a build that fails, BadSettings for a cache that cannot be written.
    """
    names = to_build(project, services)
    if not names:
        return {}
    host, settings = target.host, settings or Build()
    builder = look_at_builder(target)
    build_cache.refuse_export(target, settings.cache_to, builder.driver)
    if secrets is None:
        secrets = build_secrets(target, project, names)
    once = {project.services[name].image: name for name in reversed(names)}
    inline = build_cache.readable(target, settings.cache_from, builder.driver, once)
    entries = {
        name: entry(project, name, settings, revision, cache_root=target.root, inline=inline)
        for name in sorted(once.values())
    }
    target.tell(Note(host.name, f"building {', '.join(names)}"))
    command = build_command(host, project, entries, builder, no_cache=no_cache, secrets=secrets)
    _shown(target, project, command, f"building {', '.join(names)} failed")
    build_cache.put_in_place(target, build_cache.folders(settings.cache_to, entries, target.root))
    images = images_of(target, once)
    gone = [name for name in names if project.services[name].image not in images]
    if gone:
        raise OpsError(f"the build of {', '.join(gone)} ended well but made no image", host=host.name)
    if revision:
        target.run(version_command(host, images, revision.version, keep))
    return {name: images[project.services[name].image] for name in names}


def versions_of(target: Target, images: Iterable[str]) -> dict[str, str]:
    """The version of each of these images that was built of a commit. One round trip. Raises CommandFailed for one that
    is not there."""
    images = list(images)
    said = target.run(docker_script(target.host, _LABELS, *images)).out.decode().split("\n")
    return {one: text for one, text in zip(images, said, strict=False) if re.fullmatch(PATTERN, text)}


def version_command(host: Host, images: Iterable[str], version: str, keep: int) -> Command:
    """Tag the images with their version, and remove the tags of versions beyond the newest `keep` of each. One that a
    container still has stays."""
    pairs = [word for image in images for word in (image, version_tag(image, version))]
    return docker_script(host, _VERSIONS, str(keep), PATTERN, *pairs)


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


def _shown(target: Target, project: Project, cmd: Command, failure: str) -> None:
    last: list[str] = []
    try:
        for line in target.lines(cmd):
            text = mask(project.masked(line), cmd.secrets())
            target.tell(Output(target.host.name, text))
            last = [*last[1 - _KEPT :], text]
    except CommandFailed:
        shown = "".join(f"\n    | {line[:300]}" for line in last)
        other = any("exec format error" in line for line in last)
        raise OpsError(f"{failure}:{shown}", host=target.host.name, next=_EMULATE if other else None) from None
