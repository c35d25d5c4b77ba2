"""Which version mends most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.scan.versions import best, compare, mends


@pytest.mark.parametrize(
    "older, newer",
    [
        ("1.9", "1.10"),
        ("3.0.11-1~deb12u2", "3.0.11-1"),
        ("3.0.11-1~deb12u2", "3.0.15-1~deb12u1"),
        ("1:1.0", "2:0.5"),
        ("9", "1:0"),
        ("7.88.1-10+deb12u4", "7.88.1-10+deb12u5"),
        ("4.2.0rc1", "4.2.0"),
        ("4.2.0-beta.2", "4.2.0"),
        ("1.0.0", "1.0.0-1"),
        ("v1.2.3", "v1.2.4"),
        ("1.2", "1.2.1"),
        ("2.0a1", "2.0a2"),
    ],
)
def test_order(older: str, newer: str) -> None:
    assert (compare(older, newer), compare(newer, older), compare(older, older)) == (-1, 1, 0)


@pytest.mark.parametrize(
    "version, fixed, yes",
    [
        ("4.2.8", "4.2.8", True),
        ("4.2.7", "4.2.8", False),
        ("4.2.8", "4.2.8, 5.0.2", True),
        ("5.0.2", "4.2.8, 5.0.2", True),
        ("5.0.1", "4.2.8, 5.0.2", False),  # newer than a fix of another branch
        ("6.0", "4.2.8, 5.0.2", True),
        ("1", "", False),
    ],
)
def test_mends(version: str, fixed: str, yes: bool) -> None:
    assert mends(version, fixed) is yes


@pytest.mark.parametrize(
    "fixed, wanted",
    [
        (["1.2", "1.10", "1.9"], ("1.10", 3)),
        (["4.2.8, 5.0.2", "5.0.3"], ("5.0.3", 2)),
        (["", ""], ("", 0)),
        (["2", ""], ("2", 1)),
        (["4.2.9", "4.2.8, 5.0.2", "4.2.7"], ("4.2.9", 3)),
    ],
)
def test_best(fixed: list[str], wanted: tuple[str, int]) -> None:
    assert best([{"fixed": one} for one in fixed]) == wanted


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_text_has_its_place(one: str, two: str, three: str) -> None:
    assert compare(one, two) == -compare(two, one)
    if compare(one, two) <= 0 and compare(two, three) <= 0:
        assert compare(one, three) <= 0
    best([{"fixed": one}, {"fixed": two}])
