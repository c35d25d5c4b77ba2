"""The gate of a deploy."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.deploy.scanned import refuse
from opslib.errors import Unhealthy

TOLD: dict[str, Any] = {
    "vulnerabilities": [
        {"id": "CVE-1", "verdict": "fails"}, {"id": "CVE-1", "verdict": "fails"}, {"id": "CVE-2", "verdict": "due"},
    ],
    "findings": [
        {"rule": "secret-key", "cost": "exposes", "what": "", "fix": "", "file": "", "line": 0},
        {"rule": "ignore-over", "cost": "hardening", "what": "", "fix": "", "file": "", "line": 0},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "accept, left",
    [((), "CVE-1, secret-key"), (("CVE-1",), "secret-key"), (("CVE-2", "secret-key"), "CVE-1")],
)
def test_what_is_not_accepted_by_name_is_refused(accept: tuple[str, ...], left: str) -> None:
    with pytest.raises(Unhealthy) as error:
        refuse(TOLD, accept, "prod")
    assert error.value.what == f"the images fail the scan: {left}"
    assert f"--accept {left.replace(', ', ',')}" in (error.value.next or "")


@pytest.mark.parametrize("accept", [("all",), ("CVE-1", "secret-key")])
def test_what_is_accepted_is_said(accept: tuple[str, ...]) -> None:
    assert refuse(TOLD, accept, "prod") == ["CVE-1", "secret-key"]


def test_nothing_to_accept() -> None:
    assert refuse({}, (), "prod") == []
