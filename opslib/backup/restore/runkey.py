"""The key that a restore makes for its own safety copy, where sets are encrypted.

Going back has to read that copy, also when the run was killed and the next one undoes it with nobody there who has the
identity. The key lies beside the recovery log, on the machine that has the data in clear anyway, and goes when the
restore is over: from then on only the owners of the host file's keys can read the copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.backup import keys
from opslib.command import Secret, bash
from opslib.run.step import AnyStep, Run, Step
from opslib.target.transfer import put_bytes, read_file

if TYPE_CHECKING:
    from opslib.target.base import Target

KEY = "key"
"""In a memo, and among the facts of the run: where the key lies."""


def step(identities: list[Secret]) -> AnyStep:
    """The step that makes it and adds it to the identities that the restore reads with: they can read the copy then."""

    def do(run: Run, memo: dict[str, Any]) -> str:
        identity, public = keys.make()
        put_bytes(run.target, identity.reveal().encode(), memo[KEY], mode=0o600)
        identities.append(identity)
        run.facts[KEY], run.facts[keys.OF_THE_RUN] = memo[KEY], public
        return public

    return Step("safety key", lambda run: {KEY: f"{run.target.state}/safety.{run.id}.key"}, do, remove,
                show=lambda memo: "a key for the safety copy, until the restore is over")  # fmt: skip


def read(target: Target, path: str) -> list[Secret]:
    """The key; none where it is gone already."""
    data = read_file(target, path)
    return keys.from_text(data, path) if data else []


def remove(run: Run, memo: dict[str, Any]) -> None:
    """Nobody needs it any more. Idempotent."""
    if memo.get(KEY):
        run.target.run(bash('rm -f -- "$1"', memo[KEY]))
