"""What a person sees: steps, progress, questions and errors; or one JSON object.

On a terminal what runs is shown live; elsewhere there are plain lines, and one at most every ten seconds for what
takes long. With `--json` standard output carries the object alone and everything else goes to standard error.
"""

from __future__ import annotations

import json as json_module
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from opslib.errors import Cancelled
from opslib.events import Event, Note, Output, Progress, Standing, StepEnded, StepStarted
from opslib.ui import ending
from opslib.ui.person import Person
from opslib.ui.plain import PlainScreen, redraws, speaks
from opslib.ui.text import Meter, clean, seconds, table

if TYPE_CHECKING:
    from opslib.run.record import HostRecord, Record
    from opslib.ui.live import LiveScreen

Show = Callable[["Ui", "HostRecord"], Mapping[str, str] | None]
"""Prints a host's result for a person, and says what of it stands in the table of several hosts, by column."""
LAST = 50  # lines of a host that are kept for whoever is told how it ended
QUIET = 10.0  # seconds between two lines about the same thing where there is no terminal
_MARKS = {"done": "✓", "failed": "✗", "undone": "↶", "undo-failed": "✗", "skipped": "·"}
_STYLES = {"done": "green", "failed": "bold red", "undone": "yellow", "undo-failed": "bold red", "skipped": "dim"}


class Ui:
    """One task's way to its user. `tell` may be called from any thread."""

    def __init__(self, *, json: bool = False, debug: bool = False) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        self.json, self._debug = json, debug
        self.raw = False  # the lines of `Output` are the result itself: logs
        self._stream: TextIO = sys.stderr if json else sys.stdout
        self.person = Person(self.pause)
        self._screen: PlainScreen | LiveScreen | None = None
        self._guard = threading.RLock()
        self._steps: dict[tuple[str, str], tuple[float, threading.Timer | None]] = {}
        self._meters: dict[tuple[str, str], tuple[Meter, float]] = {}
        self._standing: dict[tuple[str, str], tuple[str, float]] = {}
        self._title = ""
        self._last: dict[str, deque[str]] = {}  # of each host, the last lines about it
        self._heading = ""  # a host's name, printed in front of the first line of its result, if there is one
        self._unheard = False  # whoever read the result itself has gone: `inv logs | head`
        self._column = 0  # width of the hosts' names, where there are several

    # -- lines

    @property
    def screen(self) -> PlainScreen | LiveScreen:
        """Where lines go: live on a terminal."""
        if self._screen is None:
            if redraws(self._stream) and speaks(self._stream, "✓━⠋"):
                from opslib.ui.live import LiveScreen

                self._screen = LiveScreen(self._stream, self._running)
            else:
                self._screen = PlainScreen(self._stream)
        return self._screen

    def say(self, text: str = "", style: str = "", *, mark: str = "", mark_style: str = "") -> None:
        """Print a line of the result; with `--json` there is the object instead."""
        if self.json:
            return
        with self._guard:
            if self._heading:
                self._print(self._heading, "bold")
                self._heading = ""
            self._print(clean(text), style, mark, mark_style)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Print a table of the result."""
        for number, line in enumerate(table(headers, rows, width=self.screen.width, right=right)):
            self.say(line, "bold" if number == 0 else "")

    def of_all(self) -> None:
        """What is said next is of all hosts, and not below the name of one."""
        self._heading = ""

    def begin(self, title: str, hosts: Sequence[str]) -> None:
        """Work begins on these hosts; with several of them each line gets its host's name in front."""
        self._title, self._column = title, max(map(len, hosts)) if len(hosts) > 1 else 0
        if title:
            with self._guard:
                self._print(title, "bold")

    # -- events

    def tell(self, event: Event) -> None:
        """Show an event."""
        with self._guard:
            if isinstance(event, StepStarted):
                self._started(event)
            elif isinstance(event, StepEnded):
                self._ended(event)
            elif isinstance(event, Progress):
                self._progress(event)
            elif isinstance(event, Standing):
                self._stands(event)
            elif isinstance(event, Output):
                self._output(event)
            elif isinstance(event, Note):
                mark, style = ("! ", "yellow") if event.warning else ("  ", "")
                self._line(event.host, clean(event.text), style, mark)

    def last(self, host: str) -> list[str]:
        """The last lines that were shown of a host."""
        return list(self._last.get(host, ()))

    def command(self, host: str, text: str) -> None:
        """With `--debug`: a command that runs."""
        with self._guard:
            self._line(host, clean(text), "dim", "$ ")

    def trace(self, error: BaseException) -> None:
        """With `--debug`: where an error came from."""
        if self._debug:
            self.pause()
            traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)

    def pause(self) -> None:
        """Take away what is shown live."""
        with self._guard:
            for _, timer in self._steps.values():
                if timer is not None:
                    timer.cancel()
            if self._screen is not None:
                self._screen.pause()

    def _started(self, event: StepStarted) -> None:
        timer = None
        if isinstance(self.screen, PlainScreen):
            timer = threading.Timer(QUIET, self._still_runs, (event,))
            timer.daemon = True
            timer.start()
        self._steps[event.host, event.step] = (time.monotonic(), timer)
        if not self.person.asked:
            self.screen.running()

    def _still_runs(self, event: StepStarted) -> None:
        with self._guard:
            if (event.host, event.step) in self._steps:
                self._line(event.host, f"{event.step} runs …", "dim")

    def _ended(self, event: StepEnded) -> None:
        _, timer = self._steps.pop((event.host, event.step), (0.0, None))
        if timer is not None:
            timer.cancel()
        for lines in (self._meters, self._standing):
            for key in [key for key in lines if key[0] == event.host]:
                del lines[key]
        if event.status == "skipped" and not self._debug:
            return
        how = {"undone": " undone", "undo-failed": " could not be undone"}.get(event.status, "")
        note = f"  {clean(event.note)}" if event.note else ""
        text, style = f"{event.step}{how}  {seconds(event.seconds)}{note}", _STYLES[event.status]
        self._line(event.host, text, "dim" if event.status == "skipped" else "", f"{_MARKS[event.status]} ", style)

    def _progress(self, event: Progress) -> None:
        key = (event.host, event.what)
        now = time.monotonic()
        meter, said = self._meters.get(key) or (Meter(), now)
        meter.add(event.done, event.total, now)
        if isinstance(self.screen, PlainScreen) and now - said >= QUIET:
            said = now
            self._line(event.host, f"{clean(event.what)}: {meter.text()}")
        self._meters[key] = (meter, said)
        if event.total is not None and event.done >= event.total:
            del self._meters[key]
        if not self.person.asked:
            self.screen.running()

    def _stands(self, event: Standing) -> None:
        key, now = (event.host, event.what), time.monotonic()
        said = self._standing[key][1] if key in self._standing else now
        if isinstance(self.screen, PlainScreen) and now - said >= QUIET:
            said = now
            self._line(event.host, f"{clean(event.what)}: {clean(event.text)}")
        self._standing[key] = (event.text, said)

    def _output(self, event: Output) -> None:
        if not self.raw:
            self._line(event.host, clean(event.line), "dim", "  │ ")
        elif not self.json:
            try:
                print(f"{self._prefix(event.host)}{event.line}", flush=True)
            except OSError:
                self._mute()
                self._unheard = True
                raise Cancelled("nobody reads the output any more") from None

    def _line(self, host: str, text: str, style: str = "", mark: str = "  ", mark_style: str = "") -> None:
        self._last.setdefault(host, deque(maxlen=LAST)).append(f"{mark}{text}")
        first, *rest = text.split("\n")
        prefix = self._prefix(host)
        self._print(first, style, f"{prefix}{mark}", mark_style or style)
        for line in rest:
            self._print(f"{prefix}  {line}", style)

    def _print(self, text: str, style: str = "", mark: str = "", mark_style: str = "") -> None:
        try:
            self.screen.line(text, style, mark=mark, mark_style=mark_style)
        except OSError:
            self._mute()

    def _mute(self) -> None:
        """The terminal or the pipe is gone. Work goes on: it must not end because nobody watches."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def _prefix(self, host: str) -> str:
        return f"{host.ljust(self._column)} │ " if self._column else ""

    def _running(self) -> Iterator[tuple[str, str, Meter | None]]:
        # Without the guard: rich calls this under a lock of its own, which whoever holds the guard may wait for.
        now = time.monotonic()
        for (host, step), (began, _) in list(self._steps.items()):
            yield f"{self._prefix(host)}{step}", seconds(now - began), None
        for (host, what), (meter, _) in list(self._meters.items()):
            yield f"{self._prefix(host)}  {clean(what)}", "", meter
        for (host, what), (text, _) in list(self._standing.items()):
            yield f"{self._prefix(host)}  {clean(what)}", clean(text), None

    # -- the end

    def end(self, record: Record, show: Show | None) -> None:
        """Show how a task ended: the result of each host, with several of them a table with a row for each, then the
        errors."""
        self.pause()
        several = len(record.hosts) > 1
        columns: dict[str, Mapping[str, str]] = {}
        try:
            if self.json:
                print(json_module.dumps(record.as_json(), default=str), flush=True)
                return
            if self._title and not several and record.ok and "plan" not in record.hosts[0].result:
                how = "done" if record.hosts[0].changed else "nothing to do"
                self.say(f"{self._title}: {how} ({seconds(record.seconds)})", "bold green")
            for host in record.hosts:
                self._heading = f"\n{host.host}" if several else ""
                if "plan" in host.result:
                    columns[host.host] = ending.plan(self, host)
                elif host.result and show is not None:
                    columns[host.host] = show(self, host) or {}
            self._heading = ""
            if several:
                self.say()
                ending.hosts(self, record.hosts, columns)
            if not self._unheard:
                ending.errors(record.hosts)
        except OSError:
            self._mute()
