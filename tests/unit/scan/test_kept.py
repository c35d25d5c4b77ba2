"""What is kept of scans, compared, and made a page and a SARIF log of."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from opslib.errors import BadSettings, OpsError
from opslib.findings import Finding
from opslib.scan import kept
from opslib.scan.diff import compare, of_wanted
from opslib.scan.model import Report
from opslib.scan.policy import Rules
from opslib.scan.released import of_images
from opslib.scan.report import drawn, packages, page
from opslib.scan.result import result
from opslib.scan.sarif import sarif
from tests.unit.scan.test_policy import ignore, vulnerability
from tests.unit.scan.test_work import NOW, outcome, scanner

NASTY = "</script><script>alert(1)</script>\"'"


def scan(*found: Any, **more: Any) -> dict[str, Any]:
    """A scan of one image with these vulnerabilities."""
    report = Report(tuple(found), more.pop("findings", ()), "debian 12.5", packages=9)
    told = result([outcome(report=report)], scanner(), Rules(NOW, {"critical": 0.0}, **more), {}, whole=True)
    return {**told, "id": "2026-11-30T120000Z-0000", "folder": "security-reports/prod/x", "release": None}


def keep(root: Path, number: int, **more: Any) -> Path:
    place = kept.new(root, "prod", f"2026-11-30T12{number:04}Z-{number:04x}")
    kept.seal(place, {**scan(vulnerability()), "id": place.name, **more}, {})
    return place


def test_a_scan_is_there_when_it_is_whole(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="has not been scanned") as error:
        kept.newest(tmp_path, "prod")
    assert error.value.next == "inv scan --host prod"
    first = keep(tmp_path, 1)
    keep(tmp_path, 2, whole=False)
    kept.new(tmp_path, "prod", "2026-11-30T130000Z-ffff")  # broken off
    assert kept.newest(tmp_path, "prod") == first
    assert kept.load(first)["counts"]["critical"] == 1
    assert kept.named(tmp_path, "prod", "2026-11-30T120001") == first
    for ident, said in (("2026-11-30T12", "may be"), ("nothing", "is no scan"), ("2026-11-30T130000Z", "is no scan")):
        with pytest.raises(BadSettings, match=said):
            kept.named(tmp_path, "prod", ident)
    assert (tmp_path / "security-reports/.gitignore").read_text() == "*\n"
    assert (first.stat().st_mode & 0o777, first.parent.parent.stat().st_mode & 0o777) == (0o700, 0o700)
    assert (first.parent / "history.jsonl").stat().st_mode & 0o777 == 0o600


def test_the_oldest_go_and_nothing_else(tmp_path: Path) -> None:
    places = [keep(tmp_path, number) for number in range(1, 5)]
    (places[0].parent / "notes").mkdir()
    kept.prune(places[-1], 2)
    assert sorted(path.name for path in places[0].parent.iterdir()) == sorted(
        ["history.jsonl", "notes", places[2].name, places[3].name]
    )
    assert len(kept.history(tmp_path, "prod")) == 4


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', "[" * 100_000])
def test_what_cannot_be_read_is_said(tmp_path: Path, text: str) -> None:
    place = keep(tmp_path, 1)
    (place / "scan.json").write_text(text)
    with pytest.raises(OpsError, match=r"scan.json cannot be read"):
        kept.load(place)


def test_lines_of_the_history_that_are_none_are_passed_over(tmp_path: Path) -> None:
    place = keep(tmp_path, 1)
    with open(place.parent / "history.jsonl", "a") as file:
        file.write('\n{}\n{"at": 7}\n[1]\nnull\n{"at": "2026-11-30T12:00:00Z", "counts": 7, "failing": 0}\n{"at": "20')
    assert len(kept.history(tmp_path, "prod")) == 1


def test_what_is_new_fixed_and_still_there() -> None:
    before = scan(vulnerability("CVE-1"), vulnerability("CVE-2"))["vulnerabilities"]
    now = scan(vulnerability("CVE-2", installed="1.1"), vulnerability("CVE-3"))["vulnerabilities"]
    found = compare(now, before)
    assert {word: [one["id"] for one in entries] for word, entries in found.items()} == {
        "new": ["CVE-3"], "fixed": ["CVE-1"], "still": ["CVE-2"],
    }  # fmt: skip
    assert compare(now, now)["new"] == []


def test_what_only_runs_is_not_compared() -> None:
    told = scan(vulnerability())
    told["images"][0]["wanted"] = False
    assert of_wanted(told) == []
    assert of_images(told, set())["vulnerabilities"] == []
    assert len(of_images(told, {"api:1"})["vulnerabilities"]) == 1


def test_packages_with_the_version_that_mends_most() -> None:
    found = [
        vulnerability("CVE-1", "high", "1.2"), vulnerability("CVE-2", "high", "1.10"), vulnerability("CVE-3", "low", ""),
        vulnerability("CVE-9", "critical", "", package="zlib"), vulnerability("CVE-8", package="gone"),
    ]  # fmt: skip
    zlib, openssl = packages(scan(*found, ignores=[ignore("CVE-8")])["vulnerabilities"])
    assert (zlib.name, zlib.version) == ("zlib", "")
    assert (openssl.name, openssl.version, openssl.mends, openssl.total) == ("openssl", "1.10", 2, 3)


class Page(HTMLParser):
    """What stands in a page: the text, the tags, and whatever would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words, self.tags, self.fetched, self.links = "", list[str](), list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "action", "data", "poster") or (name == "href" and tag != "a"):
                self.fetched.append(value or "")
            if name == "href" and tag == "a":
                self.links.append(value or "")

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_needs_nothing_and_believes_nothing() -> None:
    told = scan(
        vulnerability(f"CVE-{NASTY}", title=NASTY, package=NASTY, path=NASTY, url="https://example.com/1"),
        findings=(Finding(NASTY, "exposes", NASTY, NASTY, NASTY, 3),),
    )  # fmt: skip
    told["images"][0]["image"] = NASTY
    text = page(NASTY, told, [])
    found = Page(text)
    assert found.fetched == ["data:,"]
    assert found.links == ["https://example.com/1"]
    assert found.tags.count("script") == 1
    assert "alert(1)" in found.words
    assert "http" not in text.replace("https://example.com/1", "").replace("http-equiv", "")
    assert "1 thing fails" not in found.words  # the secret fails it, too
    assert "2 things fail" in found.words


def test_the_page_of_a_clean_scan_and_of_one_that_failed() -> None:
    assert "Nothing fails this scan" in page("prod", scan(), [])
    failed = scan()
    failed.update(failed=1)
    failed["images"][0].update(error="no such image", counts=None)
    text = page("prod", failed, [])
    assert "Nothing fails" not in text
    assert "could not be scanned: no such image" in text


def test_the_history_is_drawn_from_two_scans_on() -> None:
    lines = [
        {"at": (NOW + timedelta(days=day)).isoformat(), "whole": True, "counts": {"critical": day}, "failing": 0}
        for day in range(3)
    ]
    assert drawn(lines[:1]) == []
    assert drawn([*lines[:1], {**lines[1], "whole": False}]) == []
    critical, *_ = drawn(lines)
    assert (critical.points, critical.last) == ("0.0,115.0 300.0,60.0 600.0,5.0", 2)


def test_sarif() -> None:
    told = scan(
        vulnerability(url="https://example.com/1"), vulnerability("CVE-2", "low", path="usr/lib/x y"),
        findings=(Finding("secret-key", "exposes", "a key", "remove it", "/app/key", 3),), ignores=[ignore("CVE-2")],
    )  # fmt: skip
    log = sarif(told)
    (run,) = log["runs"]
    first, second, third = run["results"]
    assert (log["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "trivy")
    assert [one["level"] for one in run["results"]] == ["error", "note", "error"]
    assert [run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] for one in run["results"]] == [
        "CVE-1",
        "CVE-2",
        "secret-key",
    ]
    assert "suppressions" not in first
    assert second["suppressions"][0]["justification"].startswith("we never call it")
    place = second["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "usr/lib/x%20y"
    assert third["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}
    assert run["invocations"][0]["executionSuccessful"]
    told["images"][0]["error"] = "no such image"
    assert not sarif(told)["runs"][0]["invocations"][0]["executionSuccessful"]
    assert json.dumps(log)


def test_times_are_those_of_records() -> None:
    assert scan()["at"] == datetime(2026, 11, 30, 12, tzinfo=timezone.utc).isoformat().replace("+00:00", "Z")
