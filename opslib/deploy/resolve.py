"""The stack that a deploy wants, resolved by the Docker Compose of the server it is for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from opslib.command import bash
from opslib.compose.wanted import moved, resolved
from opslib.deploy import place
from opslib.deploy.render import Config
from opslib.deploy.sources import Source
from opslib.errors import OpsError
from opslib.state import releases
from opslib.state.releases import Release
from opslib.target.base import Target

# What the compose files name and this machine does not have is taken as it is on the server.
_LINK = """cd -- "$1" || exit; root=$2; shift 2
for f in "$@"; do
  [[ ! -e $root/$f || -e $f ]] || { mkdir -p -- "$(dirname -- "./$f")"; ln -s -- "$root/$f" "./$f"; }
done"""
# $1 the staging folder, $2 the release's, $3 the env file, $4 the project's folder; the env file's content on stdin.
_COPY = """set -eu; umask 007; mkdir -p -- "${1%/*}"; umask 077; rm -rf -- "$1"; mkdir -p -- "$1/new"
cp -a -- "$2/compose/." "$1/new/"; cd -- "$1/new"; mkdir -p -- "$(dirname -- "./$3")"; rm -f -- "./$3"; cat >"./$3"
shopt -s nullglob dotglob
for f in "$4"/*; do n=${f##*/}; [[ $n = .opslib || -e $n ]] || ln -s -- "$f" "./$n"; done"""


def in_its_folder(target: Target, project: str, files: tuple[str, ...], env_file: str | None) -> Config:
    """The stack from the files that are in the project's folder there. Raises BadSettings."""
    return resolved(target, project, files, env_file)[0]


def in_a_copy(
    target: Target,
    project: str,
    files: tuple[str, ...],
    env_file: str | None,
    *,
    run: str,
    root: Path,
    sources: Mapping[str, Source],
    named: Iterable[str],
    absent: Iterable[str],
    env: bytes | None,
) -> Config:
    """The stack from files that are not in place yet: they are sent into a folder of their own, resolved there, and
    removed again. `named` are those that Compose reads, `absent` those that may be on the server alone. `env` is the
    content of the env file, None for the one there. Raises BadSettings."""
    stage = f"{target.state}/staging/{run}.check"
    send: dict[str, tuple[int, Path | bytes]] = {path: (sources[path].mode, root / path) for path in named}
    links = list(absent)
    if env is not None and env_file:
        send[env_file] = (0o600, env)
    elif env_file:
        links.append(env_file)
    copy = f"{stage}/new"
    try:
        place.send(target, stage, send)
        target.run(bash(_LINK, copy, target.root, *links))
        return _resolved(target, project, files, env_file, copy)
    finally:
        if not target.lost and not target.cancelled:
            place.discard(target, stage)


def in_a_release(
    target: Target, release: Release, files: tuple[str, ...], env_file: str, env: bytes, run: str
) -> Config:
    """The stack from a release's own compose files with `env` as its env file. What they name and the release does not
    have is taken as it is in the project's folder. Raises BadSettings."""
    stage = f"{target.state}/staging/{run}.check"
    copy = f"{stage}/new"
    try:
        target.run(bash(_COPY, stage, releases.folder(target, release.id), env_file, target.root, feed=env))
        target.run(bash(_LINK, copy, target.root, *release.private))
        return _resolved(target, release.project, files, env_file, copy)
    finally:
        if not target.lost and not target.cancelled:
            place.discard(target, stage)


def _resolved(target: Target, project: str, files: tuple[str, ...], env_file: str | None, copy: str) -> Config:
    """What Compose makes of the files in a copy of the project's folder, with the paths of the folder itself."""
    try:
        config = resolved(target, project, files, env_file, root=copy)[0]
    except OpsError as error:
        error.what = error.what.replace(copy, target.root)
        error.message = error.text()
        raise
    there: Config = moved(config, copy, target.root)
    return there


def build_here(build: Mapping[str, Any], there: str, here: str) -> dict[str, Any]:
    """A service's `build:` with its folders on this machine."""
    found: dict[str, Any] = moved(dict(build), there, here)
    return found
