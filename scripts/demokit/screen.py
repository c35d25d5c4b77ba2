"""What the demo prints: a line for each step with its seconds; what a step's commands say only when one fails."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

CHECKOUT = Path(__file__).resolve().parents[2]
INV = CHECKOUT / ".venv" / "bin" / "inv"
WIDTH = 78


class DemoError(Exception):
    """The demo cannot go on; the message is whole. `code` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Screen:
    """The lines of one run of the demo, and the log that holds everything its commands said."""

    def __init__(self, log: Path, mode: str = "w") -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self._file = log.open(mode, buffering=1, errors="replace")
        self._live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._title = ""  # of the step that is under way and whose line is not finished

    def say(self, line: str = "") -> None:
        """A line of its own."""
        self._break()
        print(line, flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A line for what is done inside, with its seconds at the end."""
        self._break()
        print(f"\n==> {title}", file=self._file)
        began, self._title = time.monotonic(), title
        print(title if self._live else title.ljust(WIDTH - 8), end="", flush=True)
        try:
            yield
        except BaseException:
            self._break()
            raise
        seconds = f"{time.monotonic() - began:.1f} s"
        if self._live:
            print("\r\x1b[K" + title.ljust(WIDTH - 8) if self._title else " " * (WIDTH - 8), end="")
        elif not self._title:
            print(" " * (WIDTH - 8), end="")
        print(f"{seconds:>8}", flush=True)
        self._title = ""

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        data: str = "",
        show: bool = False,
    ) -> str:
        """Run a command, `data` on its stdin, and return what it printed on stdout.

        All that it says goes to the log; what it says on stderr also to the screen with `show`. Raises DemoError
        with all of it when it fails.
        """
        words = [str(word) for word in argv]
        print(f"$ {shlex.join(words)}", file=self._file)
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out:
            given.write(data.encode())
            given.seek(0)
            process = subprocess.Popen(
                words, stdin=given, stdout=out, stderr=subprocess.PIPE, text=True, errors="replace"
            )
            assert process.stderr is not None
            said = self._follow(process, process.stderr, show)
            code = process.wait()
            out.seek(0)
            printed = out.read().decode(errors="replace")
        self._file.write(printed)
        if code != 0:
            raise self._failed(words, code, said + printed)
        return printed

    def inv(self, *words: str, cwd: Path) -> None:
        """Run a task in `cwd`; on a terminal its lines are seen as they come, each in the place of the one before."""
        words = (str(INV), *words)  # stderr is read together with stdout: they are one story
        print(f"$ {shlex.join(words)}", file=self._file)
        process = subprocess.Popen(
            words, cwd=cwd, env=environment(), text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        said = self._follow(process, process.stdout, show=False)
        if code := process.wait():
            raise self._failed(words, code, said)

    def _follow(self, process: subprocess.Popen[str], lines: IO[str], show: bool) -> str:
        """All that a command says. Ctrl-C reaches it too: what it undoes then is shown and waited for."""
        said = ""
        try:
            for line in lines:
                said += line
                self._file.write(line)
                self.say(f"  {line.rstrip()}") if show else self._draw(line.strip())
        except KeyboardInterrupt:
            self.say("interrupted; waiting for what runs to end or undo itself")
            for line in lines:
                self._file.write(line)
                self.say(f"  {line.rstrip()}")
            process.wait()
            raise
        return said

    def _failed(self, words: Sequence[str], code: int, said: str) -> DemoError:
        """The error for a command that failed, with all that it said."""
        whole = "".join(f"  {line}\n" for line in said.splitlines())
        return DemoError(f"`{shlex.join(words)}` ended with {code}:\n{whole}  the log: {self.log}")

    def _draw(self, detail: str) -> None:
        """On a terminal: the step's line with what is happening now."""
        if self._title and self._live:
            room = min(shutil.get_terminal_size().columns - 1, WIDTH) - len(self._title) - 2
            print(f"\r\x1b[K{self._title}  {detail[: max(room, 0)]}", end="", flush=True)

    def _break(self) -> None:
        """Other lines come: the step's title stays on a line of its own."""
        if self._title:
            print(f"\r\x1b[K{self._title}" if self._live else "", flush=True)
            self._title = ""


def environment() -> dict[str, str]:
    """The environment of inv: the caller's OPSLIB_* settings would go before those of the demo."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPSLIB_")}
    return {**kept, "PYTHONIOENCODING": "utf-8"}
