"""The releases of a project: `<state>/releases/ID/`, plain files that a person can read and bring back by hand.

`release.json` says what it is, `stack.yml` is the whole stack as Docker Compose resolved it with its images pinned
(0600: it holds every secret), `swarm.yml` the same as a Swarm takes it, `compose/` has the compose files and what they
mount, `env` is the env file (0600), `files.sha256` lists what was on the server. Releases are ordered by their ids,
which begin with the time; "0" is the stack that was found running.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from opslib.command import bash, quote
from opslib.compose.project import compose_command
from opslib.compose.script import read_all, sections
from opslib.errors import BadSettings, OpsError
from opslib.target.base import Target
from opslib.target.docker import docker
from opslib.target.transfer import put_bytes

Outcome = Literal["pending", "good", "failed"]
ADOPTED = "0"
SWARM = "swarm"  # the strategy whose containers are tasks of a Swarm
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")

_READ = """for f in "$1"/releases/*/release.json; do
  [ -e "$f" ] && { printf '# release\\n'; cat -- "$f"; printf '\\n'; }; done; true"""


class Pin(msgspec.Struct, frozen=True):
    """The image of a service: what the compose files call it, what it is, and the tag that keeps it."""

    name: str
    id: str
    tag: str
    diff_ids: tuple[str, ...] = ()


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One deployed version. `images` and `hashes` (Compose's own digests of what runs) are by service, `builds` says
    by image name what its build was made from. `in_place`: it was deployed in the project's own folder. `env` and
    `env_here` are digests of the env file there and here, `revision` is the schema's after it, `seconds` the whole
    deploy and `gap` the time from the first stop to healthy. `restored`: the release whose content it has again.
    `private` are files of it that hold passwords, beside the env file.
    `backup`: the backup set that was made before it, which stays as long as the release does.
    `variables`: it is the release before it with other values of these. `rotated`: those of them that were renewed: no
    rollback brings the old ones back.
    """

    id: str
    at: str
    by: str
    project: str
    outcome: Outcome = "pending"
    strategy: str = "recreate"
    commit: str | None = None
    dirty: bool = False
    adopted: bool = False
    in_place: bool = False
    rollback_of: str | None = None
    restored: str | None = None
    images: dict[str, Pin] = {}
    hashes: dict[str, str] = {}
    builds: dict[str, str] = {}
    env_file: str | None = None
    env: str | None = None
    env_here: str | None = None
    private: tuple[str, ...] = ()
    migration: dict[str, str | None] | None = None
    revision: str | None = None
    backup: str | None = None
    variables: tuple[str, ...] = ()
    rotated: tuple[str, ...] = ()
    seconds: float = 0.0
    gap: float = 0.0


decode = msgspec.json.Decoder(Release).decode  # one thread makes it, as of manifests
"""A release from its record. Raises msgspec.MsgspecError."""


def folder(target: Target, release: str) -> str:
    """Where a release stands. Raises BadSettings for what is no release's id."""
    if not _ID.match(release):
        raise BadSettings(f"{release!r} is no release", host=target.host.name, next="inv releases")
    return f"{target.state}/releases/{release}"


def stack_file(target: Target, release: str) -> str:
    """The pinned stack of a release."""
    return f"{folder(target, release)}/stack.yml"


def swarm_file(target: Target, release: str) -> str:
    """The same as `docker stack deploy` takes it, where the strategy is swarm."""
    return f"{folder(target, release)}/swarm.yml"


def read(target: Target) -> list[Release]:
    """Every release, oldest first. One round trip. Raises OpsError for a record that cannot be read."""
    found = []
    for line in sections(read_all(target, bash(_READ, target.state))).get("release", []):
        try:
            found.append(decode(line))
        except msgspec.MsgspecError as error:
            raise OpsError(
                f"a release's record cannot be read: {error}",
                host=target.host.name,
                left="everything",
                next=f"look at {target.state}/releases/*/release.json",
            ) from None
    return sorted(found, key=lambda one: (one.id != ADOPTED, one.id))


def write(target: Target, release: Release) -> None:
    """Write a release's record, whole or not at all."""
    put_bytes(target, msgspec.json.encode(release) + b"\n", f"{folder(target, release.id)}/release.json", mode=0o660)


def make_folder(target: Target, release: str) -> str:
    """Make a release's folder, for the whole group, and return it."""
    path = folder(target, release)
    target.run(bash('umask 007; mkdir -p -- "$1/compose"', path))
    return path


def current(releases: Sequence[Release]) -> Release | None:
    """The release that runs: the newest good one."""
    return next((one for one in reversed(releases) if one.outcome == "good"), None)


def find(releases: Sequence[Release], wanted: str, host: str) -> Release:
    """A good release by its id or an unambiguous end or beginning of it. Raises BadSettings."""
    exact = [one for one in releases if one.id == wanted]
    near = exact or [one for one in releases if wanted and (one.id.startswith(wanted) or one.id.endswith(wanted))]
    if len(near) != 1:
        why = f"{wanted!r} is no release" if not near else f"{wanted!r} may be {' or '.join(one.id for one in near)}"
        raise BadSettings(why, host=host, next="inv releases")
    if near[0].outcome != "good":
        raise BadSettings(f"release {near[0].id} never ran well ({near[0].outcome})", host=host, next="inv releases")
    return near[0]


def previous(releases: Sequence[Release], host: str) -> Release:
    """The good release before the one that runs. Raises BadSettings where there is none."""
    good = [one for one in releases if one.outcome == "good"]
    if len(good) < 2:
        raise BadSettings("there is no earlier release to go back to", host=host, next="inv releases")
    return good[-2]


def outdated(releases: Sequence[Release], keep: int) -> list[Release]:
    """What is beyond `keep` good releases, and the failed ones older than those; never the one that runs."""
    good = [one for one in releases if one.outcome == "good"]
    kept = {one.id for one in good[-max(keep, 1) :]}
    first = next((at for at, one in enumerate(releases) if one.id in kept), 0)
    return [one for one in releases[:first] if one.id not in kept]


def backups(releases: Iterable[Release]) -> frozenset[str]:
    """The backup sets that releases point to; one that failed cannot be gone back to."""
    return frozenset(one.backup for one in releases if one.backup and one.outcome != "failed")


def unused_tags(gone: Iterable[Release], kept: Iterable[Release]) -> list[str]:
    """The tags that only releases that go have."""
    needed = {pin.tag for one in kept for pin in one.images.values()}
    return sorted({pin.tag for one in gone for pin in one.images.values()} - needed)


def up_command(target: Target, release: Release) -> str:
    """The plain docker command that brings the release's containers back."""
    if release.strategy == SWARM:
        words = ["--compose-file", swarm_file(target, release.id), "--prune", "--resolve-image", "never"]
        return docker(target.host, "stack", "deploy", *words, release.project).masked()
    path = folder(target, release.id)
    flags = ["up", "--detach", "--no-build", "--remove-orphans"]
    env = f"{path}/env" if release.env else None
    return compose_command(target.host, target.root, release.project, [f"{path}/stack.yml"], env, *flags).masked()


def by_hand(target: Target, release: Release) -> list[str]:
    """What a person types on the server to bring the release back without opslib: its files, its env file, its
    containers. Data and migrations stay as they are."""
    path, root = folder(target, release.id), target.root
    lines = []
    if not release.in_place:
        lines.append(f"cp -a -- {quote(path + '/compose/.')} {quote(root + '/')}")
        if release.env_file and release.env:
            lines.append(f"install -m 600 -- {quote(path + '/env')} {quote(f'{root}/{release.env_file}')}")
    if release.strategy == SWARM:
        return [*lines, up_command(target, release)]
    label = f"label=com.docker.compose.project={release.project}"
    created = docker(target.host, "ps", "-aq", "--filter", label, "--filter", "status=created").masked()
    remove = docker(target.host, "rm").masked()
    lines.append(f"for c in $({created}); do {remove} $c; done")
    lines.append(up_command(target, release))
    return lines
