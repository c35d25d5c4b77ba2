"""What stays of scans on this machine: `security-reports/HOST/ID/`, with every report as the scanner wrote it,
`scan.json` with what became of them, written last, and `scan.sarif`; and `history.jsonl`, a line for each scan.

A folder without `scan.json` is no scan. Nothing of it goes into git: it says where a system is open.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from opslib.errors import BadSettings, OpsError

FOLDER = "security-reports"
_SCAN, _HISTORY = "scan.json", "history.jsonl"
_ID = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z-[0-9a-f]{4}")


def folder(root: Path, host: str) -> Path:
    """Where the scans of a host are."""
    return root / FOLDER / host


def new(root: Path, host: str, ident: str) -> Path:
    """A folder for a new scan. Raises OpsError where it cannot be made."""
    place = folder(root, host) / ident
    try:
        (root / FOLDER).mkdir(mode=0o700, exist_ok=True)
        ignored = root / FOLDER / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n")
        place.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise OpsError(f"{place} cannot be made: {error.strerror}") from None
    return place


def seal(place: Path, result: Mapping[str, Any], sarif: Mapping[str, Any]) -> None:
    """Write `scan.sarif`, then `scan.json`, each whole or not at all, and the line of the history."""
    write(place / "scan.sarif", json.dumps(sarif))
    write(place / _SCAN, json.dumps(result, indent=1))
    line = {key: result[key] for key in ("id", "at", "whole", "counts", "failing", "failed")}
    with open(os.open(place.parent / _HISTORY, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
        file.write(json.dumps(line) + "\n")


def write(path: Path, text: str) -> None:
    """A file that is whole or not there."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def prune(place: Path, keep: int) -> None:
    """Remove all but the newest scans; `place` is one of them and stays."""
    found = _scans(place.parent)
    for old in found[: max(0, len(found) - keep)]:
        if old != place:
            shutil.rmtree(old, ignore_errors=True)


def _scans(host: Path) -> list[Path]:
    """Every folder of a scan, whole or broken off, oldest first."""
    return sorted(path for path in host.glob("*/") if _ID.fullmatch(path.name)) if host.is_dir() else []


def newest(root: Path, host: str) -> Path:
    """The newest whole scan of the whole stack. Raises BadSettings where there is none."""
    for path in reversed(_scans(folder(root, host))):
        if (path / _SCAN).is_file() and load(path)["whole"]:
            return path
    raise BadSettings(f"{host} has not been scanned yet", host=host, next=f"inv scan --host {host}")


def named(root: Path, host: str, ident: str) -> Path:
    """A scan by its id, or the beginning of it. Raises BadSettings."""
    near = [path for path in _scans(folder(root, host)) if path.name.startswith(ident) and (path / _SCAN).is_file()]
    if len(near) != 1:
        why = "is no scan" if not near else f"may be {' or '.join(path.name for path in near[:4])}"
        raise BadSettings(f"{ident!r} {why}", host=host, next=f"ls {FOLDER}/{host}")
    return near[0]


def load(place: Path) -> dict[str, Any]:
    """What was kept of a scan. Raises OpsError for a file that cannot be read."""
    return understood((place / _SCAN).read_text(encoding="utf-8"), str(place / _SCAN))


def understood(text: str, shown: str) -> dict[str, Any]:
    """A kept scan from its text. Raises OpsError naming `shown`."""
    try:
        found = json.loads(text)
        if isinstance(found, dict) and found["format"] == 1:
            return found
        raise ValueError("of another format")
    except (ValueError, KeyError, RecursionError) as error:
        raise OpsError(f"{shown} cannot be read: {error}", next="scan again, and remove it") from None


def history(root: Path, host: str) -> list[dict[str, Any]]:
    """A line for each scan, oldest first; what is no line of ours is passed over."""
    try:
        lines = (folder(root, host) / _HISTORY).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            one = json.loads(line)
            datetime.fromisoformat(one["at"].replace("Z", "+00:00"))
            found.append({**one, "counts": dict(one["counts"]), "failing": int(one["failing"])})
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found
