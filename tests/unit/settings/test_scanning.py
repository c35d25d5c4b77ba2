"""`scan:` of a host file."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.errors import BadSettings

DAY = 86400.0


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("{}", {"critical": 0.0, "high": 0.0}),
        ("{fail_on: critical}", {"critical": 0.0}),
        ("{fail_on: low}", {"critical": 0.0, "high": 0.0, "medium": 0.0, "low": 0.0}),
        ("{fail_on: {critical: 0d, high: 14d}}", {"critical": 0.0, "high": 14 * DAY}),
        ("{fail_on: {high: 36h}}", {"high": 1.5 * DAY}),
    ],
)
def test_what_fails(project: Any, text: str, wanted: dict[str, float]) -> None:
    assert project.host(f"scan: {text}\n").scan.fail_on == wanted


def test_a_token_is_masked(project: Any) -> None:
    project.write(".env", "TRIVY_TOKEN=hunter2x\n")
    host = project.host("scan: {server: 'https://trivy.example.com', token: '${TRIVY_TOKEN}'}\n")
    assert host.scan.token.reveal() == "hunter2x"
    assert "hunter2x" not in repr(host)


@pytest.mark.parametrize(
    "text, said",
    [
        ("{fail_on: severe}", "expected one of critical, high, medium, low, unknown, or {critical: 0d, high: 14d}"),
        ("{fail_on: {hihg: 1d}}", "unknown key 'scan.fail_on.hihg'; did you mean 'high'?"),
        ("{fail_on: {high: soon}}", "expected a duration"),
        ("{scanners: [secret]}", "without vuln"),
        ("{on: everywhere}", "expected remote or local or container"),
        ("{token: abc, server: 'http://a'}", "a secret stands here only as"),
        ("{server: trivy}", "expected an address"),
        ("{cache: here}", "expected an absolute path"),
        ("{keep: 0}", "at least 1"),
    ],
)
def test_mistakes_have_their_place(project: Any, text: str, said: str) -> None:
    with pytest.raises(BadSettings) as error:
        project.host(f"scan: {text}\n")
    assert said in error.value.what
    assert ":1: scan" in error.value.what or "unknown key" in error.value.what
