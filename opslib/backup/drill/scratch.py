"""The scratch place of a drill: fresh servers of the recorded images, volumes and a folder, that belong to a Compose
project of their own. To a restore they are a stack like any other, so that it needs to know nothing of drills; they
have no network and share nothing with the stack that runs."""

from __future__ import annotations

import posixpath
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from opslib.backup.databases import DATABASES
from opslib.backup.manifest import Artifact
from opslib.backup.restore.context import Context, Place
from opslib.command import Secret, bash
from opslib.compose.script import docker_script
from opslib.compose.stack import LABEL
from opslib.engines.known import ENGINES
from opslib.errors import OpsError
from opslib.images.pull import ensure_pulled
from opslib.target.base import Target
from opslib.target.docker import docker, mount

_EMPTY = 'cd -- "$1" && find . -mindepth 1 -delete'
# $1 the project
_AWAY = """l=label=com.docker.compose.project=$1
ids=$(docker ps -aq --filter "$l") && { [ -z "$ids" ] || docker rm -fv $ids >/dev/null; } || exit
names=$(docker volume ls -q --filter "$l") && { [ -z "$names" ] || docker volume rm $names >/dev/null; }"""


@dataclass(frozen=True, slots=True)
class Server:
    """A fresh server for the artifacts of one service: `at` is the folder that it needs a volume for, "" for none."""

    service: str
    kind: str
    image: str
    at: str = ""


def project(run_id: str) -> str:
    """The scratch project of a run; Compose allows small letters, digits, `-` and `_`."""
    return "opslib-drill-" + re.sub(r"[^a-z0-9]+", "-", run_id.lower())


def servers(artifacts: Sequence[Artifact]) -> list[Server]:
    """The servers that the artifacts need, by service. Raises OpsError for an artifact that does not say its image."""
    found: dict[str, Server] = {}
    for one in artifacts:
        if one.kind in DATABASES and one.service is not None:
            if not one.image:
                raise OpsError(f"{one.title} does not say which image it was made with", left="everything")
            at = str(one.facts.get("dir") or "")  # of an engine whose files are replaced, not only asked
            found.setdefault(one.service, Server(one.service, one.kind, one.image, at))
    return list(found.values())


def redirected(artifact: Artifact, number: int, name: str, folder: str) -> Artifact:
    """The same artifact, with the scratch place where it says that it belongs: in the project `name`, and below the
    folder `folder`."""
    facts: dict[str, Any] = dict(artifact.facts)
    if artifact.kind == "volume":
        facts |= {"volume": f"{name}_{number}", "key": "", "labels": {f"{LABEL}project": name}, "driver": "local"}
    elif artifact.kind == "files":
        facts["base"] = f"{folder}/{number}"
    elif artifact.kind == "sqlite":
        facts |= {"place": "bind", "folder": f"{folder}/{number}"}
    return replace(artifact, facts=facts)


def folders(artifacts: Sequence[Artifact]) -> list[str]:
    """The folders that redirected artifacts go to."""
    return [
        str(one.facts.get("base") or one.facts.get("folder")) for one in artifacts if one.kind in ("files", "sqlite")
    ]


def fetch_images(target: Target, wanted: Sequence[Server]) -> None:
    """Pull the images that are not there. Raises OpsError for one that cannot be had."""
    again = "docker pull {}, or build it, and run the drill again"
    ensure_pulled(target, (one.image for one in wanted), "the recorded image", next=again)


def start(target: Target, name: str, wanted: Sequence[Server]) -> None:
    """Start the servers, each with a password of its own where its image asks for one."""
    for number, one in enumerate(wanted):
        env = {variable: Secret(secrets.token_hex(16)) for variable in ENGINES[one.kind].passwords}
        labels = {"project": name, "service": one.service, "container-number": "1", "oneoff": "False"}
        flags = [word for key, value in labels.items() for word in ("--label", f"{LABEL}{key}={value}")]
        flags += [word for variable in env for word in ("-e", variable)]
        if one.at:
            volume = f"{name}_data{number}"
            target.run(docker(target.host, "volume", "create", "--label", f"{LABEL}project={name}", volume))
            flags += ["--mount", mount("volume", volume, one.at)]
        words = ["run", "-d", "--name", f"{name}-{number}", "--network", "none", "--pull", "never", *flags, one.image]
        target.run(docker(target.host, *words, env=env, limit=120.0))


def make_folders(target: Target, paths: Sequence[str]) -> None:
    """Make the folders, for nobody else to read."""
    if paths:
        target.run(bash('umask 077; mkdir -p -- "$@"', *paths))


def remove(ctx: Context, folder: str) -> None:
    """Take everything away, whole or half or not at all. Idempotent."""
    target = ctx.target
    if ctx.tools:
        target.run(docker_script(target.host, _AWAY, ctx.project, limit=600))
    if target.run(bash('[ ! -d "$1" ] || echo there', folder)).text:  # what is in it belongs to whomever it did
        target.run(ctx.script(_EMPTY, Place(kind="folder", source=folder)))
        target.run(bash('rmdir -- "$1"', folder))


def leftovers(target: Target, run_id: str) -> None:
    """Remove the marks that parts which could not be loaded have left beside the recovery log."""
    short = "".join(char for char in run_id if char.isalnum())
    target.run(bash('rm -f -- "$1"/reloading.*-"$2" "$1"/users.*-"$2"', posixpath.normpath(target.state), short))
