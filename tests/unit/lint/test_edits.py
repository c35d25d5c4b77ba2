"""Changes in the text of a compose file."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opslib.lint.edits import edited
from opslib.lint.rule import REMOVE, Edit

TEXT = """\
version: "3.8"   # an old habit
# The stack
x-log: &log
    driver: json-file

services:

  db:
    image: 'postgres:16'    # newest
    environment:
      - A=1
      # the last of them
      - B=2   # two

  # the web
  web:
      image:   x
      restart: "no"
      logging: *log
      depends_on:
      - db
      command: |
        a
        # not a comment

  tiny: {image: y}
  merged:
    <<: {restart: always}
    deploy:
      replicas: 2
"""


def edit(*path: str | int, value: Any) -> Edit:
    return Edit("c.yml", path, value)


CASES = {
    "a new entry goes behind the last": (
        edit("services", "db", "restart", value="unless-stopped"),
        "      - B=2   # two\n", "      - B=2   # two\n    restart: unless-stopped\n",
    ),
    "in the indentation of its neighbours, parents too": (
        edit("services", "merged", "deploy", "resources", "limits", "memory", value="256M"),
        "      replicas: 2\n", "      replicas: 2\n      resources:\n        limits:\n          memory: 256M\n",
    ),
    "behind a text of several lines": (
        edit("services", "web", "init", value=True),
        "        # not a comment\n", "        # not a comment\n      init: true\n",
    ),
    "in braces": (
        edit("services", "tiny", "logging", value={"driver": "local"}),
        "{image: y}", "{image: y, logging: {driver: local}}",
    ),
    "a value is replaced": (edit("services", "web", "restart", value="always"), '"no"', "always"),
    "an item of a list too": (edit("services", "db", "environment", 0, value="A=2"), "- A=1", "- A=2"),
    "an entry is taken away with its line": (edit("version", value=REMOVE), 'version: "3.8"   # an old habit\n', ""),
    "a list becomes a map": (
        edit("services", "web", "depends_on", value={"db": {"condition": "service_healthy"}}),
        "      depends_on:\n      - db\n", "      depends_on:\n        db:\n          condition: service_healthy\n",
    ),
    "a whole new part": (edit("volumes", "data", value=None), "      replicas: 2\n", "      replicas: 2\nvolumes:\n  data: null\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_what_is_meant_changes(name: str, end: str) -> None:
    one, old, new = CASES[name]
    text = TEXT.replace("\n", end)
    assert TEXT.count(old) == 1
    assert edited(text, [one]) == (TEXT.replace(old, new).replace("\n", end), [one])


def test_several_at_once() -> None:
    edits = [one for one, _, _ in CASES.values()]
    text, made = edited(TEXT, edits)
    assert made == edits
    again, data = edited(TEXT, [edit("services", "db", "logging", "driver", value="local"), edit("services", "db", "logging", "options", "max-size", value="10m")])[0], yaml.safe_load(text)  # fmt: skip
    assert data["services"]["merged"]["deploy"]["resources"]["limits"]["memory"] == "256M"
    assert "    logging:\n      driver: local\n      options:\n        max-size: 10m\n" in again


def test_those_that_do_not_go_together_are_made_one_after_the_other() -> None:
    edits = [edit("a", "b", value=1), edit("a", value=REMOVE)]  # together they would take "c: 1" away
    assert edited("a:\n  b: 123456\nc: 1\nd: 2\n", edits) == ("c: 1\nd: 2\n", edits)


@pytest.mark.parametrize(
    "one",
    [
        edit("services", "web", "logging", "driver", value="local"),  # others refer to it
        edit("x-log", "driver", value="local"),  # others refer to it
        edit("services", "merged", "restart", "x", value="y"),  # merged, and no map
        edit("services", "db", "environment", "C", value="3"),  # a list has no keys
        edit("services", "db", "environment", 7, value="3"),
        edit("services", "web", "command", value="x"),  # of several lines
        edit("services", "db", "environment", value={"A": "1"}),  # a comment in it
        edit("services", "never", value=REMOVE),
        edit("services", "tiny", "image", value=REMOVE),
    ],
)
def test_what_is_not_safe_is_left(one: Edit) -> None:
    assert edited(TEXT, [one]) == (TEXT, [])


@pytest.mark.parametrize("path", [("ports",), ("ports", 0), ("user",)])
def test_what_has_a_tag_of_compose_is_left(path: tuple[str | int, ...]) -> None:
    text = 'services:\n  a:\n    ports: !override ["1:1"]\n    user: !reset null\n'
    assert edited(text, [edit("services", "a", *path, value="x")]) == (text, [])


def test_a_merged_service_gets_an_entry_of_its_own() -> None:
    text, made = edited(TEXT, [edit("services", "merged", "restart", value="no")])
    assert made
    assert yaml.safe_load(text)["services"]["merged"]["restart"] == "no"


@pytest.mark.parametrize("text", ["", "a: [", "- x\n", "a: 1\n---\nb: 2\n", "x: " + "[" * 5000])
def test_a_file_that_is_none(text: str) -> None:
    assert edited(text, [edit("a", value=1)]) == (text, [])


def test_a_file_without_a_last_newline_and_an_empty_value() -> None:
    assert edited("services:\n  a:\n    image: x", [edit("services", "a", "init", value=True)])[0] == (
        "services:\n  a:\n    image: x\n    init: true"
    )
    assert edited("services:\n  a:\n    restart:\n    image: x\n", [edit("services", "a", "restart", value="always")])[0] == (
        "services:\n  a:\n    restart: always\n    image: x\n"
    )  # fmt: skip


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | st.text("ab: #-{}'\"\n", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(
    VALUES, st.booleans(), st.lists(st.tuples(st.lists(st.sampled_from(["a", "b", "c", 0]), min_size=1, max_size=3), VALUES | st.just(REMOVE)), max_size=3)
)  # fmt: skip
def test_whatever_is_changed_means_what_was_meant(
    data: Any, flow: bool, wanted: list[tuple[list[str | int], Any]]
) -> None:
    text = yaml.safe_dump({"top": data, "b": 1}, default_flow_style=flow)
    changed, made = edited(text, [edit("top", *path, value=value) for path, value in wanted])
    expected = yaml.safe_load(text)
    for one in made:
        *above, last = one.path
        at = expected
        for key in above:
            at = at.setdefault(key, {}) if isinstance(at, dict) else at[key]
        if one.value is REMOVE:
            del at[last]
        else:
            at[last] = one.value
    assert yaml.safe_load(changed) == expected
