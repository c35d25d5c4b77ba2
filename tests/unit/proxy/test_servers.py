"""Weights that give new servers a share of the requests."""

from __future__ import annotations

from fractions import Fraction

import pytest

from opslib.proxy.servers import Server, shared, weighted

HUNDREDTH = Fraction(1, 10_000)


def names(letter: str, count: int) -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


def test_a_tenth_for_one_beside_three() -> None:
    assert shared(names("o", 3), ["n0"], 0.1) == [*(Server(one, 3) for one in names("o", 3)), Server("n0", 1)]


@pytest.mark.parametrize("old", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("new", [1, 2, 3, 11])
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.05, 0.1, 0.125, 1 / 3, 0.5, 0.9, 0.99])
def test_the_new_ones_together_have_their_share(old: int, new: int, share: float) -> None:
    found = shared(names("o", old), names("n", new), share)
    weight = {letter: sum(one.weight for one in found if one.address[0] == letter) for letter in "on"}
    assert abs(Fraction(weight["n"], weight["o"] + weight["n"]) - Fraction(share)) < HUNDREDTH
    for letter in "on":
        assert len({one.weight for one in found if one.address[0] == letter}) == 1, "no favourites in a group"
    assert len(found) == old + new
    assert all(one.weight >= 1 for one in found)


def test_equal_weights_where_nothing_else_is_wanted() -> None:
    assert {one.weight for one in shared(names("o", 3), names("n", 1), 0.25)} == {1}
    assert not weighted(shared(names("o", 2), names("n", 2), 0.5))
    assert weighted(shared(names("o", 2), names("n", 2), 0.4))


def test_who_gets_nothing_is_left_out() -> None:
    old, new = [Server("o0"), Server("o1")], [Server("n0")]
    assert shared(["o0", "o1"], ["n0"], 0) == old
    assert shared(["o0", "o1"], ["n0"], 1) == new
    assert shared([], ["n0"], 0.1) == new, "nobody else is there"
    assert shared(["o0", "o1"], [], 0.1) == old
    assert shared([], [], 0.1) == []
