"""What becomes of findings: other linters', a baseline, SARIF, annotations."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.errors import BadSettings
from opslib.findings import Finding
from opslib.lint import baseline
from opslib.lint.ignores import Ignore
from opslib.lint.linters import of_compose_lint, of_hadolint
from opslib.lint.sarif import github, prefix_in_repository, sarif

ONE = Finding("mount-beside-data", "loses data", "db, 100%: gone\nfor good", "volumes:\n  - a:b", "a b/c.yml", 3, "db")
TWO = Finding("CL-0003", "hardening", "no-new-privileges", "", "c.yml", 0, "web")
BARE = Finding("variable-unset", "breaks", "X", "")
IGNORED = (Finding("CL-0019", "hardening", "no digest", "", "c.yml", 9), Ignore("c.yml", 8, ("CL-0019",), date(2027, 1, 31), "later", 9, 9))  # fmt: skip


def test_what_compose_lint_says() -> None:
    said = {
        "version": "2",
        "findings": [
            {"file": "c.yml", "line": 3, "rule_id": "CL-0001", "severity": "critical", "service": "web", "message": "socket", "fix": "a proxy", "references": ["x"], "suppressed": False},
            {"file": "/p/sub/d.yml", "line": 4, "rule_id": "CL-0003", "severity": "medium", "service": "web", "message": "m", "fix": None, "suppressed": False},
            {"file": "c.yml", "source_file": "over.yml", "line": 5, "rule_id": "CL-0003", "severity": "low", "service": "web", "message": "m", "suppressed": False},
            {"file": "c.yml", "line": 3, "rule_id": "CL-0002", "severity": "critical", "service": "web", "message": "m", "suppressed": True},
        ],
        "errors": [{"file": "c.yml", "message": "an include was not found", "kind": "coverage"}],
    }  # fmt: skip
    told = of_compose_lint(said, Path("/p"))
    assert told.findings == [
        Finding("CL-0001", "exposes", "web: socket", "a proxy", "c.yml", 3, "web"),
        Finding("CL-0003", "hardening", "web: m", "", "sub/d.yml", 4, "web"),
        Finding("CL-0003", "hardening", "web: m", "", "over.yml", 5, "web"),
    ]
    assert told.notes == ["compose-lint: c.yml: an include was not found"]


def test_what_hadolint_says() -> None:
    said = [
        {"code": "DL3006", "column": 1, "file": "./api/Dockerfile", "level": "warning", "line": 1, "message": "tag"},
        {"code": "DL1000", "column": 1, "file": "Dockerfile", "level": "error", "line": 2, "message": "unexpected"},
    ]
    assert [(one.rule, one.cost, one.file, one.line) for one in of_hadolint(said).findings] == [
        ("DL3006", "hardening", "api/Dockerfile", 1),
        ("DL1000", "breaks", "Dockerfile", 2),
    ]


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["findings", "errors", "file", "line", "rule_id", "code", "severity", "suppressed", "message"]), inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(JSON)
def test_any_json_of_a_linter(found: Any) -> None:
    assert of_compose_lint(found, Path("/p")).findings or True
    of_hadolint(found)


def test_a_baseline_counts_by_rule_file_and_service_not_by_line(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    assert baseline.read(path, "b.json") is None
    path.write_text(baseline.text([ONE, TWO, TWO]))
    known = baseline.read(path, "b.json")
    assert known == Counter({baseline.key(ONE): 1, baseline.key(TWO): 2})
    moved = Finding(ONE.rule, ONE.cost, "other words", "", "a b/override.yml", 99, ONE.service)
    found = baseline.compare([moved, ONE, BARE], known)
    assert (found.new, found.known, found.gone) == ([ONE, BARE], 1, 2)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "findings": []}', '{"version": 1, "findings": [1]}', "[" * 100_000, '{"version": 1, "findings": [{"rule": [], "where": "", "service": "", "count": 1}]}'])  # fmt: skip
def test_what_is_no_baseline(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(BadSettings, match=r"b\.json"):
        baseline.read(tmp_path / "b.json", "b.json")


def test_sarif() -> None:
    log = json.loads(sarif([ONE, TWO, TWO, BARE], [IGNORED], titles={"mount-beside-data": "beside"}, prefix="apps/x/"))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    rules = run["tool"]["driver"]["rules"]
    assert [one["id"] for one in rules] == ["mount-beside-data", "CL-0003", "variable-unset", "CL-0019"]
    assert rules[0]["shortDescription"] == {"text": "beside"}
    first, second, third, bare, ignored = run["results"]
    for one in run["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        assert one["level"] in ("error", "warning", "note")
    place = first["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "apps/x/a%20b/c.yml"}, "region": {"startLine": 3}}
    assert "region" not in second["locations"][0]["physicalLocation"]
    assert "locations" not in bare
    assert second["partialFingerprints"] != third["partialFingerprints"]
    assert ignored["suppressions"] == [{"kind": "inSource", "justification": "until 2027-01-31: later"}]


def test_annotations_of_github() -> None:
    assert list(github([ONE, TWO, BARE], "x/")) == [
        "::error file=x/a b/c.yml,line=3,title=mount-beside-data (loses data)::db, 100%25: gone%0Afor good%0Avolumes:%0A  - a:b",
        "::notice file=x/c.yml,line=1,title=CL-0003 (hardening)::no-new-privileges",
        "::error title=variable-unset (breaks)::X",
    ]


def test_the_path_of_a_project_in_its_repository(tmp_path: Path) -> None:
    inner = tmp_path / "apps" / "x"
    inner.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    assert (prefix_in_repository(inner), prefix_in_repository(tmp_path)) == ("apps/x/", "")
