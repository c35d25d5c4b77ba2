"""Comments that ignore findings."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.findings import Finding
from opslib.lint.ignores import Ignore, ignores_in, sort_out

TODAY = date(2026, 11, 30)
TEXT = """\
services:
  # opslib: ignore no-limit, CL-0003 until 2027-01-31: measured in March
  db:
    image: postgres

    ports:
    - 5432:5432  # opslib: ignore open until 2026-11-30: firewalled
  web:
    image: x
"""


def at(rule: str, line: int, file: str = "c.yml") -> Finding:
    return Finding(rule, "breaks", "what", "fix", file, line)


def sorted_(findings: list[Finding], text: str = TEXT, asked: bool = True) -> tuple[list[str], list[str]]:
    result = sort_out(findings, {"c.yml": text}, ["no-limit", "open"], lambda rule: asked, TODAY)
    return [f"{one.rule}:{one.line}" for one in result.counted], [f"{one.rule}:{one.line}" for one, _ in result.ignored]


def test_a_comment_holds_for_the_entry_that_it_stands_above_and_all_in_it() -> None:
    found = [
        at("no-limit", 3),
        at("CL-0003", 7),
        at("open", 7),
        at("no-limit", 8),
        at("other", 3),
        at("no-limit", 3, "d.yml"),
    ]
    assert sorted_(found) == (["no-limit:8", "other:3", "no-limit:3"], ["no-limit:3", "CL-0003:7", "open:7"])


def test_one_that_is_over_ignores_nothing_and_is_a_finding() -> None:
    text = TEXT.replace("2026-11-30", "2026-11-29")
    found = [at("no-limit", 3), at("CL-0003", 3), at("open", 7)]
    assert sorted_(found, text) == (["open:7", "ignore-over:7"], ["no-limit:3", "CL-0003:3"])


def test_one_that_matches_nothing_is_a_finding_unless_its_rule_was_not_asked() -> None:
    assert sorted_([at("no-limit", 3)]) == (["ignore-unused:2", "ignore-unused:7"], ["no-limit:3"])
    assert sorted_([at("no-limit", 3)], asked=False) == ([], ["no-limit:3"])


def test_a_rule_that_is_mistyped_is_told_its_name() -> None:
    (wrong,) = sort_out([], {"c.yml": "a: 1 # opslib: ignore no-limits until 2027-01-01: x"}, ["no-limit"], lambda rule: True, TODAY).counted  # fmt: skip
    assert (wrong.rule, wrong.fix) == ("ignore-unused", "did you mean no-limit?")


@pytest.mark.parametrize(
    "comment",
    ["ignore", "ignore open", "ignore open until 2027-01-01", "ignore open until 2027-01-01:", "ignore open until 2027-02-30: x",
     "ignore until 2027-01-01: x", "ignore open: x", "ignore open until tomorrow: x"],
)  # fmt: skip
def test_one_without_rule_date_or_reason_is_a_finding(comment: str) -> None:
    (found,) = ignores_in(f"a: 1 # opslib: {comment}\n", "c.yml")
    assert isinstance(found, Finding)
    assert (found.rule, found.line) == ("ignore-unclear", 1)


@pytest.mark.parametrize(
    "text, extent",
    [
        ("# opslib: ignore a until 2027-01-01: b\n\n# more\nx:\n  y:\n\n    z: 1\nw: 1\n", (4, 7)),
        ("x: # opslib: ignore a until 2027-01-01: b\n- 1\n- 2\ny: 1\n", (1, 3)),
        ("x:\n  # opslib: ignore a until 2027-01-01: b\n  - a: 1\n    b: 2\n  - c: 1\n", (3, 4)),
        ("x: 1\n# opslib: ignore a until 2027-01-01: b\n", (2, 2)),
        ("FROM x\n# opslib: ignore a until 2027-01-01: b\nRUN a && \\\n  b\nRUN c\n", (3, 4)),
    ],
)
def test_what_a_comment_covers(text: str, extent: tuple[int, int]) -> None:
    (found,) = ignores_in(text, "c.yml")
    assert isinstance(found, Ignore)
    assert (found.first, found.last) == extent


@given(st.lists(st.sampled_from(["# opslib: ignore a until 2027-01-01: b", "x:", "  y: 1", "  - z", "", "# c", "---", "# opslib: ignore"]), max_size=12), st.text(max_size=30))  # fmt: skip
def test_any_text(lines: list[str], more: str) -> None:
    text = "\n".join([*lines, f"# opslib: {more}", f"# opslib: ignore {more}"])
    sort_out([at("a", 1)], {"c.yml": text}, ["a"], lambda rule: True, TODAY)
