"""What runs, shown live on a terminal. Only this module knows rich; it is imported when something runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from opslib.ui.text import Meter, bar

Running = Callable[[], Iterable[tuple[str, str, Meter | None]]]
"""What runs now: the name, how long for, and how far it has come."""


class LiveScreen:
    """Lines that stay, and below them one line for each thing that runs."""

    def __init__(self, stream: TextIO, running: Running) -> None:
        self._console = Console(file=stream, highlight=False)
        self._running = running
        self._spinner = Spinner("dots")
        self._live: Live | None = None

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self._console.width

    def line(self, text: str, style: str = "", *, mark: str = "", mark_style: str = "") -> None:
        """Print a line above what runs; a line that is too long is continued below its own beginning."""
        words = Text.assemble((mark, mark_style), (text, style)) if mark else Text(text, style)
        self._console.print(words, soft_wrap=True)

    def running(self) -> None:
        """Something runs: show it."""
        if self._live is None:
            self._live = Live(
                get_renderable=self._lines, console=self._console, refresh_per_second=8, transient=True,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            self._live.start()

    def pause(self) -> None:
        """Take away what is shown live: a question comes, or the end."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _lines(self) -> Group:
        frame = self._spinner.render(self._console.get_time())
        lines = []
        for name, lasting, meter in self._running():
            line = Text.assemble("  ", frame, " ", (name, ""), no_wrap=True, overflow="ellipsis")  # type: ignore[arg-type]
            if meter is not None:
                if meter.part is not None:
                    line.append(f"  {bar(meter.part)} {meter.part:4.0%}", "cyan")
                line.append(f"  {meter.text()}", "dim")
            else:
                line.append(f"  {lasting}", "dim")
            lines.append(line)
        return Group(*lines)
