"""A release's folder: written before the switch, sealed after it, and cleared away when enough newer ones are there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from opslib.command import Command, bash
from opslib.compose.script import docker_script
from opslib.compose.stack import LABEL
from opslib.run.step import Run
from opslib.settings.model import Host
from opslib.state import releases
from opslib.state.releases import Release
from opslib.state.sums import sums
from opslib.target.base import Target
from opslib.target.transfer import put_bytes, read_file

Memo = dict[str, Any]

# $1 the project's folder, $2 the release's, $3 the env file or empty; the paths on stdin, each ended by NUL.
_COPY = """set -eu; cd -- "$1"; umask 007; mapfile -d '' -t files
for ((i = 0; i < ${#files[@]}; i += 500)); do cp -a --parents -- "${files[@]:i:500}" "$2/compose/"; done
umask 077; rm -f -- "$2/env"; [ -z "$3" ] || [ ! -e "$3" ] || install -m 600 -- "$3" "$2/env"; sync"""
_REPLACED = """set -eu; umask 077; cd -- "$1"; mapfile -d '' -t files
mkdir -p -- "$2/replaced"; cp -a --parents -- "${files[@]}" "$2/replaced/"; sync"""
# $1 the folder of releases, $2 how many of them go; those, then tags. A tag that a container still has stays: it may be
# of another project of the same fleet on this engine, and the engine removes it where the image has another one.
_PRUNE = """n=$2; cd -- "$1" || exit; shift 2
for id in "${@:1:n}"; do rm -rf -- "./$id"; done; shift "$n"
used=$'\\n'$(docker container ls -a --format '{{.Image}}')$'\\n' || exit
for tag in "$@"; do [[ $used == *$'\\n'"$tag"$'\\n'* ]] || docker image rm -- "$tag" >/dev/null 2>&1; done
true"""
# $1 whose images. An engine prunes for one at a time, and refuses all others.
_UNTAGGED = """for ((i = 0; i < 100; i++)); do
  said=$(docker image prune --force --filter "$1" 2>&1 >/dev/null) && exit
  [[ $said == *"already running"* ]] || break
  sleep "0.$((RANDOM % 9 + 1))"
done; printf '%s\\n' "$said" >&2; exit 1"""

# What a killed `--plan` left goes a day later: another one may be at work now, as it takes no lock.
_TIDY = """for d in "$1"/staging/*; do n=${d##*/}
  [[ $n = *.check && ! $n < $2 ]] || rm -rf -- "$d"; done"""


def folder(target: Target, release: str, files: Mapping[str, str], tree: Iterable[str], env: str | None) -> str:
    """Make a release's folder: the digests of all its files, copies of those in `tree` (what Compose reads and
    services mount) and of the env file, as they are in the project's folder now."""
    path = releases.make_folder(target, release)
    feed = b"".join(os.fsencode(f"./{one}") + b"\0" for one in tree)
    target.run(bash(_COPY, target.root, path, env or "", feed=feed, limit=600))
    put_bytes(target, os.fsencode(sums(files)), f"{path}/files.sha256", mode=0o660)
    return path


def copy_folder(target: Target, old: str, new: str) -> None:
    """Make a release's folder with the files and the env file of another one."""
    releases.make_folder(target, new)
    script = 'cd -- "$1" && cp -a -- compose files.sha256 "$2/" && { [ ! -e env ] || cp -a -- env "$2/"; }'
    target.run(bash(script, releases.folder(target, old), releases.folder(target, new)))


def replaced(target: Target, release: str, stage: str, paths: Iterable[str]) -> None:
    """Keep the server's own versions of files that were written over, from the staging folder, beside the release."""
    names = b"".join(os.fsencode(f"./{one}") + b"\0" for one in paths)
    if names:
        target.run(bash(_REPLACED, f"{stage}/old", releases.folder(target, release), feed=names, limit=600))


def read_one(target: Target, release: str) -> Release | None:
    """One release's record, or None."""
    text = read_file(target, f"{releases.folder(target, release)}/release.json")
    return releases.decode(text) if text else None


def failed(run: Run, memo: Memo) -> None:
    """The undo of recording: the release did not come to be."""
    record = read_one(run.target, memo["release"])
    if record is not None and record.outcome != "failed":
        releases.write(run.target, msgspec.structs.replace(record, outcome="failed"))


def prune_untagged(host: Host, project: str) -> Command:
    """Remove the images that builds of this project left without a tag; no release has them."""
    return docker_script(host, _UNTAGGED, f"label={LABEL}project={project}", limit=600)


def prune(run: Run, memo: Memo) -> str:
    """Remove the releases beyond those that are kept, the tags that only they had, and the staging folder of the run.
    The release that runs, what can be gone back to, and every volume stay."""
    target = run.target
    everything = [one for one in releases.read(target) if one.project == memo["project"]]
    gone = releases.outdated(everything, memo["keep"])
    ids = {one.id for one in gone}
    tags = releases.unused_tags(gone, [one for one in everything if one.id not in ids])
    ids_then_tags = [*(one.id for one in gone), *tags]
    target.run(
        docker_script(target.host, _PRUNE, f"{target.state}/releases", str(len(gone)), *ids_then_tags, limit=600)
    )
    target.run(prune_untagged(target.host, memo["project"]))
    target.run(bash(_TIDY, target.state, run.id[:10]))
    return f"{len(gone)} old releases" if gone else ""
