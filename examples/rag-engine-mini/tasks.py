"""The tasks of rag-engine-mini: all of opslib's, and its own."""

from invoke import Context, task

import opslib

ns = opslib.namespace()


@task(help={"documents": "how many sample documents there are to be (200)"})
def seed(c: Context, documents: int = 200) -> None:
    """Fill the stack on this machine with sample data; what is there already stays."""
    with c.cd(__file__.rpartition("/")[0] or "."):
        c.run(f"docker compose exec -T api python -m app.seed {documents:d}")


ns.add_task(seed)
