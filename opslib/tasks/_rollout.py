"""The options with which a task goes over a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.errors import BadSettings

if TYPE_CHECKING:
    from opslib.run.rollout import Rollout
    from opslib.run.step import Run
    from opslib.settings.batch import Batch
    from opslib.state.releases import Release
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


def refuse_behind(call: Call) -> None:
    """Before hosts go back together to the release before, each to its own. Raises BadSettings for those that have not
    come as far as the others."""
    from opslib.deploy.history import behind
    from opslib.state import releases

    known: dict[str, list[Release]] = {}

    def look(run: Run) -> None:
        known[run.host] = releases.read(run.target)

    call.look(look)
    if late := behind(known):
        others = ",".join(name for name in call.names if name not in late)
        raise BadSettings(
            f"release {', '.join(sorted(set(late.values())))} failed on {', '.join(late)}, which would go back one "
            "further than the others",
            left="everything", next=f"inv {call.task} --host {others}, or say where to with --to",
        )  # fmt: skip


def _batch(text: str) -> Batch:
    from opslib.settings.batch import batch

    try:
        return batch(text)
    except ValueError as error:
        raise BadSettings(f"--batch {text!r}: {error}", left="everything") from None
