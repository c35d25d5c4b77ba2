"""What is said of a task where it is made, for those who call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from opslib.run.record import Record
    from opslib.settings.model import Host

Need = Literal["nothing", "data", "stack"]
"""What must be there for a task to make sense: a compose file ("stack"), or that or `backup.sources` ("data")."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What the decorator says of a task. `one_host`: exactly one, never taken from OPSLIB_HOST. `together`: of several
    hosts all end new or all old; otherwise each is for itself."""

    name: str
    body: Callable[..., Record]
    needs: Need
    one_host: bool
    together: bool

    def require(self, root: Path, host: Host) -> None:
        """Raise BadSettings where nothing says what the task could work on."""
        if self.needs == "nothing" or host.compose or (self.needs == "data" and host.backup.sources):
            return
        from opslib.errors import BadSettings

        examples = sorted(path.parent.name for path in root.glob("examples/*/tasks.py"))
        raise BadSettings(
            f"no stack here: {root} has no compose file, and no host file names one",
            next=f"cd examples/{examples[0]}" if examples else "cd to the project, or set `compose:` in its host file",
        )
