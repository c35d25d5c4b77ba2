"""Hooks of a project's own tasks.py, around the steps of a run on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TASKS = """
import pathlib
import opslib
from invoke import task
from opslib.run.step import Step
from opslib.tasks._hooks import hooked
from opslib.tasks._task import task as ops_task

HERE = pathlib.Path(__file__).parent


def log(text):
    with open(HERE / "log", "a") as file:
        file.write(f"{text}\\n")


@task
def note(c, stage="?", host="?"):
    c.run(f"echo said {stage}")
    log(f"{stage} on {host}")


@task
def all_of_it(c, **given):
    log(" ".join(sorted(given)))


@task
def breaks(c):
    c.run("echo no luck >&2; exit 3", hide=True)


def plain(c, task):
    log(f"plain {task}")


HOOKS


@ops_task("work", changes=True, needs="nothing")
def work(call):
    '''Work.'''
    def step(name, **more):
        return Step(name, lambda run: {}, lambda run, memo: log(f"do {name}"), lambda run, memo: log(f"undo {name}"),
                    show=lambda memo: f"work {name}", **more)

    return call.carry_out(hooked(call, lambda run: [step("one"), step("two"), step("end", final=True)], STAGES))


STAGES = ["one", "two", "end"]
ns.add_task(work)
ns.add_task(note)
"""


@pytest.fixture
def hooks(project: Any) -> Any:
    def run(hooks: str, *words: str) -> tuple[Any, list[str]]:
        project.write("tasks.py", TASKS.replace("HOOKS", f"ns = opslib.namespace(hooks={hooks})"))
        (project.root / "log").unlink(missing_ok=True)
        done = project.inv("work", *words)
        log: Path = project.root / "log"
        return done, log.read_text().splitlines() if log.exists() else []

    return run


def test_they_are_called_in_order_with_what_they_ask_for(hooks: Any) -> None:
    given = '{"before all": note, "before two": [note, plain], "after two": all_of_it, "after all": note}'
    done, log = hooks(given, "--json")
    assert done.code == 0, done.err
    assert log == [
        "before all on local", "do one", "before two on local", "plain work", "do two", "host release stage task",
        "do end", "after all on local",
    ]  # fmt: skip
    assert [step["name"] for step in done.json["hosts"][0]["steps"]] == ["before all", "one", "two", "end", "after all"]
    assert "said before two" in done.err, "the output of hooks is not the object's"


def test_a_plan_names_them_and_calls_none(hooks: Any) -> None:
    done, log = hooks('{"before two": [note, plain], "after one": all_of_it, "after all": note}', "--plan")
    assert log == []
    for line in ("work one; after it: all_of_it", "work two; before it: note, plain", "after all"):
        assert line in done.out


def test_one_that_fails_undoes_the_run(hooks: Any) -> None:
    done, log = hooks('{"after two": breaks}')
    assert done.code == 1
    assert log == ["do one", "do two", "undo two", "undo one"]
    assert "the hook breaks (after two) failed: 'echo no luck >&2; exit 3' ended with 3: no luck" in done.err
    done, log = hooks('{"before two": breaks}')
    assert log == ["do one", "undo two", "undo one"]


def test_after_the_commit_it_is_a_warning(hooks: Any) -> None:
    done, log = hooks('{"after all": breaks, "before end": breaks}')
    assert (done.code, log) == (0, ["do one", "do two", "do end"])
    assert done.out.count("the hook breaks") == 2


def test_a_step_that_is_not_there(hooks: Any) -> None:
    done, log = hooks('{"before tow": note}')
    assert (done.code, log) == (2, [])
    assert "a hook 'before tow': expected before or after, and a step; did you mean 'two'?" in done.err
    assert hooks('{"during two": note}')[0].code == 2


def test_a_hook_is_a_task_of_its_own(project: Any) -> None:
    project.write("tasks.py", TASKS.replace("HOOKS", "ns = opslib.namespace()"))
    assert project.inv("note", "--stage", "now").code == 0
