"""Values put into an env file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.env.edit import set_values
from opslib.errors import BadSettings
from opslib.settings.dotenv import EnvFile

TEXT = """# the door
export KEY='old' # renewed in May
OTHER=1
KEY2="two
lines"
URL=postgres://app:${KEY}@db/app
"""


def test_all_but_the_value_stays() -> None:
    found = set_values(TEXT, ".env", {"KEY": "new-value", "KEY2": "one"})
    assert found == TEXT.replace("'old'", "new-value").replace('"two\nlines"', "one")
    assert EnvFile(found, ".env").values()["URL"] == "postgres://app:new-value@db/app"


def test_the_assignment_that_counts_is_the_last() -> None:
    assert set_values("A=1\nB=2\nA=3\n", ".env", {"A": "4"}) == "A=1\nB=2\nA=4\n"


@pytest.mark.parametrize("text", ["", "B=1", "B=1\n", "# only a comment\n"])
def test_what_is_not_there_comes_at_the_end(text: str) -> None:
    found = set_values(text, ".env", {"A": "a value"})
    assert found.endswith("A='a value'\n")
    assert EnvFile(found, ".env").values() == {**EnvFile(text, ".env").values(), "A": "a value"}


def test_a_value_that_readers_would_take_for_another_is_refused_and_not_shown() -> None:
    with pytest.raises(BadSettings) as caught:
        set_values(TEXT, ".env", {"KEY": "it's ${OTHER}"})
    assert "OTHER}" not in str(caught.value)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_whatever_opslib_generates_can_be_written(value: str) -> None:
    values = EnvFile(set_values(TEXT, ".env", {"KEY": value}), ".env").values()
    assert (values["KEY"], values["OTHER"], values["KEY2"]) == (value, "1", "two\nlines")
