"""The tasks of research-dashboard: all of opslib's, and its own."""

import subprocess
from pathlib import Path

from invoke import Context, Exit, task

import opslib

ns = opslib.namespace()


@task
def seed(c: Context) -> None:
    """Fill the six collections on this machine with sample data; what is there already stays."""
    command = ["docker", "compose", "exec", "-T", "api", "python", "-m", "app.seed"]
    if code := subprocess.run(command, cwd=Path(__file__).parent).returncode:
        raise Exit(code=code)


ns.add_task(seed)
