"""A scanner that finds, fails, is killed, is cut off or takes too long. It is a stand-in that prints what the real one
does; tests/lab/test_scan.py has the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.errors import OpsError
from opslib.events import Event, StepEnded
from opslib.scan import scanner as scanners
from opslib.scan.images import Subject
from opslib.scan.scanner import find
from opslib.scan.work import scan_all
from opslib.settings.model import Host
from opslib.settings.scanning import Scan
from opslib.target.base import Target
from opslib.target.connect import connect

TRIVY = r"""#!/bin/bash
[ "$PWD" = / ] || exit 90
case "$1 ${@: -1}" in
version*) echo '{"Version": "0.74.0", "VulnerabilityDB": {"UpdatedAt": "2026-11-29T01:02:03.123456789Z"}}' ;;
*clean:1) echo '{"SchemaVersion": 2, "Results": null}' ;;
*found:1) echo '{"SchemaVersion": 2, "Results": [{"Target": "x", "Vulnerabilities": [
  {"VulnerabilityID": "CVE-1", "Severity": "HIGH"}]}]}' ;;
*cut:1) printf '{"SchemaVersion": 2, "Results": [{"Tar' ;;
*empty:1) ;;
*killed:1) kill -9 $$ ;;
*absent:1) printf '{"Schema'; printf '2026\tFATAL\tFatal error\trun error: image scan error: unable to find the image\n' >&2; exit 1 ;;
*slow:1) sleep 60 ;;
*busy:1) if [ -e "$HOME/free" ]; then echo '{"SchemaVersion": 2}'; exit; fi; touch "$HOME/free"
  printf '2026\tFATAL\tFatal error\trun error: cache may be in use by another process: timeout\n' >&2; exit 1 ;;
*) exit 91 ;;
esac
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "trivy").write_text(TRIVY)
    (folder / "trivy").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    target = connect(Host(name="local", path=str(tmp_path)))
    yield target
    target.close()


def test_every_image_has_an_outcome_of_its_own(here: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanners, "_MARGIN", 0.3)
    events: list[Event] = []
    here.tell = events.append
    names = ["clean:1", "found:1", "cut:1", "empty:1", "killed:1", "absent:1", "slow:1"]
    scanner = find(here, here, Scan(timeout=1.0))
    assert (scanner.kind, scanner.version, str(scanner.database)) == (
        "trivy", "0.74.0", "2026-11-29 01:02:03.123456+00:00",
    )  # fmt: skip
    outcomes = {one.subject.name: one for one in scan_all(scanner, [Subject(name) for name in names], tmp_path, here)}
    said: dict[str, Any] = {
        name: one.error if one.report is None else len(one.report.vulnerabilities) for name, one in outcomes.items()
    }
    assert (said["clean:1"], said["found:1"]) == (0, 1)
    for name, word in {
        "cut:1": "truncated", "empty:1": "empty", "killed:1": "killed", "slow:1": "not done after 1.3 s",
        "absent:1": "image scan error: unable to find the image",
    }.items():  # fmt: skip
        assert word in said[name], said
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "clean_1.json", "cut_1.damaged", "empty_1.damaged", "found_1.json",
    ]  # fmt: skip
    ended = {event.step: event.status for event in events if isinstance(event, StepEnded)}
    assert (ended["scan found:1"], ended["scan killed:1"]) == ("done", "failed")


def test_grype_in_its_place_and_none_at_all(here: Target, tmp_path: Path) -> None:
    trivy = tmp_path / "bin" / "trivy"
    trivy.rename(tmp_path / "bin" / "grype")
    assert find(here, here, Scan()).kind == "grype"
    (tmp_path / "bin" / "grype").unlink()
    with pytest.raises(OpsError, match="there is no Trivy and no grype on this machine") as error:
        find(here, here, Scan())
    assert "install Trivy" in (error.value.next or "")


def test_a_cache_that_somebody_else_has_is_waited_for(
    here: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (one,) = scan_all(find(here, here, Scan()), [Subject("busy:1")], tmp_path, here)
    assert (one.error, one.report is not None) == ("", True)
    (tmp_path / "free").unlink()
    (one,) = scan_all(find(here, here, Scan(timeout=0.0)), [Subject("busy:1")], tmp_path, here)
    assert "in use by another process" in one.error


def test_names_of_reports_do_not_meet(here: Target, tmp_path: Path) -> None:
    found = scan_all(find(here, here, Scan()), [Subject("a/clean:1"), Subject("a_clean:1")], tmp_path, here)
    assert [one.file for one in found] == ["a_clean_1.json", "a_clean_1~1.json"]
