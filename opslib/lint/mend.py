"""`inv lint --fix`: the changes that are safe to make without asking, whole or not at all."""

from __future__ import annotations

import difflib
import os
import stat
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from opslib.errors import BadSettings, OpsError
from opslib.lint.check import Hit
from opslib.lint.edits import edited
from opslib.lint.ignores import sort_out
from opslib.lint.resolve import resolve
from opslib.lint.stacks import Stack, written_of
from opslib.target.base import Target
from opslib.target.transfer import put_bytes

_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Mending:
    """What was mended (`done`) and what is left to a person (`left`), as findings; the lines that change, file by file.
    With `plan` nothing is written."""

    here: Target
    plan: bool = False
    today: date = field(default_factory=date.today)
    done: list[Hit] = field(default_factory=list)
    left: list[Hit] = field(default_factory=list)
    wrote: bool = False
    diff: list[str] = field(default_factory=list)

    def __call__(self, found: Sequence[tuple[Stack, Sequence[Hit]]]) -> bool:
        """Make the changes. Returns whether a file was written. Raises OpsError where Docker Compose refuses what came
        of it: then everything is as it was."""
        before: dict[Path, bytes] = {}
        try:
            for stack, hits in found:
                self._mend(stack, hits, before)
        except OpsError:
            for path, data in before.items():
                _write(self.here, path, data)
            raise
        self.wrote = bool(before)
        return self.wrote

    def as_result(self) -> dict[str, Any]:
        """As it stands in a record."""
        return {"fixed": [_told(hit) for hit in self.done], "by_hand": [_told(hit) for hit in self.left],
                "diff": "\n".join(self.diff)}  # fmt: skip

    def _mend(self, stack: Stack, hits: Sequence[Hit], before: dict[Path, bytes]) -> None:
        by_file: dict[str, list[Hit]] = defaultdict(list)
        for hit in hits:
            if hit.edit is not None:
                by_file[hit.edit.file].append(hit)
        written = {}
        for file, mendable in by_file.items():
            path = stack.files.root / file
            data = path.read_bytes()
            text = data.removeprefix(_BOM).decode("utf-8")
            wanted = _not_ignored(mendable, file, text, self.today)
            edits = {id(hit.edit): hit for hit in wanted}
            new, made = edited(text, [hit.edit for hit in wanted if hit.edit])
            done = {id(edit) for edit in made}
            self.done += [hit for at, hit in edits.items() if at in done]
            self.left += [hit for at, hit in edits.items() if at not in done]
            self.diff += _diff(text, new, f"{stack.below}{file}")
            if new != text and not self.plan:
                written[path] = (data, (_BOM if data.startswith(_BOM) else b"") + new.encode())
        for path, (old, changed) in written.items():
            before[path] = old
            _write(self.here, path, changed)
        if written:
            self._prove(stack)

    def _prove(self, stack: Stack) -> None:
        try:
            resolve(self.here, stack.files, written_of(stack.files))
        except BadSettings as error:
            raise OpsError(
                f"what --fix made of {', '.join(stack.files.compose)} is refused: {error.what}",
                left="the compose files, as they were", next="inv lint, and mend them by hand",
            ) from None  # fmt: skip


def _not_ignored(hits: Sequence[Hit], file: str, text: str, today: date) -> list[Hit]:
    findings = [hit.finding for hit in hits]
    ignored = {id(one) for one, _ in sort_out(findings, {file: text}, (), lambda rule: False, today).ignored}
    return [hit for hit in hits if id(hit.finding) not in ignored]


def _diff(old: str, new: str, file: str) -> list[str]:
    """The lines that change, and no others: what stands beside them may be secret."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), file, file, n=0, lineterm="")
    return [line for line in lines if not line.startswith("---")]


def _write(here: Target, path: Path, data: bytes) -> None:
    real = os.path.realpath(path)
    put_bytes(here, data, real, mode=stat.S_IMODE(os.stat(real).st_mode))


def _told(hit: Hit) -> dict[str, Any]:
    one = hit.finding
    return {"rule": one.rule, "file": one.file, "line": one.line, "service": one.service, "what": one.what}
