"""Env files side by side, told apart by marks."""

from __future__ import annotations

from opslib.env.diff import Marks, compared


def test_equal_values_have_equal_marks_within_one_run_alone() -> None:
    marks = Marks()
    assert marks.of("a value") == marks.of("a value") != marks.of("another")
    assert marks.of("a value") != Marks().of("a value"), "a mark that can be tried again tells the value"
    assert (marks.of(None), marks.of("")) == (None, "")


def test_a_variable_is_the_same_where_every_file_and_every_container_agrees() -> None:
    running = {"api": {"A": "1", "C": "3", "PATH": "/bin"}, "web": {"C": "other"}}
    keys = {
        one["name"]: one for one in compared({"A": "1", "B": "2", "C": "3"}, {"A": "1", "C": "3"}, running, Marks())
    }
    assert {name: one["same"] for name, one in keys.items()} == {"A": True, "B": False, "C": False}
    assert keys["B"]["there"] is None
    assert keys["C"]["running"]["api"] == keys["C"]["here"] != keys["C"]["running"]["web"]
    assert keys["A"]["running"] == {"api": keys["A"]["here"]}


def test_a_file_that_is_not_there_differs_from_nothing() -> None:
    (key,) = compared({"A": "1"}, None, {}, Marks())
    assert (key["same"], key["there"]) == (True, None)
