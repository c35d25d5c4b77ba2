"""What is found wrong with an env file."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.env.check import Seen, check
from opslib.env.example import Example
from opslib.env.uses import Use, uses
from opslib.findings import Finding, at_least, ranked
from opslib.settings.dotenv import EnvFile

GOOD = "k3Jx_9aQ-Lw82mZp0RtY"


def found(text: str, example: str | None = None, compose: str = "", **more: Any) -> list[Finding]:
    file = EnvFile(text, ".env")
    return check(Seen(file, Example(example, ".env.example") if example is not None else None,
                      uses(compose, "compose.yml"), **more))  # fmt: skip


def rules(*args: Any, **more: Any) -> list[tuple[str, int]]:
    return [(one.rule, one.line) for one in found(*args, **more)]


@pytest.mark.parametrize(
    "text, example, compose, wanted",
    [
        ("A=1\n", None, "x: ${A} ${B}\n", [("env-missing", 1)]),
        ("A=1\n", None, "x: ${A}\n# ${B}\ny: '${C:-1} $$D ${E-} ${F:+x}' # $G\n", []),
        ("A=1\n", None, "x: ${A}\ny: '#${C}'\n", [("env-missing", 2)]),
        ("A=1\n", "A=1\nB=2\n# optional\nC=\n", "", [("env-missing", 2)]),
        ("A=\n", "A=1\n", "x: $A", [("env-empty", 1)]),
        ("A=\n", "A=\n", "x: $A", []),
        ("A=\n", None, "x: ${A:?}", [("env-empty", 1)]),
        ("DB_PASSWORD=\n", None, "x: $DB_PASSWORD", [("env-empty", 1)]),
        ("A=1\nB=2\n", None, "x: $A", [("env-unused", 2)]),
        ("COMPOSE_PROFILES=x\nOPSLIB_HOST=a\nA=1\n", None, "x: $A", []),
        ("DB_PASSWORD=root\n", None, "", [("env-default", 1)]),
        ("JWT_SECRET_KEY=supersecretkey\n", None, "", [("env-default", 1)]),
        ("API_KEY=please-change-me-now\n", None, "", [("env-default", 1)]),
        (f"API_KEY={GOOD}\n", f"API_KEY={GOOD}\n", "", [("env-default", 1)]),
        (f"API_KEY={GOOD}\n", "API_KEY=\n", "", []),
        ("API_KEY=a8fK2\n", None, "", [("env-weak", 1)]),
        ("API_KEY=aaaaaaaaaaaaaaaaaaaa\n", None, "", [("env-weak", 1)]),
        ("SECRET_FILE=/x\nKEY_ID=7\nDB_USER=root\n", None, "", []),
        (f"A_KEY={GOOD}\nB_KEY={GOOD}\n", None, "", [("env-shared", 2)]),
        ("A=1\nB=1\nA=2\n", None, "", [("env-twice", 3)]),
        ("PORT=99999\n", "# type: port\nPORT=1\n", "", [("env-type", 1)]),
        ("N=3\n", "# type: int 1..2\nN=1\n", "", [("env-type", 1)]),
        ("N=dev\n", "# type: enum dev prod\nN=dev\n", "", []),
        ("U=nowhere\n", "# type: url\nU=http://x\n", "", [("env-type", 1)]),
        ("U=a\nP=b\nURL=x://a:b@h\n", "U=a\nP=b\nURL=x://${U}:${P}@h\n", "", []),
        ("U=a\nP=c\nURL=x://a:b@h\n", "U=a\nP=b\nURL=x://${U}:${P}@h\n", "", [("env-derived", 3)]),
    ],
)  # fmt: skip
def test_each(text: str, example: str | None, compose: str, wanted: list[tuple[str, int]]) -> None:
    assert rules(text, example, compose) == wanted


def test_localhost_is_the_container_itself() -> None:
    text = "DATABASE_URL=postgres://app@localhost:5432/x\nHOST=127.0.0.1\nNAME=localhost\nURL=http://localhost.example.com\n"
    assert rules(text, services=frozenset({"db"})) == [("env-localhost", 1), ("env-localhost", 2)]
    assert rules(text) == []


def test_readers_that_do_not_agree_and_containers_that_run_with_another_value() -> None:
    read = {"docker compose": {"A": "pa", "B": "x"}, "python-dotenv": {"A": "pa$word", "B": "x"}}
    (one,) = found("A='pa$word'\nB=x\n", read=read)
    assert (one.rule, one.line, "docker compose" in one.what, "dotenv" in one.what) == ("env-readers", 1, True, False)
    (one,) = found("A=1\nB=2\n", running={"B": ["web", "api"]})
    assert (one.rule, one.line, "api, web" in one.what) == ("env-running", 2, True)


def test_no_finding_has_a_value_in_it() -> None:
    secret = "hunter2x"
    text = f"PASSWORD={secret}\nPASSWORD={secret}\nB_PASSWORD={secret}\nPORT={secret}\nURL=http://localhost/{secret}\n"
    told = found(text, "# type: port\nPORT=1\nURL=x://${PORT}\n", services=frozenset({"db"}), running={"PORT": ["a"]},
                 read={"x": {"PASSWORD": "other"}})  # fmt: skip
    assert len(told) > 6
    assert secret not in repr(told)


def test_findings_are_ranked_by_what_they_cost() -> None:
    told = ranked(found("A=1\nPASSWORD=root\nX=\n", None, "x: $A $B ${X:?}"))
    assert [one.cost for one in told] == ["breaks", "breaks", "exposes", "hardening"]
    assert [one.cost for one in at_least(told, "exposes")] == ["breaks", "breaks", "exposes"]


def test_uses_know_their_lines() -> None:
    assert uses("a: ${A:?no}\nb: \"$B_1\" # ${C}\nc: $$D ${E:-${F}}\n", "f") == [
        Use("A", "f", 1, ":?"), Use("B_1", "f", 2), Use("E", "f", 3, ":-"), Use("F", "f", 3),
    ]  # fmt: skip
