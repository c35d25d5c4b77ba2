"""The order in which hosts switch, how many may fail, and what is made of a run that was broken off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.run.recovery import Answer, decided
from opslib.run.rollout import Rollout
from opslib.settings.batch import Batch, batch


@pytest.mark.parametrize(
    ("size", "hosts", "turns"),
    [(None, 5, [5]), (1, 3, [1, 1, 1]), (2, 5, [1, 2, 2]), (12, 50, [1, 12, 12, 12, 12, 1]), (9, 1, [1])],
)
def test_one_alone_then_batches(size: int | None, hosts: int, turns: list[int]) -> None:
    assert [len(turn) for turn in Rollout(size).turns(range(hosts))] == turns


@given(st.integers(1, 60), st.one_of(st.none(), st.integers(1, 70)))
def test_each_host_has_one_turn_in_order(hosts: int, size: int | None) -> None:
    turns = Rollout(size).turns(list(range(hosts)))
    assert [one for turn in turns for one in turn] == list(range(hosts))


def test_one_alone_until_one_has_gone_well() -> None:
    rollout = Rollout(4, 3)
    assert list(rollout.turn("abcdef", proven=False)) == ["a"]
    assert list(rollout.turn("bcdef", proven=True)) == ["b", "c", "d", "e"]


def test_how_many_may_fail() -> None:
    assert [Rollout(1, 2).bears(count) for count in range(4)] == [True, True, True, False]
    assert Rollout(1, 2).after(1) == Rollout(1, 1)
    assert Rollout(1, None).bears(99)
    assert Rollout(1, None).after(3).apart


@pytest.mark.parametrize(
    ("text", "hosts", "number"),
    [("3", 50, 3), (3, 2, 3), ("25%", 50, 12), ("25%", 4, 1), ("25%", 3, 1), ("100%", 7, 7), ("29%", 100, 29)],
)
def test_a_batch(text: str | int, hosts: int, number: int) -> None:
    assert batch(text).of(hosts) == number


@given(st.integers(1, 100), st.integers(1, 500))
def test_never_more_than_the_share_but_one(share: int, hosts: int) -> None:
    number = Batch(share, share=True).of(hosts)
    assert number == 1 or number * 100 <= hosts * share


@pytest.mark.parametrize("text", ["0", "0%", "101%", "-1", "a", "", "2.5", True, "٣"])
def test_no_batch(text: str | bool) -> None:
    with pytest.raises(ValueError, match="a number of hosts like 2"):
        batch(text)


@pytest.mark.parametrize(
    ("answers", "forward"),
    [
        (["ready", "committed"], True),
        (["ready", "ready"], True),  # all were to the end, so it can go forward
        (["ready", "neither"], False),  # none commits before all are ready
        (["ready", "unknown"], True),  # that one may have committed
        (["ready", "unknown", "neither"], False),
    ],
)
def test_what_becomes_of_a_run_in_doubt(answers: list[Answer], forward: bool) -> None:
    assert decided(answers) is forward
