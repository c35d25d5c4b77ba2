"""The recovery log: what a run has begun on a target, on its disk before it is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opslib.command import bash
from opslib.state import lines
from opslib.target.base import Target
from opslib.target.transfer import put_bytes


@dataclass(slots=True)
class Left:
    """What an earlier run left behind: its first line, its steps in order with memo and whether they were done,
    which of them stay, and how far it had come. `ready` are the hosts that were to commit together, where this one had
    come to the end of its steps and none was being undone. `onward`: what it had done stays."""

    run: str
    task: str
    hosts: tuple[str, ...]
    steps: list[tuple[str, Any]] = field(default_factory=list)
    finals: list[tuple[str, Any]] = field(default_factory=list)
    stays: list[tuple[str, Any]] = field(default_factory=list)
    undone: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    ready: tuple[str, ...] = ()
    committed: bool = False
    stuck: str = ""
    fired: list[str] = field(default_factory=list)
    onward: bool = False


class Log:
    """The recovery log of one run on one target. Nothing is written before the first step has something to do."""

    def __init__(self, target: Target, head: dict[str, Any]) -> None:
        self._target, self._head = target, head
        self._begun = False

    @property
    def begun(self) -> bool:
        """Whether anything was written."""
        return self._begun

    def write(self, entry: dict[str, Any]) -> None:
        """Append one entry (and the first line before it) and have it on the disk."""
        entries = [entry] if self._begun else [self._head, entry]
        lines.append(self._target, path(self._target), *entries)
        self._begun = True

    def take_over(self, name: str, memo: Any) -> None:
        """Begin with what an earlier run has left standing, in place of that run's log: either of them is there, whole,
        at each moment."""
        entries = [self._head, {"step": name, "memo": memo}, {"stays": name}]
        put_bytes(self._target, lines.text(*entries), path(self._target), mode=0o660)
        self._begun = True

    def remove(self) -> None:
        """The run is over: nothing is left to recover."""
        remove(self._target)
        self._begun = False


def path(target: Target) -> str:
    """Where the recovery log stands."""
    return f"{target.state}/run.log"


def remove(target: Target) -> None:
    """Remove the log, on the disk."""
    target.run(bash('rm -f -- "$1" && sync -- "$(dirname -- "$1")"', path(target)))


def left_behind(entries: list[dict[str, Any]]) -> Left | None:
    """What the entries of a recovery log say; None when there is nothing to recover."""
    left: Left | None = None
    for entry in entries:
        if "run" in entry:
            left = Left(str(entry["run"]), str(entry.get("task", "")), tuple(entry.get("hosts", ())))
            left.onward = bool(entry.get("onward"))
        if left is None:
            continue
        if "step" in entry:
            (left.finals if entry.get("final") else left.steps).append((str(entry["step"]), entry.get("memo")))
        if "undone" in entry:
            left.undone.add(str(entry["undone"]))
            left.stuck = ""
        if "finished" in entry:
            left.finished.add(str(entry["finished"]))
        if "stuck" in entry:
            left.stuck = str(entry["stuck"])
        if "stays" in entry:
            left.stays = [one for one in (*left.steps, *left.finals) if one[0] == entry["stays"]][-1:]
        if "fired" in entry:
            left.fired.append(str(entry["fired"]))
        if "ready" in entry:
            left.ready = tuple(entry["ready"])
        if "undoing" in entry:
            left.ready = ()
        if entry.get("commit"):
            left.committed = True
    return left
