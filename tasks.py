"""opslib's own folder: all tasks, but no stack to use them on."""

from invoke import Context, task

import opslib

ns = opslib.namespace()


@task(default=True)
def here(c: Context) -> None:
    """Say where the stacks are."""
    print("This is opslib itself: no stack stands here, so there is nothing to deploy or to back up.")
    print("Go to one and see what there is to do: cd examples/rag-engine-mini && inv --list")


ns.add_task(here)
