"""How findings look on a screen, and how a task with them ends."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.errors import OpsError
from opslib.findings import Finding
from opslib.lint.report import Report, page
from opslib.run.record import HostRecord
from opslib.tasks._lint import _judge
from opslib.tasks._show_lint import found
from opslib.ui import Ui

FINDINGS = [
    Finding("mount-beside-data", "loses data", "db would lose it", "volumes:\n  - a:b", "c.yml", 3, "db"),
    Finding("CL-0001", "exposes", "web: a socket", "", "c.yml", 9, "web"),
    *(Finding("CL-0003", "hardening", f"{name}: no-new-privileges", "long", "c.yml", 5, name) for name in "abcde"),
    Finding("no-memory-limit", "hardening", "nothing limits a", "x", "c.yml", 5, "a"),
    *(Finding("no-memory-limit", "hardening", f"nothing limits {n}", "x", "c.yml", n, f"b{n}") for n in (7, 8, 9)),
    Finding("unused-volume", "hardening", "2 volumes", "x"),
]


def shown(report: Report, capsys: pytest.CaptureFixture[str], everything: bool = False, **more: Any) -> list[str]:
    found(everything=everything)(Ui(), HostRecord("local", result={**more, **report.as_result()}))
    return capsys.readouterr().out.splitlines()


def test_hardening_is_one_line_a_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(Report(("c.yml",), FINDINGS, notes=["there is no .env here"]), capsys) == [
        "✗ c.yml:3: db would lose it  [mount-beside-data, loses data]",
        "    volumes:",
        "      - a:b",
        "✗ c.yml:9: web: a socket  [CL-0001, exposes]",
        "! c.yml:5: no-new-privileges  [CL-0003, hardening]",
        "! c.yml:5, 7, 8 and 1 more: nothing limits a service's memory  [no-memory-limit, hardening]",
        "! 2 volumes  [unused-volume, hardening]",
        "  there is no .env here",
        "  1 loses data, 1 exposes, 10 hardening; --all shows each",
    ]
    lines = shown(Report(("c.yml",), FINDINGS), capsys, everything=True)
    assert lines.count("! c.yml:5: b: no-new-privileges  [CL-0003, hardening]") == 1
    assert lines[-1] == "  1 loses data, 1 exposes, 10 hardening"


def test_nothing_found_and_what_was_mended(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(Report(("c.yml", "d.yml")), capsys) == ["✓ c.yml, d.yml: nothing to say"]
    by_hand = [{"file": "c.yml", "line": 4, "what": "web has no limit"}]
    assert shown(Report(("c.yml",)), capsys, diff="+++ c.yml\n-a\n+b", by_hand=by_hand)[:4] == [
        "+++ c.yml", "-a", "+b", "! c.yml:4: web has no limit: this has to be changed by hand"
    ]  # fmt: skip


def judged(report: Report, fail_on: Any) -> HostRecord:
    entry = HostRecord("local")
    _judge(entry, report, fail_on)
    return entry


@pytest.mark.parametrize("fail_on, code", [("loses data", 0), ("breaks", 0), ("exposes", 3), ("hardening", 3)])
def test_from_where_on_it_fails(fail_on: Any, code: int) -> None:
    assert judged(Report(("c.yml",), FINDINGS), fail_on).code == 3
    assert judged(Report(("c.yml",), FINDINGS[1:]), fail_on).code == code
    missing = judged(Report(("c.yml",), missing=OpsError("no Docker")), fail_on)
    assert (missing.code, missing.error and missing.error["what"]) == (1, "no Docker")


def test_where_a_rule_is_explained() -> None:
    assert page("mount-beside-data") == "docs/rules/mount-beside-data.md"
    assert page("variable-unset") == "docs/lint.md"
    assert page("CL-0003") == "compose-lint --explain CL-0003"
    assert page("DL3006") == "hadolint's wiki, DL3006"
