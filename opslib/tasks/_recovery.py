"""What is known of the steps that any earlier run may have left half done: collected here, used by each task that
changes something, whichever task it was that left them."""

from __future__ import annotations

from opslib.run.step import Recovery


def recoveries() -> dict[str, Recovery]:
    """How to undo or finish each step that opslib has, by the step's name."""
    from opslib.backup import take
    from opslib.backup.restore import steps as restore
    from opslib.deploy import build
    from opslib.deploy import steps as deploy
    from opslib.migrate import steps as migrate

    found: dict[str, Recovery] = {}
    for part in (build, deploy, migrate, take, restore):
        found.update(part.RECOVERIES)
    return found
