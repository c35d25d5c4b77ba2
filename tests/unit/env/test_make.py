"""Env files from their examples."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.env.example import Example, Variable
from opslib.env.make import Made, make
from opslib.errors import BadSettings
from opslib.settings.dotenv import EnvFile

TEXT = """# About the whole.

# The port of the api.
# type: port
PORT=8000
# secret: 16 hex
DB_PASSWORD=
DB_USER=app
DB_URL=postgres://${DB_USER}:${DB_PASSWORD}@db/app

JWT_SECRET_KEY=supersecretkey   # secret: 64 alnum
# Who gets mail.
# type: email
OWNER=
# optional
EXTRA=
LITERAL='a $b # c'
# COMMENTED=1
"""


def made(text: str, current: str | None = None, ask: object = None) -> Made:
    return make(Example(text, "x.example"), current, ".env", ask or (lambda variable: None))  # type: ignore[arg-type]


def test_a_new_file_is_the_example_with_values() -> None:
    asked: list[str] = []

    def ask(variable: Variable) -> str:
        asked.append(f"{variable.name}: {variable.about}")
        return "a@example.com"

    found = made(TEXT, None, ask)
    values = EnvFile(found.text, ".env").values()
    assert asked == ["OWNER: Who gets mail. type: email"]
    assert (values["PORT"], values["OWNER"], values["EXTRA"], values["LITERAL"]) == (
        "8000",
        "a@example.com",
        "",
        "a $b # c",
    )
    assert re.fullmatch("[0-9a-f]{16}", values["DB_PASSWORD"])
    assert re.fullmatch("[A-Za-z0-9]{64}", values["JWT_SECRET_KEY"])
    assert values["DB_URL"] == f"postgres://app:{values['DB_PASSWORD']}@db/app"
    assert (found.generated, found.derived, found.asked, found.unset) == (
        ("DB_PASSWORD", "JWT_SECRET_KEY"), ("DB_URL",), ("OWNER",), ()
    )  # fmt: skip
    assert [line for line in found.text.split("\n") if line.startswith("#") or not line] == [
        line for line in TEXT.split("\n") if line.startswith("#") or not line
    ]


def test_what_is_there_stays_and_what_is_new_comes_to_its_place() -> None:
    current = "# mine\nPORT=1 # kept\nDB_USER='my self'\nOTHER=\"a\nb\"\n"
    found = made(TEXT, current)
    values = EnvFile(found.text, ".env").values()
    assert (values["PORT"], values["DB_USER"], values["OTHER"]) == ("1", "my self", "a\nb")
    assert values["DB_URL"].startswith("postgres://my self:")
    lines = found.text.split("\n")
    kept = [line for line in current.split("\n") if line]
    assert [line for line in lines if line in kept] == kept
    order = [re.match(r"\w+", line)[0] for line in lines if re.match(r"\w+=", line)]  # type: ignore[index]
    assert order.index("DB_PASSWORD") < order.index("DB_USER") < order.index("DB_URL") < order.index("OTHER")
    assert found.unset == ("OWNER",)
    assert made(TEXT, found.text).new == ()
    assert made(TEXT, found.text).text == found.text


def test_secrets_differ_and_need_no_quotes() -> None:
    keys = {EnvFile(made("API_KEY=\n").text, "").values()["API_KEY"] for _ in range(200)}
    assert len(keys) == 200
    assert all(re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{31}", key) for key in keys)


@pytest.mark.parametrize(
    "text, said",
    [
        ("# type: number\nA=1\n", "x.example:2: unknown type 'number'"),
        ("# type: int 5\nA=1\n", "expected a range like 1..65535"),
        ("# secret: 4\nA=\n", "expected a length from 12"),
        ("# secret: 20 klingon\nA=\n", "'klingon'"),
        ("A\n", "x.example:1: expected NAME=value"),
    ],
)
def test_an_example_that_says_nonsense(text: str, said: str) -> None:
    with pytest.raises(BadSettings, match=re.escape(said)):
        made(text)


def test_an_answer_that_readers_would_understand_differently_is_refused() -> None:
    with pytest.raises(BadSettings, match="OWNER"):
        made("OWNER=\n", None, lambda variable: "it's ${X}")


@given(
    st.dictionaries(st.from_regex("[A-Z][A-Z_]{0,8}", fullmatch=True), st.text("abc019 /:@", max_size=8), min_size=1),
    st.data(),
)
def test_merging_keeps_every_line_and_gives_every_name(values: dict[str, str], data: st.DataObject) -> None:
    example = "".join(f"# about {name}\n{name}={value.strip()}\n" for name, value in values.items())
    have = data.draw(st.lists(st.sampled_from(sorted(values)), unique=True))
    current = "".join(f"{name}=mine\n" for name in have) + "Z9=1\n"
    found = made(example, current)
    read = EnvFile(found.text, ".env").values()
    assert values.keys() <= read.keys()
    assert all(read[name] == "mine" for name in have)
    assert [line for line in found.text.split("\n") if line in {f"{name}=mine" for name in have}] == [
        f"{name}=mine" for name in have
    ]
