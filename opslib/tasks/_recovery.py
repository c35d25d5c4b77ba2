"""What is known of the steps that any earlier run may have left half done: collected here, used by each task that
changes something, whichever task it was that left them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from opslib.run.step import Recovery


class Recoveries(Mapping[str, Recovery]):
    """How to undo or finish each step that opslib has, by the step's name; `instead` goes before what is known.

    All capabilities are imported when it is first asked, which is when there is something to recover.
    """

    def __init__(self, instead: Mapping[str, Recovery] = {}) -> None:
        self._instead = instead

    @cached_property
    def _all(self) -> dict[str, Recovery]:
        from opslib.backup import take
        from opslib.backup.drill import steps as drill
        from opslib.backup.offsite import pull, remove
        from opslib.backup.restore import steps as restore
        from opslib.certbot import issue
        from opslib.certbot import remove as certificates
        from opslib.deploy import build, env_push, gate, push
        from opslib.deploy import steps as deploy
        from opslib.deploy.bare import steps as bare
        from opslib.deploy.rotate import steps as rotate
        from opslib.host import swarm
        from opslib.migrate import steps as migrate
        from opslib.proxy import site_steps

        found: dict[str, Recovery] = {}
        deploying = (build, gate, push, env_push, rotate, deploy, bare)
        for part in (*deploying, migrate, take, drill, pull, remove, restore, swarm, issue, certificates, site_steps):
            found.update(part.RECOVERIES)
        return {**found, **self._instead}

    def __getitem__(self, name: str) -> Recovery:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)
