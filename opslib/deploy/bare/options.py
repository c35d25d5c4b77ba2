"""What `restore --bare` is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opslib.backup.restore.options import Options
from opslib.deploy.options import DeployOptions

FilesFrom = Literal["here", "set"]


@dataclass(frozen=True, slots=True)
class BareOptions:
    """`restore` says which set, `deploy` where the project's folder is on this machine. `files`: whose project files
    count, those of that folder or those of the set; None: those of the set where the folder has no compose files.
    `scratch` is an empty folder on this machine that nobody else can read and that outlives the run."""

    restore: Options
    deploy: DeployOptions
    scratch: Path
    files: FilesFrom | None = None
