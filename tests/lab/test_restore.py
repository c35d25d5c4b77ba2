"""Restore on real engines, here and over SSH."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import missing
from tests.lab.restore_stack import Trial

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["local", "ssh"])
def trial(request: pytest.FixtureRequest, lab: dict[str, Any]) -> Iterator[Trial]:
    if request.param == "ssh":
        request.getfixturevalue("ssh_config")
        if not any(server["name"] == "one" for server in lab["servers"]):
            missing("the lab has no server `one`: run scripts/lab up")
    found = Trial(request.param, lab["images_prefix"])
    try:
        found.up()
        yield found
    finally:
        found.down()


@pytest.fixture(scope="module")
def saved(trial: Trial) -> str:
    return trial.backup()


@pytest.fixture
def good(trial: Trial, saved: str) -> dict[str, Any]:
    """What the stack holds, as in the set."""
    return trial.seen()


def test_a_whole_set_comes_back(trial: Trial, saved: str) -> None:
    good = trial.seen()
    trial.ruin()
    record = trial.restore(saved)
    assert record.ok, record.hosts[0].error
    assert trial.running() == ["app", "cache", "db", "plain"]
    assert trial.seen() == good
