"""Images by way of a registry: pushed once from here, pulled by digest on each server; no login stays behind."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.compose.script import docker_script
from opslib.errors import CommandFailed, OpsError
from opslib.events import Note
from opslib.images.info import images_of
from opslib.images.ship import Shipped, lacked, missing, ship

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.settings.registry import Registry
    from opslib.target.base import Target

LIMIT = 2 * 3600.0  # seconds for one image
NO_LOGIN = 77

# $1 the .opslib folder, $2 the registry, $3 the user or nothing; the password is on standard input. The folder of the
# login goes away with this command; what a loss of power left of one the next removes.
_LOGIN = """set -o pipefail; umask 077; folder=$1/login.$UID; registry() { docker "$@"; }; rm -rf -- "$folder"
if [ -n "$3" ]; then
  trap 'rm -rf -- "$folder"' EXIT; trap 'exit 143' TERM; mkdir -p -- "$folder" || exit
  docker --config "$folder" login --username "$3" --password-stdin "$2" >/dev/null || exit 77
  registry() { docker --config "$folder" "$@"; }
fi
"""
# $4 the image, $5 its name in the registry. Prints what the push said, and the digests.
_PUSH = """docker image tag "$4" "$5" || exit
registry push "$5"; code=$?
docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$5"
[ "$4" = "$5" ] || docker image rm "$5" >/dev/null
exit "$code\""""
# $4 the image, $5 its name and digest in the registry
_PULL = """registry pull --quiet "$5" >/dev/null || exit
docker image tag "$5" "$4" && docker image rm "$5" >/dev/null"""


class Pushes:
    """What a run has pushed: each image once, whichever host asks for it first."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._digests: dict[tuple[str, str], str] = {}

    def digest(self, here: Target, registry: Registry, image: str) -> str:
        """The image's name in the registry with its digest; it is pushed before. Raises OpsError."""
        with self._turn:
            key = (registry.address, image)
            if key not in self._digests:
                self._digests[key] = push(here, registry, image)
            return self._digests[key]


def push(here: Target, registry: Registry, image: str) -> str:
    """Push an image of this machine's engine; returns `NAME@DIGEST`. Raises OpsError with the registry's answer."""
    here.tell(Note(here.host.name, f"pushing {image} to {registry.address}"))
    name = registry.name(image)
    said = _run(here, registry, push_command(here.host, here.state, registry, image), f"{image} was not pushed")
    found = pushed_digest(said, name)
    if found is None:
        raise OpsError(f"{image} was pushed to {registry.address}, and nothing says under which digest")
    return found


def pushed_digest(said: str, name: str) -> str | None:
    """`NAME@DIGEST` of what was just pushed as `name`, from what the push and the engine said."""
    repository = re.sub(r":[^:/]+\Z", "", name)
    told = re.findall(r"(?m)digest: (sha256:[0-9a-f]{64})\b", said)
    listed = re.findall(rf"(?m)^{re.escape(repository)}@(sha256:[0-9a-f]{{64}})$", said)
    found = told or listed
    return f"{repository}@{found[-1]}" if found else None


def pull(target: Target, registry: Registry, digest: str, image: str) -> None:
    """Pull `digest` on the target's engine and call it `image` there. Raises OpsError with the registry's answer."""
    target.tell(Note(target.host.name, f"pulling {image} from {registry.address}"))
    command = pull_command(target.host, target.state, registry, digest, image)
    _run(target, registry, command, f"{image} was not pulled")


def by_registry(here: Target, target: Target, registry: Registry, refs: Iterable[str], pushes: Pushes) -> Shipped:
    """Bring the images of these tags to the target's engine by way of the registry, unless it has them.

    Every image is compared afterwards by its layers and settings; one that the engine there does not list is sent over
    the line. Raises OpsError, HostLost, Cancelled.
    """
    lacking = lacked(here, target, refs)
    for image in lacking:
        pull(target, registry, pushes.digest(here, registry, image), image)
    there = images_of(target, lacking)
    other = [ref for ref in lacking if ref not in there or there[ref].content != lacking[ref].content]
    if other:
        raise OpsError(
            f"{', '.join(other)}: what {registry.address} gave is not what was pushed",
            host=target.host.name,
            next="look whether somebody else writes to that registry, and run this again",
        )
    # containerd fetches no layer that it has unpacked before, although what it keeps of that is in another form
    unlisted = missing(lacking, there, lacking)
    if unlisted:
        why = "the engine does not list it after the pull, as it has layers of it that came another way"
        target.tell(Note(target.host.name, f"{', '.join(unlisted)} goes over the line: {why}", warning=True))
    over = ship(here, target, unlisted)
    return Shipped(tuple(lacking), over.size, over.whole)


def push_command(host: Host, state: str, registry: Registry, image: str) -> Command:
    """Tag, push, untag."""
    return _command(host, _PUSH, state, registry, image, registry.name(image))


def pull_command(host: Host, state: str, registry: Registry, digest: str, image: str) -> Command:
    """Pull, tag, untag."""
    return _command(host, _PULL, state, registry, image, digest)


def _command(host: Host, text: str, state: str, registry: Registry, *words: str) -> Command:
    script = docker_script(host, _LOGIN + text, state, registry.server, registry.user or "", *words, limit=LIMIT)
    return script.with_(feed=registry.password)


def _run(target: Target, registry: Registry, command: Command, failure: str) -> str:
    try:
        return target.run(command).text
    except CommandFailed as error:
        said = (error.stderr.strip().splitlines() or ["it said nothing"])[-1]
        if error.codes == (NO_LOGIN,):
            failure, what = f"{registry.server} did not let {registry.user} in", "`registry:` in the host file"
        else:
            what = "the registry; without `registry:` in the host file images go over the line"
        raise OpsError(f"{failure}: {said}", host=target.host.name, next=f"look at {what}") from None
