"""`--signal`: whom the host file names is told that the task begins, and how it ended."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from opslib.errors import BadSettings

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.signals.watch import Watch
    from opslib.tasks._call import Call


class Signalling:
    """The signals of one call; nothing where it has no `--signal`."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._watch: Watch | None = None

    def begin(self) -> None:
        """Tell that it begins. Raises BadSettings where the hosts cannot be known, or nothing would be done."""
        call = self._call
        if not call.signal:
            return
        if call.plan:
            raise BadSettings("--signal tells how a task ended, and with --plan none begins", left="everything")
        from opslib.signals.watch import Watch

        # What ends the call outside of a run, like the time limit of cron, is told as well.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        self._watch = Watch(call.root, call.task, call.names, call.ui.tell)
        self._watch.begin()

    def end(self, record: Record) -> None:
        """Tell how it ended, when all connections are closed and no lock is held; an interruption ends the telling."""
        if self._watch is not None:
            with suppress(KeyboardInterrupt):
                self._watch.end(record, self._call.ui.last)
