"""Building on a server from the files here, without touching those that are live there: in a folder of their own."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.command import bash
from opslib.compose.project import Project
from opslib.deploy import place
from opslib.deploy.context import Ignore, files_in, ignore_file
from opslib.errors import BadSettings

if TYPE_CHECKING:
    from opslib.target.base import Target

# The folders of an image are like those of its context.
_OPEN = 'shopt -s globstar dotglob; for d in "$1"/ "$1"/**/; do [[ -L ${d%/} ]] || chmod 755 -- "$d" || exit; done'


def send_contexts(target: Target, stage: str, project: Project, services: Iterable[str]) -> str:
    """Send what these services are built from into a fresh staging folder; returns the folder there that stands for
    the project's here. Raises BadSettings for a context outside of the project's folder."""
    root = Path(project.root)
    paths = dict.fromkeys(path for name in services for path in _files(project, name, root))
    files: dict[str, tuple[int, Path | bytes]] = {
        path: (stat.S_IMODE((root / path).lstat().st_mode) & 0o777, root / path) for path in paths
    }
    total = sum((root / path).lstat().st_size for path in files)
    place.send(target, stage, files, total=total)
    target.run(bash(_OPEN, f"{stage}/new", limit=600))
    return f"{stage}/new"


def _files(project: Project, name: str, root: Path) -> Iterator[str]:
    build = project.services[name].build
    assert build is not None, "only services that are built"
    more = build.settings.get("additional_contexts") or {}
    dockerfile = Path(build.context) / build.dockerfile
    for context in [Path(build.context), *(Path(str(one)) for one in more.values())]:
        if not context.is_dir():
            continue  # an address
        below = _below(context, root, name)
        prefix = f"{below}/" if below != "." else ""
        yield from (prefix + one for one in files_in(context, Ignore(ignore_file(context, dockerfile) or "")))
    secrets = [Path(str(one["file"])) for one in build.secrets.values() if "file" in one]
    ignores = [dockerfile.with_name(f"{dockerfile.name}.dockerignore"), Path(build.context) / ".dockerignore"]
    for path in (dockerfile, *ignores, *secrets):
        if path.is_file():
            yield _below(path, root, name)


def _below(path: Path, root: Path, service: str) -> str:
    path = Path(os.path.normpath(path))
    if path != root and root not in path.parents:
        raise BadSettings(
            f"service {service} is built from {path}, which is not below {root}, so it cannot be built on a server",
            left="everything",
            next="inv build --on local",
        )
    return path.relative_to(root).as_posix()
