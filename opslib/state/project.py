"""The project as its compose files on this machine have it, under the name that it has on a host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opslib.compose import references
from opslib.compose.project import Project, parse_project
from opslib.compose.recognise import recognise_project
from opslib.compose.wanted import resolved
from opslib.state import releases
from opslib.target.base import Target


def project_here(target: Target, here: Target, root: Path) -> tuple[Project, dict[str, Any]]:
    """It, and what Compose resolved it from, asked on `here`, where its folder is `root`. The name is the host file's,
    else that of the live release, else of what runs there. Raises BadSettings."""
    root, host = root.resolve(), target.host
    last = releases.current(releases.read(target))
    named = references.project_name(root, host.compose)
    name = host.project or (last.project if last else recognise_project(target, host, named))
    env = host.env_file or (".env" if (root / ".env").is_file() else None)
    config, _ = resolved(here, name, host.compose, env, root=str(root))
    return parse_project(config, root=str(root), files=host.compose, env_file=env), config
