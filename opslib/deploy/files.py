"""Which of the project's files a deploy writes and removes on a server: decided purely, data are never touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.deploy.sources import Source

if TYPE_CHECKING:
    from opslib.compose.project import Project


@dataclass(frozen=True, slots=True)
class There:
    """A file on the server: its digest ("" for what is there and no readable file), whether its owner may run it."""

    sha256: str
    executable: bool = False


@dataclass(frozen=True, slots=True)
class FileChanges:
    """What is to be done. `edited` were changed on the server since the release that wrote them and `replaced` were
    written by no release: both are written, and the server's version is kept beside the release. `kept` lie in a data
    folder and are not the release's: left alone. `stays` are gone here and were changed there: left alone too."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()

    @property
    def write(self) -> tuple[str, ...]:
        """What is sent."""
        return tuple(sorted({*self.added, *self.changed, *self.edited, *self.replaced}))

    def __bool__(self) -> bool:
        return bool(self.write or self.removed)


def decide(
    wanted: Mapping[str, Source], recorded: Mapping[str, str], there: Mapping[str, There], data: Iterable[str]
) -> FileChanges:
    """Compare what is wanted with what the last release wrote and what the server has. `data` are the folders that
    services write to."""
    folders = tuple(data)
    found: dict[str, list[str]] = {name: [] for name in FileChanges.__dataclass_fields__}
    for path, source in wanted.items():
        seen, wrote = there.get(path), recorded.get(path)
        if seen is None:
            # A file of a data folder that a release wrote and that is gone was removed by whoever owns the data.
            found["kept" if wrote is not None and below(path, folders) else "added"].append(path)
        elif seen.sha256 == source.sha256:
            if seen.executable != source.executable and not below(path, folders):
                found["changed"].append(path)
        elif wrote is not None and seen.sha256 == wrote:
            found["changed"].append(path)
        elif below(path, folders):
            found["kept"].append(path)
        else:
            found["replaced" if wrote is None else "edited"].append(path)
    for path, wrote in recorded.items():
        seen = there.get(path)
        if path in wanted or seen is None:
            continue
        found["removed" if seen.sha256 == wrote and not below(path, folders) else "stays"].append(path)
    return FileChanges(**{name: tuple(sorted(paths)) for name, paths in found.items()})


def below(path: str, folders: Iterable[str]) -> bool:
    """Whether the path is one of the folders or lies in one."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


@dataclass(frozen=True, slots=True)
class Mounts:
    """What the services mount of the project's folder, as paths below it: `read` may be files or folders of the
    project, `write` are places that services write to."""

    read: frozenset[str]
    write: frozenset[str]


def mounts_of(project: Project) -> Mounts:
    """The bind mounts, configs and secrets below the project's folder (not the folder itself: it is no data)."""
    read: set[str] = set()
    write: set[str] = set()
    for service in project.services.values():
        for mount in service.mounts:
            path = relative(mount.source, project.root) if mount.type in ("bind", "config", "secret") else None
            if path:
                (read if mount.read_only else write).add(path)
    return Mounts(frozenset(read), frozenset(write))


def relative(path: str, root: str) -> str | None:
    """The path below `root`, "" for `root` itself, None for one elsewhere."""
    path = path.rstrip("/")
    if path == root:
        return ""
    return path[len(root) + 1 :] if path.startswith(f"{root}/") else None
