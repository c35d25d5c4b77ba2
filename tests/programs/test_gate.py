"""The window and the freeze, on this machine."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from opslib.deploy import gate
from opslib.deploy.options import DeployOptions
from opslib.errors import OpsError
from opslib.events import Event, Note
from opslib.run.fleet import carry_out
from opslib.run.step import Run
from opslib.run.task import Task
from opslib.settings.model import Deploy, Host
from opslib.settings.window import window
from opslib.state import freeze
from opslib.target.base import Target
from opslib.target.connect import connect

MONDAY = datetime(2026, 11, 30, 9, 30, tzinfo=timezone.utc)


class Gate:
    def __init__(self, root: Path, *windows: str) -> None:
        self.events: list[Event] = []
        deploy = Deploy(window=tuple(map(window, windows)))
        self.target: Target = connect(Host(name="prod", path=str(root), deploy=deploy), self.events.append)
        self.here = self.target

    def refuse(self, *, plan: bool = False, anyway: bool = False) -> str:
        """What is told as a warning, where nothing is refused."""
        self.events.clear()
        run = Run("r", "deploy", self.target, ("prod",), plan=plan)
        gate.refuse(run, DeployOptions(Path(self.target.root), self.here, anyway=anyway), MONDAY)
        return " ".join(one.text for one in self.events if isinstance(one, Note) and one.warning)


def test_the_window(tmp_path: Path) -> None:
    assert Gate(tmp_path).refuse() == ""
    assert Gate(tmp_path, "sun 9:00-10:00 UTC", "mon 9:00-10:00 UTC").refuse() == ""
    shut = Gate(tmp_path, "mon 10:00-11:00 UTC", "tue 9:00-10:00 UTC")
    with pytest.raises(OpsError, match="its window is mon 10:00-11:00 UTC, tue 9:00-10:00 UTC") as error:
        shut.refuse()
    assert "--anyway" in (error.value.next or "")
    assert "no deploys to prod now" in shut.refuse(plan=True)
    assert "no deploys to prod now" in shut.refuse(anyway=True)


def test_a_freeze_until_it_is_over(tmp_path: Path) -> None:
    found = Gate(tmp_path)

    def do(name: str) -> bool:
        task = Task(name, lambda run: gate.freeze_steps("sale: 'no' $x") if name == "freeze" else
                    gate.unfreeze_steps(), known=gate.RECOVERIES)  # fmt: skip
        record = carry_out(task, [found.target])
        assert record.ok
        return record.hosts[0].changed

    assert do("freeze")
    (step,) = gate.freeze_steps("another")
    run = Run("r", "deploy", found.target, ("prod",))
    memo = step.look(run)
    step.do(run, memo)
    assert step.undo is not None
    step.undo(run, memo)  # the freeze before is there again
    with pytest.raises(OpsError, match=r"prod is frozen by .* sale: 'no' \$x"):
        found.refuse()
    assert "frozen" in found.refuse(anyway=True)
    assert do("unfreeze")
    assert found.refuse() == ""
    assert not do("unfreeze"), "it was over"


def test_a_freeze_that_cannot_be_read_counts(tmp_path: Path) -> None:
    found = Gate(tmp_path)
    freeze.write(found.target, freeze.Freeze(by="a", at="b", why="c"))
    Path(freeze.path(found.target)).write_text("{")
    with pytest.raises(OpsError, match="cannot be read") as error:
        found.refuse()
    assert error.value.next == "inv deploy --host prod --unfreeze"
    assert carry_out(Task("deploy", lambda run: gate.unfreeze_steps(), known=gate.RECOVERIES), [found.target]).ok
    assert found.refuse() == ""
