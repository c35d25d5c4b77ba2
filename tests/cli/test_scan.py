"""`inv scan…` as a person types it, where no engine is needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

NOWHERE = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}


@pytest.mark.parametrize("task", ["scan.db", "scan.config"])
def test_without_a_scanner_it_says_how_to_get_one(project: Any, task: str) -> None:
    done = project.inv(task, **NOWHERE)
    assert (done.code, "there is no Trivy and no grype on this machine" in done.err) == (1, True)
    assert "install Trivy there" in done.err


@pytest.mark.parametrize("task", ["scan.report", "scan.diff"])
def test_without_a_scan_it_says_what_to_type(project: Any, task: str) -> None:
    done = project.inv(task)
    assert (done.code, "has not been scanned yet" in done.err, "inv scan --host local" in done.err) == (2, True, True)


@pytest.mark.parametrize(
    "words, said",
    [
        (["scan", "--service", ","], "expected a service's name"),
        (["scan", "--image", "a", "--service", "b"], "--image takes an image's name"),
        (["scan.db", "--save", "a", "--load", "b"], "give one of them"),
        (["deploy", "--accept", "CVE-1"], "scan: {gate: true}"),
    ],
)
def test_what_makes_no_sense_together(project: Any, words: list[str], said: str) -> None:
    done = project.inv(*words)
    assert (done.code, said in done.err) == (2, True), done.err


def test_entries_without_an_end_are_a_mistake_of_the_file(project: Any) -> None:
    project.write(".trivyignore", "CVE-2026-1\n")
    done = project.inv("scan.config", **NOWHERE)
    assert (done.code, ".trivyignore:1: CVE-2026-1 has no end" in done.err) == (2, True)
