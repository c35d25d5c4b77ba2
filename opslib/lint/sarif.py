"""Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines, and as annotations of GitHub's workflows."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from opslib.findings import Cost, Finding
from opslib.lint.baseline import key
from opslib.lint.ignores import Ignore

_LEVELS: dict[Cost, str] = {"loses data": "error", "breaks": "error", "exposes": "warning", "hardening": "note"}
_ANNOTATIONS = {"error": "error", "warning": "warning", "note": "notice"}


def sarif(
    findings: Sequence[Finding],
    ignored: Sequence[tuple[Finding, Ignore]] = (),
    *,
    titles: Mapping[str, str] = {},
    prefix: str = "",
    version: str = "",
) -> str:
    """The text of a SARIF file. `titles` are the rules' one-liners, `prefix` the path of the project's folder in its
    repository, ending with a slash."""
    every = [*findings, *(one for one, _ in ignored)]
    rules = list(dict.fromkeys(one.rule for one in every))
    number, seen = {rule: at for at, rule in enumerate(rules)}, Counter[tuple[str, str, str]]()
    results = [_result(one, number[one.rule], prefix, seen) for one in findings]
    for one, ignore in ignored:
        known = {"kind": "inSource", "justification": f"until {ignore.until}: {ignore.reason}"}
        results.append({**_result(one, number[one.rule], prefix, seen), "suppressions": [known]})
    driver = {
        "name": "opslib", "version": version,
        "rules": [_rule(rule, next(one for one in every if one.rule == rule), titles.get(rule)) for rule in rules],
    }  # fmt: skip
    if not version:
        del driver["version"]
    log = {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints",
                                         "results": results}]}  # fmt: skip
    return json.dumps(log, indent=1) + "\n"


def _rule(rule: str, one: Finding, title: str | None) -> dict[str, Any]:
    return {
        "id": rule,
        "shortDescription": {"text": title or rule},
        "defaultConfiguration": {"level": _LEVELS[one.cost]},
        "properties": {"cost": one.cost},
    }


def _result(one: Finding, number: int, prefix: str, seen: Counter[tuple[str, str, str]]) -> dict[str, Any]:
    """`seen` counts findings that are known by the same: only their number tells them apart."""
    seen[key(one)] += 1
    known = hashlib.sha256("\0".join([*key(one), str(seen[key(one)])]).encode("utf-8", "replace")).hexdigest()
    result: dict[str, Any] = {
        "ruleId": one.rule,
        "ruleIndex": number,
        "level": _LEVELS[one.cost],
        "message": {"text": f"{one.what}\n{one.fix}" if one.fix else one.what},
        "partialFingerprints": {"opslib/v1": known},
    }
    if one.file:
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(f"{prefix}{one.file}", errors="replace")}}
        if one.line:
            place["region"] = {"startLine": one.line}
        result["locations"] = [{"physicalLocation": place}]
    return result


def github(findings: Sequence[Finding], prefix: str = "") -> Iterator[str]:
    """A line for each finding that GitHub's runner makes an annotation of."""
    for one in findings:
        place = f" file={_property(prefix + one.file)},line={max(one.line, 1)},title=" if one.file else " title="
        kind = _ANNOTATIONS[_LEVELS[one.cost]]
        text = f"{one.what}\n{one.fix}" if one.fix else one.what
        yield f"::{kind}{place}{_property(f'{one.rule} ({one.cost})')}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def prefix_in_repository(root: Path) -> str:
    """The path of a folder below the root of its repository, ending with a slash; "" where it is that, or in none."""
    root = root.resolve()
    for folder in (root, *root.parents):
        if (folder / ".git").exists():
            path = root.relative_to(folder).as_posix()
            return "" if path == "." else f"{path}/"
    return ""
