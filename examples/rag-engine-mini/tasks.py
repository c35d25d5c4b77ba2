"""The tasks of rag-engine-mini: all of opslib's, and its own."""

import subprocess
from pathlib import Path

from invoke import Context, Exit, task

import opslib

ns = opslib.namespace()


@task(help={"documents": "how many sample documents there are to be"})
def seed(c: Context, documents: int = 200) -> None:
    """Fill the stack on this machine with sample data; what is there already stays."""
    command = ["docker", "compose", "exec", "-T", "api", "python", "-m", "app.seed", str(documents)]
    if code := subprocess.run(command, cwd=Path(__file__).parent).returncode:
        raise Exit(code=code)


ns.add_task(seed)
