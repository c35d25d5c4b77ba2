"""From a host's settings to the open way to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from opslib.events import Tell, silent
from opslib.target.base import Target
from opslib.target.local import Local

if TYPE_CHECKING:
    from opslib.settings.model import Host


def connect(host: Host, tell: Tell = silent, *, prompt: Callable[[str], str] | None = None) -> Target:
    """This machine, or an open and checked connection to the host. Raises the CannotConnect that fits."""
    if host.address is None:
        return Local(host, tell)
    from opslib.target.ssh import Ssh

    return Ssh(host, tell, prompt=prompt)
