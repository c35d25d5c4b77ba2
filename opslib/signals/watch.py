"""The signals of one call of a task: that it begins, and how it ended, host by host.

Nothing here ever makes a task fail or holds a lock: what cannot be told is a warning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.errors import OpsError
from opslib.events import Note, Tell
from opslib.run.workers import each
from opslib.settings.load import load_signals
from opslib.signals import files, metrics
from opslib.signals.notify import notify
from opslib.signals.outcome import Memory, Outcome, after, begun, news, recovered
from opslib.signals.ping import ping

if TYPE_CHECKING:
    from opslib.command import Secret
    from opslib.run.record import Record
    from opslib.settings.model import Signals


class Watch:
    """One call of `task` on hosts of the project in `root`."""

    def __init__(self, root: Path, task: str, hosts: Sequence[str], tell: Tell) -> None:
        self._root, self._task, self._tell = root, task, tell
        self._signals = {host: load_signals(root, host) for host in hosts}

    def begin(self) -> None:
        """Tell that it begins."""
        self._each(list(self._signals), self._begin)

    def end(self, record: Record, said: Callable[[str], Sequence[str]]) -> None:
        """Tell how it ended; `said` gives the last lines of a host."""
        outcomes = {one.host: one for one in self._outcomes(record, said)}
        self._each(list(outcomes), lambda host: self._end(outcomes[host]))

    def _each(self, hosts: list[str], work: Callable[[str], None]) -> None:
        for host, error in zip(hosts, each(hosts, work), strict=True):
            if error is not None:  # its text may hold an address
                self._warn(host, f"not all signals were sent: unexpected {type(error).__name__}")

    def _outcomes(self, record: Record, said: Callable[[str], Sequence[str]]) -> list[Outcome]:
        entries = {entry.host: entry for entry in record.hosts}
        found = []
        for host in self._signals:
            entry = entries.get(host, record.hosts[0])  # a call that ended before its hosts had a record each
            made = entry.result if "raw_bytes" in entry.result else {}  # a set
            drilled = entry.result.get("drill", {}).get("restored", ()) if entry.ok else ()
            found.append(
                Outcome(
                    task=self._task, host=host, at=round(time.time(), 3), seconds=round(entry.seconds, 3),
                    exit=entry.code, error=entry.error, lines=said(host),
                    set=made.get("set"), artifacts=made.get("artifacts", ()), drilled=[one["file"] for one in drilled],
                )
            )  # fmt: skip
        return found

    def _begin(self, host: str) -> None:
        try:
            with files.remembered(files.memory_file(self._root, host)) as (before, replace):
                replace(begun(before, self._task, time.time()))
        except OSError as error:
            self._warn(host, f"that this run began is not remembered: {error}")
        self._ping(host, "start")

    def _end(self, outcome: Outcome) -> None:
        signals = self._signals[outcome.host]
        self._ping(outcome.host, str(outcome.exit), outcome.text())
        before = Memory()
        try:
            with files.remembered(files.memory_file(self._root, outcome.host)) as (before, replace):
                now = after(before, outcome)
                replace(now)
                self._write(signals.metrics, outcome.host, now)
        except OSError as error:
            self._warn(outcome.host, f"what became of this run is not remembered: {error}")
        self._notify(outcome, before, signals)

    # -- the three ways

    def _ping(self, host: str, ending: str, text: str = "") -> None:
        url = self._url(host)
        if url is not None and (why := ping(url, ending, text)):
            self._warn(host, f"the ping that says {'it begins' if ending == 'start' else 'how it ended'} failed: {why}")

    def _url(self, host: str) -> Secret | None:
        name = self._task.partition(".")[2]
        return next((url for key, url in self._signals[host].ping.items() if key == name), None)

    def _write(self, folder: str | None, host: str, memory: Memory) -> None:
        if folder is None:
            return
        path = files.metrics_file(folder, self._root, host)
        try:
            files.write(path, metrics.render(memory, self._root.name, host).encode(), mode=0o644)
        except OSError as error:
            self._warn(host, f"the metrics could not be written: {error}")

    def _notify(self, outcome: Outcome, before: Memory, signals: Signals) -> None:
        what = news(before, outcome)
        if what is None or not signals.notify:
            return
        title, text = outcome.title, outcome.message()
        if what == "recovered":
            title, text = recovered(before, outcome)
        try:
            failed = notify(signals.notify, what, title, text)
        except OpsError as error:
            self._warn(outcome.host, f"nobody was notified: {error.what}")
            return
        if failed:
            self._warn(outcome.host, f"not notified by {', '.join(failed)}")

    def _warn(self, host: str, text: str) -> None:
        self._tell(Note(host, text, warning=True))
