"""The open ways to the machines that one call works with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.errors import OpsError
from opslib.settings.load import load_host

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target
    from opslib.ui import Ui


class Connections:
    """Opened when they are needed, closed together. `prompt` asks a person for a passphrase."""

    def __init__(self, root: Path, ui: Ui, prompt: Callable[[str], str] | None, *, debug: bool) -> None:
        self._root, self._ui, self._prompt, self._debug = root, ui, prompt, debug
        self._open: list[Target] = []
        self.beside: list[Target] = []  # those that the task does not work on

    def open(self, host: Host) -> Target:
        """The way to a host that the task works on. Raises OpsError."""
        from opslib.target.connect import connect

        target = connect(host, self._ui.tell, prompt=self._prompt)
        if self._debug:
            _trace_commands(target, self._ui)
        self._open.append(target)
        return target

    def another(self, name: str, load: Callable[[str], Host]) -> Target:
        """The way to a host beside those, opened once. Raises OpsError."""
        found = next((target for target in self.beside if target.host.name == name), None)
        if found is None:
            found = self.open(load(name))
            self.beside.append(found)
        return found

    def peer(self, name: str) -> Target | None:
        """The way to a host of an earlier run; None where it cannot be reached."""
        try:
            return self.open(load_host(self._root, name))
        except OpsError:
            return None

    def cancelled(self) -> bool:
        """Whether the user has interrupted what runs on any of them."""
        return any(target.cancelled for target in self._open)

    def close(self) -> None:
        """Let all of them go."""
        for target in self._open:
            target.close()


def _trace_commands(target: Target, ui: Ui) -> None:
    start = target.start

    def traced(cmd: Any) -> Any:
        ui.command(target.host.name, cmd.masked())
        return start(cmd)

    setattr(target, "start", traced)  # noqa: B010  # mypy refuses the plain assignment
