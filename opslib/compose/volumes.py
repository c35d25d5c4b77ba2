"""Volumes that a project would make new although its data are there under another name."""

from __future__ import annotations

from collections.abc import Iterable

from opslib.compose.project import Project
from opslib.compose.stack import SeenVolume, Stack


def orphaned_volumes(project: Project, stack: Stack, all_volumes: Iterable[SeenVolume]) -> list[tuple[str, str]]:
    """(new name, existing name) for each volume that `up` would make new and empty although one with the same key
    is there under another project's name: the data of this project, most likely, started under another name.

    A volume of another project that runs from another folder is that project's own.
    """
    present = {volume.name: volume for volume in all_volumes}
    found = []
    for wanted in project.volumes.values():
        if wanted.external or wanted.name in present:
            continue
        for other in present.values():
            same = other.key == wanted.key if other.key else other.name.endswith(f"_{wanted.key}")
            if same and other.project != project.name and not _elsewhere(project, stack, other):
                found.append((wanted.name, other.name))
    return found


def _elsewhere(project: Project, stack: Stack, volume: SeenVolume) -> bool:
    folders = volume.owners | stack.folders.get(volume.project, frozenset())
    return bool(folders) and project.root not in folders
