"""What is said to a deploy that watches a canary, and when it hears it: the shell texts themselves, on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from opslib.deploy.strategies import answer, roll
from opslib.errors import OpsError
from opslib.run.step import Run
from opslib.settings.model import Host
from opslib.target.base import Target
from opslib.target.connect import connect
from tests.lab.deploying import wait_for


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    found = connect(Host(name="local", path=str(tmp_path)))
    yield found
    found.close()


def run(target: Target, id: str = "r1") -> Run:
    return Run(id, "deploy", target, ("local",))


def said(target: Target, word: str) -> str:
    """The error's text, where nobody heard it."""
    with pytest.raises(OpsError) as raised:
        answer.give(run(target, "other"), word)
    assert not Path(answer._note(target)).exists()
    return raised.value.what


def test_where_nobody_watches_that_is_said(target: Target) -> None:
    assert said(target, "promote") == "no canary is being watched"


@pytest.mark.parametrize("word", answer.WORDS)
def test_it_is_heard_at_the_next_look(target: Target, word: str) -> None:
    answer.listen(run(target))
    assert answer.heard(run(target)) is None
    other = run(target, "other")
    teller = threading.Thread(target=lambda: answer.give(other, word), daemon=True)
    teller.start()
    wait_for(Path(answer._note(target)).exists, 10)
    found = answer.heard(run(target))
    teller.join(10)
    assert found is not None
    assert (found[0], "@" in found[1]) == (word, True)
    assert other.result == {"deploy": "r1", "answer": word}
    answer.deaf(target)
    assert said(target, word) == "no canary is being watched"


def test_what_was_said_to_another_deploy_counts_no_more(target: Target) -> None:
    Path(target.state).mkdir()
    Path(answer._note(target)).write_text("r1 promote somebody\n")
    answer.listen(run(target))
    assert answer.heard(run(target)) is None
    Path(answer._note(target)).write_text("r0 promote somebody\n")
    assert answer.heard(run(target)) is None
    Path(answer._note(target)).write_text("r1 nonsense somebody\n")
    assert answer.heard(run(target)) is None


def test_a_deploy_that_is_gone_hears_nothing(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "_PATIENCE", 1)
    answer.listen(run(target))
    assert "has not read it for 1 s" in said(target, "abort")
    teller = threading.Timer(0.3, lambda: answer.deaf(target))
    teller.start()
    monkeypatch.setattr(answer, "_PATIENCE", 20)
    assert "has just ended" in said(target, "abort")
    assert Path(roll.folder(target)).exists()
