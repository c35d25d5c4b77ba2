"""What a hold leaves to go back to: decided from what was seen."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.compose.stack import Stack, parse_container
from opslib.deploy.strategies.hold import _whole, gone_back

MEMO: dict[str, Any] = {"roll": {"old": {"api": ["a1"], "web": ["w1", "w2"], "job": ["j1"]}}}


def container(id: str, service: str, **state: Any) -> Any:
    return parse_container({
        "Id": id, "Name": f"/{id}", "Image": "i", "Config": {"Labels": {"com.docker.compose.service": service}},
        "State": {"Status": "running", **state}, "HostConfig": {},
    })  # fmt: skip


OLD = [container("a1", "api"), container("w1", "web"), container("w2", "web")]
NEW = [container(id, service) for id, service in (("a2", "api"), ("w3", "web"), ("w4", "web"), ("j2", "job"))]
REST = [container("d", "db")]


def test_after_going_back_the_old_ones_are_left_and_what_was_not_kept_is_still_new() -> None:
    stack = Stack("p", (*OLD, *NEW, *REST))
    assert _whole(stack, MEMO)
    assert {one.id for one in gone_back(stack, MEMO).containers} == {"a1", "w1", "w2", "j2", "d"}


@pytest.mark.parametrize(
    "left",
    [
        [],
        OLD[:2],
        [*OLD[:2], container("w2", "web", Status="exited")],
        [*OLD[:2], container("w2", "web", Health={"Status": "unhealthy"})],
    ],
)
def test_nobody_goes_back_to_what_is_not_whole(left: list[Any]) -> None:
    assert not _whole(Stack("p", (*left, *NEW, *REST)), MEMO)
