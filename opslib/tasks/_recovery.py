"""What is known of the steps that any earlier run may have left half done: collected here, used by each task that
changes something, whichever task it was that left them."""

from __future__ import annotations

from opslib.run.step import Recovery


def recoveries() -> dict[str, Recovery]:
    """How to undo or finish each step that opslib has, by the step's name."""
    from opslib.backup.restore.steps import RECOVERIES as restore
    from opslib.backup.take import RECOVERIES as backup
    from opslib.deploy.steps import RECOVERIES as deploy

    return {**deploy, **backup, **restore}
