"""Lines for a stream that is no terminal, or one that cannot move its cursor."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

_PLAIN = str.maketrans({"✓": "+", "✗": "x", "↶": "<", "·": "-", "…": "~", "│": "|"})


class PlainScreen:
    """Lines, and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._ascii = not speaks(stream, "✓✗↶…│")

    @property
    def width(self) -> int:
        """Columns of the terminal; where there is none a table may be as wide as it likes."""
        return shutil.get_terminal_size().columns if self._stream.isatty() else 1000

    def line(self, text: str, style: str = "", *, mark: str = "", mark_style: str = "") -> None:
        """Print a line."""
        text = mark + text
        print(text.translate(_PLAIN) if self._ascii else text, file=self._stream, flush=True)

    def running(self) -> None:
        """Something runs: nothing to be seen of it here."""

    def pause(self) -> None:
        """Nothing is shown live."""


def redraws(stream: TextIO) -> bool:
    """Whether it is a terminal on which lines can be drawn again."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def speaks(stream: TextIO, text: str) -> bool:
    """Whether the stream can show these characters."""
    try:
        text.encode(stream.encoding or "ascii")
    except (LookupError, UnicodeError):
        return False
    return True
