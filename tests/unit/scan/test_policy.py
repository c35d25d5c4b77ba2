"""What fails a scan, when, and what does not."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from opslib.findings import Finding
from opslib.scan.first_seen import FirstSeen
from opslib.scan.ignores import Ignore
from opslib.scan.model import Report, Vulnerability
from opslib.scan.policy import Rules, failing, ignoring, judge, merged, stale, systems

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
DAY = 86400.0


def vulnerability(id: str = "CVE-1", severity: Any = "critical", fixed: str = "2", **more: Any) -> Vulnerability:
    return Vulnerability(id, more.pop("package", "openssl"), more.pop("installed", "1"), fixed, severity, **more)


def ignore(id: str = "CVE-1", until: date = date(2026, 12, 1), **more: Any) -> Ignore:
    return Ignore(id, "we never call it", until, ".trivyignore", 3, **more)


@pytest.mark.parametrize(
    "one, rules, days, verdict",
    [
        (vulnerability(), {"fail_on": {"critical": 0.0}}, 0, "fails"),
        (vulnerability(severity="high"), {"fail_on": {"critical": 0.0}}, 90, "minor"),
        (vulnerability(severity="high"), {"fail_on": {"high": 14 * DAY}}, 13, "due"),
        (vulnerability(severity="high"), {"fail_on": {"high": 14 * DAY}}, 14, "fails"),
        (vulnerability(fixed=""), {"fail_on": {"critical": 0.0}, "only_fixed": True}, 0, "no fix"),
        (vulnerability(fixed=""), {"fail_on": {"critical": 0.0}}, 0, "fails"),
        (vulnerability(), {"fail_on": {"critical": 0.0}, "ignores": [ignore()]}, 0, "ignored"),
        # the last day does not count, as with Trivy itself
        (vulnerability(), {"fail_on": {"critical": 0.0}, "ignores": [ignore(until=NOW.date())]}, 0, "fails"),
        (vulnerability(), {"fail_on": {"critical": 0.0}, "ignores": [ignore("CVE-2")]}, 0, "fails"),
        (vulnerability(), {}, 0, "minor"),
    ],
)
def test_each(one: Vulnerability, rules: dict[str, Any], days: int, verdict: str) -> None:
    (judged,) = judge([(one, ("api",))], Rules(NOW, **rules), {one.key: NOW - timedelta(days=days)})
    assert judged.verdict == verdict
    if verdict == "due":
        assert judged.due == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    "more, covers",
    [
        ({}, True),
        ({"paths": ("usr/lib/*",)}, True),
        ({"paths": ("opt/*",)}, False),
        ({"purls": ("pkg:pypi/jinja2",)}, True),
        ({"purls": ("pkg:pypi/jinja2@2.0",)}, True),
        ({"purls": ("pkg:pypi/jinja2@3.0",)}, False),
        ({"purls": ("pkg:pypi/jinja",)}, False),
    ],
)
def test_where_an_entry_ignores(more: dict[str, Any], covers: bool) -> None:
    one = vulnerability(path="usr/lib/jinja2/METADATA", purl="pkg:pypi/jinja2@2.0?arch=any")
    assert ignore(**more).covers(one) is covers


def test_secrets_are_ignored_by_their_rule() -> None:
    found = Finding("secret-private-key", "exposes", "a key", "", "/test/key.pem")
    assert ignoring(found, Rules(NOW, ignores=[ignore("private-key", paths=("/test/*",))])) is not None
    assert ignoring(found, Rules(NOW, ignores=[ignore("private-key", paths=("/app/*",))])) is None


def test_one_of_several_images_is_one_line() -> None:
    low, bad = vulnerability("CVE-9", "low"), vulnerability("CVE-1")
    found = merged({"a": Report((low, bad)), "b": Report((bad,)), "c": Report((vulnerability(installed="1.1"),))})
    assert [(one.id, one.installed, images) for one, images in found] == [
        ("CVE-1", "1", ("a", "b")), ("CVE-1", "1.1", ("c",)), ("CVE-9", "1", ("a",)),
    ]  # fmt: skip


def test_entries_that_do_nothing_are_named() -> None:
    rules = Rules(
        NOW, ignores=[ignore(), ignore("CVE-2"), ignore("CVE-3", date(2026, 1, 1)), ignore("CVE-4", date(2026, 1, 1))]
    )
    found = [vulnerability(), vulnerability("CVE-3")]
    assert [(one.rule, one.what.split()[0]) for one in stale(rules, found, whole=False)] == [("ignore-over", "CVE-3")]
    assert [one.rule for one in stale(rules, found, whole=True)] == [
        "ignore-obsolete",
        "ignore-over",
        "ignore-obsolete",
    ]
    assert all(one.cost == "hardening" and one.place == ".trivyignore:3" for one in stale(rules, found, whole=True))


def test_a_base_that_has_ended_is_named_and_fails() -> None:
    reports = {"api": Report(os="debian 10.13", ended=True), "web": Report(os="debian 12.5")}
    found = systems({**reports, "new": Report(os="debian 99", unlisted=True)})
    assert [(one.rule, one.what.split(":")[0]) for one in found] == [("base-ended", "api"), ("base-unknown", "new")]
    assert failing([], [*found, Finding("x", "hardening", "", "")]) == 2
    assert ignoring(found[1], Rules(NOW, ignores=[ignore("base-unknown")])) is not None


def test_ages_begin_when_it_is_first_seen_and_again_when_it_was_long_gone() -> None:
    one, other = vulnerability().key, vulnerability("CVE-2").key
    seen = FirstSeen({})
    seen.note([one, other], NOW)
    seen.note([one], NOW + timedelta(days=100))
    assert seen.times()[one] == NOW
    later = NOW + timedelta(days=200)
    seen.note([other], later)
    assert (seen.times()[one], seen.times()[other]) == (NOW, later)
