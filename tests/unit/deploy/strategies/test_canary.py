"""How many containers a canary is, and what a plan says of it."""

from __future__ import annotations

import pytest

from opslib.deploy.strategies.canary import few_of, show


@pytest.mark.parametrize(
    ("replicas", "weight", "few"),
    [(1, 10, 1), (3, 10, 1), (10, 10, 1), (11, 10, 2), (4, 50, 2), (1, 99, 1), (3, 99, 3)],
)
def test_as_many_as_the_share_needs(replicas: int, weight: int, few: int) -> None:
    assert few_of(replicas, weight) == few


def test_what_the_plan_says() -> None:
    memo = {"weight": 10, "seconds": 300.0, "few": {"api": 1, "web": 2}, "files": {"opslib.conf": ""}}
    assert show(memo) == (
        "first 1 of api and 2 of web get 10 % of the requests for 300 s, watched for health, and 5xx and latency against the old"
    )
    assert show(memo | {"files": {}}).endswith("watched for health alone")
