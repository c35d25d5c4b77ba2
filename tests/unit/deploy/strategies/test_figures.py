"""Whether a new version is worse: pure decisions, and what chance alone would make of them."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from opslib.deploy.strategies.figures import Figures, Pair, at_least, count, fails_more, is_slower
from opslib.settings.model import Tolerance

USUAL = Tolerance()


def errors(new: tuple[int, int], old: tuple[int, int]) -> Pair:
    """Of so many requests so many 5xx."""
    return Pair(Figures(old[1], old[0]), Figures(new[1], new[0]))


@pytest.mark.parametrize(
    ("new", "old", "worse"),
    [
        ((17, 412), (7, 3700), True),
        ((0, 0), (0, 0), False),
        ((2, 2), (0, 18), False),  # two are nothing yet
        ((3, 3), (0, 27), True),  # at 10 %
        ((3, 10), (0, 10), False),  # at 50 % three on one side are an accident
        ((10, 10), (0, 10), True),
        ((20, 400), (180, 3600), False),  # both fail as often
        ((40, 400), (180, 3600), True),
        ((6, 1000), (0, 9000), False),  # within the tolerance of 1 %
        ((11, 1000), (0, 9000), True),
        ((5, 5), (0, 0), False),  # nothing to compare with
        ((100000, 100000), (0, 900000), True),
    ],
)  # fmt: skip
def test_more_5xx(new: tuple[int, int], old: tuple[int, int], worse: bool) -> None:
    assert (fails_more(errors(new, old), USUAL) is not None) == worse


def test_the_figures_are_said() -> None:
    assert fails_more(errors((17, 412), (7, 3700)), USUAL) == "new 5xx 4.1 % of 412 requests against 0.2 % of 3700"
    assert fails_more(errors((17, 412), (7, 3700)), Tolerance(errors=0.05)) is None
    assert Figures(1, 0, Counter({0.12: 1})).text() == "1 request, 0.0 % 5xx, p95 0.120 s"
    assert (Figures().text(), Figures().short()) == ("0 requests", "0")
    assert Figures(412, 17, Counter({0.12: 395})).short() == "412: 4.1 % 5xx, 0.120 s"


def times(seconds: float, often: int, slow: float = 0, how_slow: float = 9) -> Figures:
    late = round(often * slow)
    return Figures(often, 0, Counter({seconds: often - late, how_slow: late}))


@pytest.mark.parametrize(
    ("new", "old", "worse"),
    [
        (times(0.5, 200), times(0.2, 1800), True),
        (times(0.5, 99), times(0.2, 1800), False),  # too few
        (times(0.5, 200), times(0.2, 99), False),
        (times(0.39, 200), times(0.2, 1800), False),  # not twice as long
        (times(0.03, 200), times(0.001, 1800), False),  # 30 times as long, and nobody notices
        (times(0.2, 200, slow=0.04), times(0.2, 1800), False),
        (times(0.2, 200, slow=0.08), times(0.2, 1800), False),  # 16 where 10 may be
        (times(0.2, 200, slow=0.12), times(0.2, 1800), True),
        (times(0.2, 100000, slow=0.001), times(0.2, 900000), False),
        (Figures(500, 500), times(0.2, 1800), False),  # errors have no time
    ],
)  # fmt: skip
def test_slower(new: Figures, old: Figures, worse: bool) -> None:
    assert (is_slower(Pair(old, new), USUAL) is not None) == worse


def test_how_much_slower_is_said_and_may_be_set() -> None:
    pair = Pair(times(0.2, 1800), times(0.5, 200))
    assert is_slower(pair, USUAL) == "p95 of the new 0.500 s in 200 answers against 0.200 s in 1800"
    assert is_slower(pair, Tolerance(latency=3)) is None


def test_the_95th_percentile() -> None:
    assert Figures(times=Counter({float(n): 1 for n in range(1, 101)})).latency == 95
    assert (times(1, 20).latency, Figures().latency) == (1, None)


def test_chance() -> None:
    assert at_least(3, 3, 0.1) == pytest.approx(0.001)
    assert at_least(6, 10, 0.5) == pytest.approx(0.377, abs=0.001)
    assert (at_least(0, 5, 0.1), at_least(5, 5, 1), at_least(1, 100000, 0.5)) == (1.0, 1.0, 1.0)
    assert at_least(60000, 100000, 0.5) < 1e-300
    assert at_least(51000, 100000, 0.5) == pytest.approx(1.3e-10, rel=0.1)


def test_equally_good_versions_are_hardly_ever_told_apart() -> None:
    """Looked at again and again while requests come in, as a watch does, with an old version that fails now and then."""
    dice, wrong = random.Random(7), 0
    for _ in range(200):
        pair = errors((0, 0), (0, 0))
        for _ in range(40):
            for figures, often in ((pair.new, 10), (pair.old, 90)):
                figures.add(200, None, often)
                figures.errors += sum(dice.random() < 0.05 for _ in range(often))
            if fails_more(pair, USUAL):
                wrong += 1
                break
    assert wrong <= 4


def test_what_nginx_says() -> None:
    old, new = Figures(), Figures()
    servers = {"172.18.0.5:80": old, "[fd00::6]:80": new}
    count(
        [
            "     12 172.18.0.5:80|200|0.003", "      3 [fd00::6]:80|503|0.001",
            "      1 [fd00::6]:80, 172.18.0.5:80|502, 200|0.000, 0.004", "      2 [fd00::6]:80 : 172.18.0.5:80|404 : 200|0.1 : 0.2",
            "      4 [fd00::6]:80|-|1.000", "      5 10.0.0.1:80|500|0.1", "      6 api|502|0.000", "torn 172.18.0.5:80|2", "",
            "      1 172.18.0.5:80|200|-",
        ],
        servers,
    )  # fmt: skip
    assert (old.requests, old.errors, old.times) == (16, 0, {0.003: 12, 0.004: 1, 0.2: 2})
    assert (new.requests, new.errors, new.times) == (6, 4, {0.1: 2})
