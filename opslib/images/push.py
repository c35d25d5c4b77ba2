"""Pushing images to a registry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.compose.script import docker_script
from opslib.errors import CommandFailed, OpsError
from opslib.images.info import ORIGIN, images_of, split_name
from opslib.images.revision import PATTERN, version_tag

if TYPE_CHECKING:
    from opslib.settings.model import Host, Registry
    from opslib.target.base import Target

LIMIT = 6 * 3600.0  # seconds for all images

# $1 the registry, $2 the user or nothing, then image and what it is pushed as in turn; the password on standard input.
# The login is in a folder of its own, in memory where there is such a place, and goes with it.
_PUSH = """registry=$1 user=$2; shift 2; own=()
if [[ -n $user ]]; then
  shm=/tmp; [[ ! -w /dev/shm ]] || shm=/dev/shm
  folder=$(mktemp -d -p "$shm") || exit; trap 'rm -rf -- "$folder"' EXIT
  engine=$(docker context inspect --format '{{.Endpoints.docker.Host}}') || exit
  own=(--config "$folder" --host "$engine")
  docker "${own[@]}" login --username "$user" --password-stdin "$registry" >/dev/null || exit
fi
while (($#)); do
  docker image tag "$1" "$2" && docker "${own[@]}" push --quiet "$2" </dev/null || exit; shift 2
done"""
_VERSIONS = f"""for ref; do
  docker image inspect --format '{{{{index .Config.Labels "{ORIGIN}version"}}}}' -- "$ref" || exit; done"""
_UNTAG = 'for tag; do docker image rm -- "$tag" >/dev/null || exit; done'


def pushed_as(image: str, registry: Registry) -> str:
    """The image's name in the registry: what it is called in the compose files, below the registry's repository unless
    it stands there already."""
    name, tag = split_name(image)
    if name.startswith(f"{registry.repository}/"):
        return f"{name}:{tag}"
    first, slash, rest = name.partition("/")
    return f"{registry.repository}/{rest if slash and re.search('[.:]|^localhost$', first) else name}:{tag}"


def push_command(host: Host, registry: Registry, pairs: Mapping[str, str]) -> Command:
    """Push images: what they are pushed as -> the image here."""
    words = [word for there, here in pairs.items() for word in (here, there)]
    at = registry.repository.partition("/")[0]
    cmd = docker_script(host, _PUSH, at, registry.user or "", *words, limit=LIMIT)
    return cmd.with_(feed=registry.password) if registry.password else cmd


def versions_of(target: Target, images: Iterable[str]) -> dict[str, str]:
    """The version that each image was built as, for those that were built of a commit. One round trip."""
    images = list(images)
    said = target.run(docker_script(target.host, _VERSIONS, *images)).out.decode().split("\n")
    return {one: text for one, text in zip(images, said, strict=False) if re.fullmatch(PATTERN, text)}


def push(target: Target, registry: Registry, images: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """Push images that the target's engine has, under their tag and their version; returns for each what it was pushed
    as, with the digest. Raises OpsError with what the registry answered."""
    images = list(dict.fromkeys(images))
    versions = versions_of(target, images)
    names = {image: [pushed_as(image, registry)] for image in images}
    for image, version in versions.items():
        names[image].insert(0, version_tag(names[image][0], version))
    pairs = {there: image for image, all_ in names.items() for there in all_}
    try:
        target.run(push_command(target.host, registry, pairs))
    except CommandFailed as error:
        raise push_failed(registry, error.stderr).on(target.host.name) from None
    there = images_of(target, pairs)
    foreign = [name for name, image in pairs.items() if split_name(name)[0] != split_name(image)[0]]
    target.run(docker_script(target.host, _UNTAG, *foreign))
    return {image: [(name, _digest(name, there[name].repo_digests)) for name in all_] for image, all_ in names.items()}


def _digest(name: str, digests: Iterable[str]) -> str:
    repository = split_name(name)[0]
    return next((one.partition("@")[2] for one in digests if one.startswith(f"{repository}@")), "")


def push_failed(registry: Registry, said: str) -> OpsError:
    """The error for a push that failed, from what docker said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    answer = re.sub(r"^Error response from daemon: ", "", lines[-1]) if lines else "no answer"
    at = registry.repository.partition("/")[0]
    denied = re.search(r"unauthorized|denied|no basic auth|authentication required|401", answer, re.IGNORECASE)
    login = "see `registry:` in the host file" if registry.user else f"docker login {at} on the machine that builds"
    return OpsError(
        f"{registry.repository} does not take the images: {answer}",
        left="the images here, as they were built",
        next=login if denied else f"look whether {at} answers, and run it again: what it has is not sent twice",
    )
