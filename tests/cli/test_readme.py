"""The README's table of tasks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def names(collection: dict[str, object], prefix: str = "") -> list[str]:
    """The names of all tasks in what `inv --list --list-format json` prints."""
    found = [f"{prefix}{task['name']}" for task in collection["tasks"]]
    for inner in collection["collections"]:
        found += names(inner, f"{prefix}{inner['name']}.")
    return found


def test_every_task_is_in_the_table_with_what_it_says_of_itself(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
    listing = subprocess.run(
        [sys.executable, "-m", "invoke", "--list", "--list-format", "json"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = re.findall(r"(?m)^\| `inv ([\w.]+)[^|]*\| \S.*\|$", (ROOT / "README.md").read_text())
    full = {
        {
            "deploy": "deploy.up",
            "backup": "backup.all",
            "build": "build.all",
            "migrate": "migrate.up",
            "restore": "restore.all",
            "scan": "scan.all",
        }.get(name, name)
        for name in rows
    }
    assert full == set(names(json.loads(listing.stdout)))
    assert len(rows) == len(full)
