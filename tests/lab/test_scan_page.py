"""The page of `inv scan.report` in a real browser: its filters are clicked, on a phone and on a desk, in light and dark.

`--full` only, as Chromium has to be there (`scripts/lab browser`). OPSLIB_PICTURES=DIR keeps pictures to look at.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opslib.findings import Finding
from opslib.scan.images import Subject
from opslib.scan.model import Report, Vulnerability
from opslib.scan.policy import Rules
from opslib.scan.report import page
from opslib.scan.result import result
from opslib.scan.work import Outcome
from opslib.settings.scanning import SEVERITIES
from tests.conftest import missing
from tests.lab.chromium import Browser, browser, program
from tests.unit.scan.test_policy import ignore
from tests.unit.scan.test_work import NOW, scanner

pytestmark = [pytest.mark.lab, pytest.mark.full]

PACKAGES = ("openssl", "glibc", "curl", "zlib", "krb5", "jinja2", "lodash", "perl")
SHOWN = "[...document.querySelectorAll('#vulnerabilities tbody tr')].filter(row => row.offsetParent !== null)"
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def a_scan() -> dict[str, Any]:
    """A stack of five images with 120 vulnerabilities, always the same ones."""
    dice = random.Random(7)
    names = [
        "shop-api:20261129-223431.0123456",
        "shop-worker:20261129-223431.0123456",
        "postgres:15",
        "redis:7",
        "nginx:1",
    ]

    def hole(number: int) -> Vulnerability:
        package, word = dice.choice(PACKAGES), dice.choices(SEVERITIES, (1, 3, 6, 8, 1))[0]
        fixed = dice.choice(["", "3.0.15-1~deb12u1", "3.0.16-1~deb12u1", "4.17.21"])
        title = f"{package}: {dice.choice(['use after free', 'heap overflow', 'a very long explanation of something'])}"
        return Vulnerability(
            f"CVE-2026-{number:04}", package, "3.0.11-1~deb12u2", fixed, word, title,
            f"https://avd.example.com/nvd/cve-2026-{number:04}", "debian",
        )  # fmt: skip

    reports = [
        Report(tuple(hole(100 * at + number) for number in range(24)), (), "debian 12.5" if at != 2 else "debian 10.13",
               at == 2, 120)
        for at in range(4)
    ]  # fmt: skip
    found = (Finding("secret-private-key", "exposes", "a secret: a private key", "take it out", "/app/id_rsa", 1),)
    reports[0] = Report(reports[0].vulnerabilities, found, "debian 12.5", False, 120)
    outcomes = [
        Outcome(Subject(name, (name.split(":")[0].removeprefix("shop-"),)), report, f"{name}.json")
        for name, report in zip(names, reports, strict=False)
    ]
    outcomes.append(Outcome(Subject(names[4], ("nginx",)), None, "", "unable to find the specified image"))
    rules = Rules(NOW, {"critical": 0.0, "high": 14 * 86400.0}, True, [ignore("CVE-2026-0003")])
    told = result(outcomes, scanner(), rules, {}, whole=True)
    return {
        **told,
        "id": "x",
        "folder": "security-reports/prod/2026-11-30T120000Z-7f3a",
        "release": "2026-11-29T223431Z-1234",
    }


def history(scan: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"at": (NOW - timedelta(days=20 - day)).isoformat(), "whole": True, "failing": 1,
         "counts": {word: count + (20 - day) // (2 + at) for at, (word, count) in enumerate(scan["counts"].items())}}
        for day in range(20)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if program() is None:
        missing("there is no Chromium: scripts/lab browser")
    with browser() as opened:
        yield opened


@pytest.mark.parametrize(
    "width, height, dark", [(390, 844, False), (390, 844, True), (1280, 900, False), (1280, 900, True)]
)
def test_its_filters_do_what_they_say(chromium: Browser, tmp_path: Path, width: int, height: int, dark: bool) -> None:
    scan = a_scan()
    found = scan["vulnerabilities"]
    path = tmp_path / "report.html"
    path.write_text(page("prod", scan, history(scan)))
    chromium.asked.clear()
    chromium.open(path, width, height, dark=dark)
    if folder := os.environ.get("OPSLIB_PICTURES"):
        chromium.picture(Path(folder) / f"{width}-{'dark' if dark else 'light'}.png")

    def shown() -> int:
        count = chromium.run(f"{SHOWN}.length")
        assert str(count) == chromium.run("document.getElementById('shown').textContent")
        return int(count)

    assert not chromium.run(WIDE), "it has to be moved sideways"
    assert shown() == len(found) == 96
    chromium.click("button[data-severity=critical]")
    assert shown() == sum(one["severity"] == "critical" for one in found)
    chromium.click("button[data-severity=high]")
    assert shown() == sum(one["severity"] in ("critical", "high") for one in found)
    chromium.click("button[data-severity=critical]")
    chromium.click("button[data-severity=high]")
    assert shown() == 96, "nothing chosen is everything"
    chromium.click("#failing")
    assert shown() == sum(one["verdict"] == "fails" for one in found) > 0
    chromium.click("#failing")
    chromium.click("#fixed")
    assert shown() == sum(bool(one["fixed"]) for one in found)
    chromium.click("#fixed")
    chromium.run(
        "document.getElementById('image').value = 'postgres:15'; document.getElementById('image').dispatchEvent(new Event('input'))"
    )
    assert shown() == 24
    chromium.run(
        "document.getElementById('image').value = ''; document.getElementById('image').dispatchEvent(new Event('input'))"
    )
    chromium.click("#text")
    chromium.type("cve-2026-0100")
    assert shown() == 1
    chromium.type("x")
    assert shown() == 0
    assert chromium.run("document.getElementById('none').offsetParent !== null")
    assert set(chromium.asked) == {path.as_uri()}, "it asks for nothing else"
