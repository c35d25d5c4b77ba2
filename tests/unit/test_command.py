"""Commands as exact text."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.command import Secret, bash, command, pipe
from opslib.errors import OpsError
from opslib.settings.model import Host
from opslib.target.docker import whole
from opslib.target.local import Local
from opslib.target.process import mask


def test_text_to_show_and_text_to_run() -> None:
    cmd = command("pg_dump", "-d", "a b", env={"PGPASSWORD": Secret("p'w")}, cwd="-x", to="/tmp/o ut")
    assert cmd.masked() == "cd -- -x && PGPASSWORD=*** pg_dump -d 'a b' > '/tmp/o ut'"
    assert cmd.raw() == ("( export PGPASSWORD='p'\"'\"'w'; cd -- -x || exit 125; exec pg_dump -d 'a b' > '/tmp/o ut' )")
    assert str(cmd) == cmd.masked()
    assert "p'w" not in repr(cmd)


def test_pipe_joins_and_keeps_what_counts() -> None:
    joined = pipe(command("a", streams=True, limit=9), command("b", limit=5, on_break=command("x")), command("c"))
    assert joined.masked() == "a | b | c"
    assert joined.streams
    assert joined.limit == 5
    assert joined.on_break == command("x")
    both = pipe(command("a", on_break=command("end", "a")), command("b", on_break=command("end", "b"))).on_break
    assert both is not None
    assert both.stages[0].argv[-2:] == ("( exec end b )", "( exec end a )")  # to b the end of a is the end of the data


def test_what_is_no_command() -> None:
    with pytest.raises(TypeError, match="secrets travel"):
        command("a", Secret("x"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="NUL"):
        command("a\0")
    with pytest.raises(ValueError, match="NUL"):
        command("a", env={"X": Secret("\0")})
    with pytest.raises(ValueError, match="variable name"):
        command("a", env={"X; id": "1"})
    with pytest.raises(ValueError, match="program"):
        command()


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("hush hush")
    assert f"{secret}{secret!r}{[secret]}" == "******[***]"
    assert secret == Secret("hush hush")
    assert secret != "hush hush"
    assert bash("x", env={"A": secret}, feed=secret).secrets() == ("hush hush", "hush hush")
    several = bash("x", env={"A": Secret("first\nsecond\n}\n")})
    assert mask("the second of first", several.secrets()) == "the *** of ***", "a program may print one of them"


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_any_words_reach_the_program(words: list[str]) -> None:
    done = subprocess.run(["bash", "-c", command("printf", "%s\\0", *words).raw()], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


@pytest.mark.parametrize("lines", [[], ["place 0"], ["end", "place 1"]])
def test_an_answer_without_its_end_is_refused(tmp_path: Path, lines: list[str]) -> None:
    target = Local(Host(name="local", path=str(tmp_path)))
    assert whole(target, ["end"]) == []
    assert whole(target, [*lines, "end"]) == lines
    with pytest.raises(OpsError, match="lost a part"):
        whole(target, lines)
