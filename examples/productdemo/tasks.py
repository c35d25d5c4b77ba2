"""The tasks of productdemo: all of opslib's, and its own."""

import subprocess
from pathlib import Path

from invoke import Context, Exit, task

import opslib

ns = opslib.namespace()
COMPOSE = ["docker", "compose"]
TEST = [*COMPOSE, "-p", "productdemo-test", "-f", "docker-compose.yml", "-f", "docker-compose.test.yml"]


def run(*words: str) -> int:
    """The exit code of a command in this folder."""
    return subprocess.run(words, cwd=Path(__file__).parent).returncode


@task(help={"documents": "how many sample documents there are to be"})
def seed(c: Context, documents: int = 100) -> None:
    """Fill the stack on this machine with sample data; what is there already stays."""
    if code := run(*COMPOSE, "exec", "-T", "doc-workers", "python", "-m", "app.seed", str(documents)):
        raise Exit(code=code)


@task
def test(c: Context) -> None:
    """Build a second stack with its databases in memory, test it, and take it away."""
    try:
        code = run(*TEST, "up", "--build", "--attach", "tests", "--exit-code-from", "tests")
    finally:
        run(*TEST, "down", "--volumes", "--remove-orphans")
    if code:
        raise Exit(code=code)


ns.add_task(seed)
ns.add_task(test)
