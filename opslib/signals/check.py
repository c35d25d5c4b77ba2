"""Whether signals could be sent, asked while somebody is there to mend it."""

from __future__ import annotations

import os

from opslib.errors import OpsError
from opslib.settings.model import Signals
from opslib.signals.notify import unknown


def check(signals: Signals, host: str) -> None:
    """Raise OpsError for what would fail each time: apprise is missing or does not know an address, or the folder of
    the metrics is not there or not writable."""
    if signals.notify and (services := unknown(signals.notify)):
        raise OpsError(
            f"apprise does not understand an address of `notify` that begins with {', '.join(services)}://",
            host=host, left="everything", next="apprise --help names the page that says how addresses look",
        )  # fmt: skip
    if signals.metrics is not None and not os.access(signals.metrics, os.W_OK | os.X_OK):
        how = "cannot be written to by this user" if os.path.isdir(signals.metrics) else "is no folder here"
        raise OpsError(
            f"{signals.metrics} (`metrics`) {how}",
            host=host, left="everything", next="make it, or give it to the user whose crontab this is",
        )  # fmt: skip
