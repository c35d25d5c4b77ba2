"""The project's files on this machine: what git tracks or the host file lists, and what the compose files refer to."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.command import bash
from opslib.deploy.context import Ignore, files_in
from opslib.errors import BadSettings, OpsError
from opslib.images.revision import Revision
from opslib.proxy import kinds

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

_GIT = """cd -- "$1" || exit 3
command -v git >/dev/null || exit 4
git rev-parse --is-inside-work-tree >/dev/null || exit
printf '%s\\0' "$(git rev-parse --quiet --verify HEAD)" "$(git status --porcelain -uno -- . | head -n 1)" \
  "$(git log -1 --format=%ct 2>/dev/null)" "$(git remote get-url origin 2>/dev/null)"
git ls-files -z --recurse-submodules"""
_LISTED = 'cd -- "$1" && git ls-files -z --cached --others --exclude-standard -- "$2"'


@dataclass(frozen=True, slots=True)
class Git:
    """What git says of the project's folder. `commit` is None before the first one, `time` its own in seconds since
    1970, `source` the address that the repository was cloned from. `dirty`: tracked files differ from the commit."""

    commit: str | None
    dirty: bool
    tracked: tuple[str, ...]
    time: int | None = None
    source: str | None = None

    @property
    def revision(self) -> Revision | None:
        """The commit, for the images that are built of it; None before the first."""
        if self.commit is None or self.time is None:
            return None
        return Revision(self.commit, self.time, self.dirty, self.source)


@dataclass(frozen=True, slots=True)
class Source:
    """A file here: its digest, its permission bits, its size in bytes."""

    sha256: str
    mode: int
    size: int

    @property
    def executable(self) -> bool:
        """Whether its owner may run it."""
        return bool(self.mode & 0o100)


def git(here: Target, root: Path) -> Git | None:
    """What git tracks below `root`; None without git or outside a repository.

    Raises OpsError where git refuses to look into a folder of another owner: its answer would be missed silently.
    """
    from opslib.target.transfer import stream_out

    out = bytearray()
    try:
        stream_out(here, bash(_GIT, str(root), limit=60), out.extend)
    except OpsError as error:
        if "dubious ownership" in error.what:
            raise OpsError(
                f"git does not look into {root}, because it belongs to another user",
                next=f"git config --global --add safe.directory {root}",
            ) from None
        return None
    commit, status, time, source, *paths = (os.fsdecode(bytes(one)) for one in out.split(b"\0"))
    tracked = tuple(path for path in paths if path)
    return Git(commit or None, bool(status), tracked, int(time) if time else None, source or None)


def chosen(here: Target, root: Path, host: Host, found: Git | None) -> list[str]:
    """The paths that belong to the project without a look at its compose files: what the host file lists, or what git
    tracks. Raises BadSettings for a listed path that is not there."""
    if host.files is None:
        return list(found.tracked) if found else []
    paths: list[str] = []
    for listed in host.files:
        path = posixpath.normpath(listed)
        if (root / path).is_dir():
            paths += _folder(here, root, path, found)
        elif (root / path).exists():
            paths.append(path)
        else:
            raise BadSettings(f"`files:` names {listed}, and there is no {root / path}", host=host.name)
    return paths


def _folder(here: Target, root: Path, path: str, found: Git | None) -> list[str]:
    """A listed folder: what git does not ignore in it, or everything."""
    if found is not None:
        known = [os.fsdecode(one) for one in here.run(bash(_LISTED, str(root), path)).out.split(b"\0") if one]
        if known:
            return known
    prefix = "" if path == "." else f"{path}/"
    return [prefix + one for one in files_in(root / path, Ignore("**/__pycache__"))]


def excluded(path: str, host: Host, env_file: str | None) -> bool:
    """Paths that are no files of the project: opslib's own, backups, the env file (which goes its own way), and what a
    deploy on this machine has written for the proxy."""
    folders = [".opslib", ".git"]
    proxy = kinds.of(host.deploy.proxy)
    if proxy is not None and proxy.is_ours(path):
        return True
    if not host.backup.directory.startswith("/"):
        folders.append(posixpath.normpath(host.backup.directory))
    return path == env_file or any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def read(root: Path, paths: Iterable[str]) -> tuple[dict[str, Source], list[str]]:
    """Each file with its digest, and the paths left out: what is no file here, and links that lead out of the
    project or to no file. Raises OpsError for a file that cannot be read."""
    found: dict[str, Source] = {}
    left: list[str] = []
    inside = f"{root.resolve()}/"
    for path in dict.fromkeys(paths):
        full = root / path
        try:
            if full.is_symlink() and not (full.is_file() and str(full.resolve()).startswith(inside)):
                left.append(path)
            elif full.is_file():
                found[path] = _source(full)
            elif full.exists() and not full.is_dir():
                left.append(path)
        except OSError as error:
            raise OpsError(f"cannot read {full}: {error.strerror}", left="everything") from error
    return found, left


def _source(path: Path) -> Source:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while block := file.read(1024 * 1024):
            digest.update(block)
            size += len(block)
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o777
    return Source(digest.hexdigest(), mode, size)
