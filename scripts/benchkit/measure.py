"""Measuring: one call's wall-clock seconds and peak memory, rounds of several things in turn, ratios pair by pair."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

MIB = 1024 * 1024


class BenchError(Exception):
    """Something could not be measured; `code` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: rounds; bytes of a dump and of a file that is moved; bytes of the volume of mixed files;
    how many small files."""

    runs: int
    size: int
    volume: int
    files: int


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command went: its seconds, what it printed, and the bytes of memory that it or the largest of the programs
    it waited for had resident at its peak."""

    seconds: float
    out: str
    peak: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `ratios`: pair by pair, in the order they were measured;"""

    what: str
    ours: str
    peer: str
    aim: str = ""
    ratios: tuple[float, ...] = ()
    runs: int = 1

    def cells(self) -> list[str]:
        return [self.what, self.ours, self.peer, spread(self.ratios) if self.ratios else "", self.aim, str(self.runs)]


@dataclass(slots=True)
class Rounds:
    """Seconds of several things, measured in turn so that a busy minute falls on all of them."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratios(self, ours: str, *peers: str) -> tuple[float, ...]:
        """How many times the slowest of the peers ours took, round by round."""
        slowest = (max(times) for times in zip(*(self.seconds[peer] for peer in peers), strict=True))
        return tuple(mine / theirs for mine, theirs in zip(self.seconds[ours], slowest, strict=True))


def rounds(runs: int, things: Mapping[str, Callable[[], float]]) -> Rounds:
    """Measure each thing once per round, A B A B …; each returns its seconds."""
    found = Rounds({name: [] for name in things})
    for number in range(runs):
        for name, measure in things.items():
            found.seconds[name].append(measure())
        took = ", ".join(f"{name} {seconds(times[-1])}" for name, times in found.seconds.items())
        say(f"  {number + 1}/{runs}: {took}")
    return found


def call(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    to: Path | None = None,
) -> Ran:
    """Run a command that must succeed; `stdin` and `to` are files for its standard input and output.

    Raises BenchError with its last lines when it fails.
    """
    words = [str(word) for word in argv]
    with open(stdin or os.devnull, "rb") as given:
        began = time.perf_counter()
        with open(to, "wb") if to else TemporaryFile() as out, TemporaryFile() as err:
            process = subprocess.Popen(words, cwd=cwd, env=env, stdin=given, stdout=out, stderr=err)
            _, status, usage = os.wait4(process.pid, 0)
            took = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            printed, said = ("" if to else _text(out)), _text(err)
    if process.returncode != 0:
        last = "\n".join((printed + said).strip().splitlines()[-15:])
        raise BenchError(f"`{' '.join(words)}` ended with {process.returncode}:\n{last}")
    return Ran(took, printed, usage.ru_maxrss * 1024)


def timed(*argv: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Callable[[], float]:
    """A thing for `rounds`: the whole of a command, from its start to its end."""
    return lambda: call(argv, cwd=cwd, env=env).seconds


def seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def rate(size: int, value: float) -> str:
    return f"{size / value / 1e6:.0f} MB/s"


def spread(ratios: Sequence[float]) -> str:
    return f"{min(ratios):.2f} / {statistics.median(ratios):.2f} / {max(ratios):.2f}"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
