"""The table of docs/backup.md says what is proven: each of its cells is a test that there is, on both targets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

import pytest

from opslib.backup.manifest import KINDS
from tests.conftest import ROOT

DATA = sorted(set(KINDS) - {"project"})  # its own files are no data: they come back by `restore --bare` alone
COLUMNS = ["source", "whole", "part", "elsewhere", "undo", "old artifact"]
_LINK = re.compile(r"\[local, SSH\]\(\.\./(tests/lab/\w+\.py)#(\w+)\)")


def table() -> list[list[str]]:
    """The rows of the table, the titles first."""
    text = (ROOT / "docs/backup.md").read_text(encoding="utf-8").partition("\n## What is proven\n")[2]
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|--")]


@cache
def collected(files: Sequence[str]) -> list[str]:
    """The tests that pytest finds in files, as it calls them."""
    words = [sys.executable, "-m", "pytest", "--collect-only", "--full", "-q", "-p", "no:cacheprovider", *files]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT, env=env).stdout.splitlines()


def named_in(cell: str) -> list[tuple[str, str]]:
    """The file and the name of each test in a cell."""
    return [(found[1], found[2]) for found in _LINK.finditer(cell)]


def test_every_kind_has_a_row() -> None:
    titles, *rows = table()
    assert titles == COLUMNS
    assert sorted(row[0] for row in rows) == DATA
    assert all(len(row) == len(COLUMNS) for row in rows)


@pytest.mark.parametrize("kind", DATA)
def test_every_cell_is_a_test_on_both_targets_or_says_why_there_is_none(kind: str) -> None:
    titles, *rows = table()
    files = tuple(sorted({file for row in rows for cell in row[1:] for file, _ in named_in(cell)}))
    (row,) = [row for row in rows if row[0] == kind]
    for title, cell in zip(titles[1:], row[1:], strict=True):
        named = named_in(cell)
        assert named or re.match(r"— \w", cell), f"{kind}, {title}: no test, and no reason"
        for file, name in named:
            nodes = [node for node in collected(files) if node.split("[")[0] == f"{file}::{name}"]
            found = [set(re.split(r"[\[\]-]", node)) for node in nodes]
            if any(not one.isdisjoint(DATA) for one in found):
                found = [one for one in found if kind in one]
            for target in ("local", "ssh"):
                assert any(target in one for one in found), f"{kind}, {title}: {file} has no {name} [{target}]"
