"""Env files that are replaced: kept, put back, cleared away."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from opslib.deploy.env import digest
from opslib.errors import OpsError
from opslib.settings.model import Host
from opslib.state import envs, rotated
from opslib.state.rotated import Former, Intent
from opslib.target.base import Target
from opslib.target.connect import connect


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    made = connect(Host(name="local", path=str(tmp_path / "a 'b' $c")))
    yield made
    made.close()


def run(number: int) -> str:
    return f"2026-11-30T12000{number}Z-00a{number}"


def test_the_last_five_that_were_replaced_stay_and_nobody_else_reads_them(target: Target) -> None:
    file, folder = Path(target.root) / ".env", Path(envs.folder(target))
    envs.keep(target, str(file), run(0))
    assert list(folder.iterdir()) == [], "there was none"
    for number in range(7):
        file.write_text(f"N={number}\n")
        envs.keep(target, str(file), run(number))
    kept = sorted(folder.iterdir())
    assert [one.name for one in kept] == [run(number) for number in range(2, 7)]
    assert {stat.S_IMODE(one.stat().st_mode) for one in kept} == {0o600}
    file.write_text("N=later\n")
    envs.keep(target, str(file), run(6))
    assert (folder / run(6)).read_text() == "N=6\n", "a run keeps what was there before it, once"


def test_back_is_what_was_there_before_the_run_however_far_it_came(target: Target) -> None:
    file = Path(target.root) / ".env"
    file.write_text("N=old\n")
    envs.back(target, str(file), run(1), was=True)
    assert file.read_text() == "N=old\n", "it had not begun"
    envs.keep(target, str(file), run(1))
    file.write_text("N=new\n")
    for _ in range(2):
        envs.back(target, str(file), run(1), was=True)
        assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("N=old\n", 0o600)
    envs.back(target, str(file), run(2), was=False)
    assert not file.exists(), "there was none"


def test_what_opslib_wrote_is_remembered(target: Target) -> None:
    assert envs.written(target) == []
    for number in range(22):
        envs.remember(target, digest(b"%d" % number) or "")
    envs.remember(target, digest(b"20") or "")
    assert envs.written(target)[-2:] == [digest(b"21"), digest(b"20")]
    assert len(envs.written(target)) == 20


def test_former_values_and_the_intent_come_and_go(target: Target) -> None:
    def former(was: str, number: int) -> Former:
        return Former(was=was, run=run(number), at="", by="")

    assert (rotated.read(target), rotated.intent(target)) == ({}, None)
    rotated.remember(target, "KEY", former("first", 1), "second")
    rotated.remember(target, "KEY", former("second", 2), "third")
    rotated.forget(target, run(2))
    assert rotated.last(rotated.read(target), "KEY") == "first"
    rotated.remember(target, "KEY", former("second", 3), "first")
    assert set(rotated.stale(rotated.read(target), {"KEY": "first"})) == set(), "it is in force again"
    for _ in range(2):
        rotated.forget(target, run(3))
        assert set(rotated.stale(rotated.read(target), {"KEY": "first"})) == {"KEY"}
    wanted = Intent(run=run(4), key="KEY", old="o", new="n")
    rotated.begin(target, wanted)
    assert rotated.intent(target) == wanted
    files = [Path(target.state) / name for name in ("rotating", "rotated")]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    rotated.end(target)
    assert rotated.intent(target) is None
    files[1].write_text("{")
    with pytest.raises(OpsError, match="cannot be read"):
        rotated.read(target)
