"""The options with which a task goes over a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.errors import BadSettings

if TYPE_CHECKING:
    from opslib.run.rollout import Rollout
    from opslib.settings.batch import Batch
    from opslib.tasks._call import Call


def rollout(call: Call, batch: str | None, max_failures: str | None, keep_going: bool, *, turns: bool) -> Rollout:
    """What was typed, and (`turns`) what the host files say of batches: the smallest counts. Raises BadSettings."""
    from opslib.run.rollout import Rollout

    if keep_going and max_failures is not None:
        raise BadSettings("--keep-going bears any number of failures: give it or --max-failures", left="everything")
    if max_failures is not None and not (max_failures.isascii() and max_failures.isdecimal()):
        raise BadSettings(f"--max-failures {max_failures!r}: expected a number of hosts", left="everything")
    asked = _batch(batch) if batch is not None else None
    wanted = [asked] if asked else [host.deploy.batch for host in call.hosts] if turns else []
    count = len(call.hosts)
    return Rollout(min((one.of(count) for one in wanted), default=None), None if keep_going else int(max_failures or 0))


def _batch(text: str) -> Batch:
    from opslib.settings.batch import batch

    try:
        return batch(text)
    except ValueError as error:
        raise BadSettings(f"--batch {text!r}: {error}", left="everything") from None
