"""What was wrong already when somebody began to look: it is known, and only what is new counts."""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from opslib.errors import BadSettings
from opslib.findings import Finding
from opslib.settings.textfile import read_text

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Compared:
    """The findings that are not in the baseline, how many are, and how many of it are no more."""

    new: list[Finding]
    known: int
    gone: int


def key(finding: Finding) -> tuple[str, str, str]:
    """What a finding is known by: its rule, where it is, and the service. Lines move, words have figures in them, and
    what is said of a service moves to the override that names it too: where it is, is the folder then."""
    return finding.rule, posixpath.dirname(finding.file) if finding.service else finding.file, finding.service


def compare(findings: Sequence[Finding], baseline: Counter[tuple[str, str, str]]) -> Compared:
    """Of as many of a kind (`key`) as the baseline has, none is new."""
    left = Counter(baseline)
    new = []
    for one in findings:
        if left[key(one)] > 0:
            left[key(one)] -= 1
        else:
            new.append(one)
    return Compared(new, len(findings) - len(new), sum(left.values()))


def read(path: Path, shown: str) -> Counter[tuple[str, str, str]] | None:
    """The baseline in a file, None where there is no such file. Raises BadSettings for anything else in it."""
    try:
        text = read_text(path, shown, 16 << 20)
    except FileNotFoundError:
        return None
    try:
        found = json.loads(text)
        if found["version"] != _VERSION:
            raise BadSettings(
                f"{shown} is a baseline of another version of opslib", next="remove it, and run this again"
            )
        return Counter({(one["rule"], one["where"], one["service"]): int(one["count"]) for one in found["findings"]})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadSettings(f"{shown} is no baseline of inv lint", next="name another file, or remove it") from None


def counted(findings: Iterable[Finding]) -> Counter[tuple[str, str, str]]:
    """The findings by what they are known by."""
    return Counter(map(key, findings))


def text(findings: Iterable[Finding]) -> str:
    """The baseline that has these findings."""
    entries = [
        {"rule": rule, "where": where, "service": service, "count": count}
        for (rule, where, service), count in sorted(counted(findings).items())
    ]
    return json.dumps({"version": _VERSION, "findings": entries}, indent=1) + "\n"
