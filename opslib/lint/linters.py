"""The linters that others write, for what is not opslib's business: compose-lint for hardening, hadolint for
Dockerfiles.

Both are programs of the extra `lint`. They run beside whatever else is asked; what they print is read as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opslib.command import command
from opslib.errors import CommandFailed
from opslib.findings import Cost, Finding
from opslib.lint.staged import Group
from opslib.target.base import Target
from opslib.target.process import Process

COMPOSE_LINT, HADOLINT = "compose-lint", "hadolint"
INSTALL = "pip install 'opslib[lint]'"
_LIMIT = 60.0  # seconds
_MOST = 64 << 20  # bytes of an answer
_COSTS: dict[str, Cost] = {"critical": "exposes", "high": "exposes"}  # of compose-lint's; all others are hardening
_BROKEN = "DL1000"  # hadolint's word for a Dockerfile that is none
_CONFIGS = (".compose-lint.yml", ".compose-lint.yaml")


@dataclass(frozen=True, slots=True)
class Told:
    """What a linter found, and why it did not see all: it is missing, it failed, a file was none for it."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def below(self, folder: str) -> Told:
        """The same with the paths of files below `folder` ("", or ending with a slash)."""
        return Told(
            [replace(one, file=f"{folder}{one.file}") if one.file else one for one in self.findings], self.notes
        )


@dataclass(slots=True)
class Asked:
    """A linter that runs, or cannot."""

    name: str
    here: Target
    process: Process | None

    def answer(self) -> tuple[Any, str]:
        """The JSON that it printed when it has ended, None where that is none; and the last line that it said."""
        if self.process is None:
            return None, f"{self.name} is not installed, so its rules were not asked: {INSTALL}"
        out = bytearray()
        try:
            try:
                while got := self.process.read():
                    out += got
                    if len(out) > _MOST:
                        self.process.kill(f"printed more than {_MOST} bytes")
            finally:
                ended = self.here.finish(self.process)
            return json.loads(out), ""
        except CommandFailed as error:  # the time limit; behind it stands the whole command
            said = error.what.partition(": ")[0]
        except (ValueError, RecursionError):
            said = (ended.stderr.strip() or "it printed no JSON").splitlines()[-1]
        return None, f"{self.name} failed, so its rules were not asked: {said}"


def start(here: Target, name: str, root: Path, *words: str) -> Asked:
    """Start a linter in a folder of this machine; it is not waited for."""
    program = _program(name)
    if program is None:
        return Asked(name, here, None)
    try:
        return Asked(name, here, here.start(command(program, *words, cwd=str(root), limit=_LIMIT)))
    except CommandFailed:
        return Asked(name, here, None)


def compose_lint(here: Target, group: Group, root: Path) -> Asked:
    """compose-lint over some stacks; its own settings are those of the project in `root`. It is given no env files:
    what is in them is other in CI, and the business of env.check."""
    given = next((path for name in _CONFIGS if (path := root / name).is_file()), None)
    options = (["--config", str(given)] if given else []) + ([] if group.listed else ["--no-env"])
    words = ("check", "--format", "json", "--allow-partial-coverage", *options, "--", *group.files)
    return start(here, COMPOSE_LINT, group.folder, *words)


def hadolint(here: Target, root: Path, dockerfiles: Sequence[str]) -> Asked:
    """hadolint over Dockerfiles below `root`."""
    return start(here, HADOLINT, root, "--no-fail", "--format", "json", "--", *dockerfiles)


def read_compose_lint(asked: Asked, group: Group) -> Told:
    """What it says, when it has ended."""
    found, said = asked.answer()
    return Told(notes=[said]) if said else of_compose_lint(found, group.folder)


def read_hadolint(asked: Asked) -> Told:
    """What it says, when it has ended."""
    found, said = asked.answer()
    return Told(notes=[said]) if said else of_hadolint(found)


def of_compose_lint(found: Any, folder: Path) -> Told:
    """From its JSON (versions 1 and 2 of its form); paths are below `folder`. What it calls high or critical exposes
    something."""
    entries = _maps(found.get("findings")) if isinstance(found, dict) else []
    errors = _maps(found.get("errors")) if isinstance(found, dict) else [{"message": "it printed no findings"}]
    findings = [
        Finding(
            str(one.get("rule_id", "")), _COSTS.get(str(one.get("severity")), "hardening"), _whose(one),
            str(one.get("fix") or ""), _path(one.get("source_file") or one.get("file"), folder), _line(one.get("line")),
            str(one.get("service") or ""),
        )
        for one in entries if not one.get("suppressed")
    ]  # fmt: skip
    notes = [
        f"{COMPOSE_LINT}: {': '.join(str(one[key]) for key in ('file', 'message') if one.get(key))}" for one in errors
    ]
    return Told(findings, notes)


def of_hadolint(found: Any) -> Told:
    """From its JSON. All of it is hardening, but for a Dockerfile that cannot be read."""
    if not isinstance(found, list):
        return Told(notes=[f"{HADOLINT}: it printed no findings"])
    findings = [
        Finding(
            str(one.get("code", "")), "breaks" if one.get("code") == _BROKEN else "hardening",
            str(one.get("message", "")), "", os.path.normpath(str(one.get("file") or "")), _line(one.get("line")),
        )
        for one in _maps(found)
    ]  # fmt: skip
    return Told(findings)


def _program(name: str) -> str | None:
    """Beside this Python, as pip puts it there, else on the PATH."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if os.access(beside, os.X_OK) else shutil.which(name)


def _whose(one: dict[str, Any]) -> str:
    """The message with the service's name, which compose-lint leaves out."""
    service, message = str(one.get("service") or ""), str(one.get("message", ""))
    return f"{service}: {message}" if service and service not in message else message


def _maps(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _path(value: Any, folder: Path) -> str:
    path = os.path.normpath(str(value)) if value else ""
    return os.path.relpath(path, folder) if os.path.isabs(path) else path


def _line(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
