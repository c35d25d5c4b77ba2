"""What keeps a deploy back, and what tasks say before anything was deployed: no engine is asked for it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from opslib.settings.window import DAYS


def test_a_frozen_host(project: Any) -> None:
    assert project.inv("deploy", "--freeze", " ").code == 2
    assert project.inv("deploy", "--freeze", "x", "--unfreeze").code == 2
    assert "freeze" in project.inv("deploy", "--freeze", "the big sale", "--plan").out
    assert not (project.root / ".opslib/frozen").exists()
    assert project.inv("deploy", "--freeze", "the big sale").code == 0
    done = project.inv("deploy")
    assert (done.code, "the big sale" in done.err, "--unfreeze" in done.err) == (1, True, True)
    assert "left as it was: everything" in done.err
    assert project.inv("deploy", "--unfreeze").code == 0
    assert not (project.root / ".opslib/frozen").exists()


def test_outside_of_the_window(project: Any) -> None:
    day = DAYS[(datetime.now(timezone.utc).weekday() + 3) % 7]
    project.write("hosts/local.yml", f"deploy: {{window: {day} 09:00-10:00 UTC}}\n")
    done = project.inv("deploy")
    assert done.code == 1
    assert f"no deploys to local now: its window is {day} 09:00-10:00 UTC" in done.err
    assert "--anyway" in done.err


def test_migrations_that_nobody_has_described(project: Any) -> None:
    for task in ("migrate", "migrate.status", "migrate.seed"):
        done = project.inv(task)
        assert (done.code, "the host file has no `migrate:`" in done.err) == (2, True)
    (project.root / "api").mkdir()
    project.write("api/alembic.ini", "")
    assert "api/alembic.ini looks like Alembic: `migrate: {service: NAME, tool: alembic}`" in project.inv("migrate").err


def test_turning_a_schema_back_wants_somebody_to_ask(project: Any) -> None:
    project.write("hosts/local.yml", "migrate: {service: api, tool: alembic}\n")
    assert project.inv("migrate.down").code == 5
    assert "no release is there" in project.inv("migrate.down", "--yes").err


@pytest.mark.parametrize(
    "words, said",
    [(["--check"], "nothing was deployed here"), (["--check", "--show", "x"], "--check looks at the live release")],
)
def test_releases_before_there_are_any(project: Any, words: list[str], said: str) -> None:
    done = project.inv("releases", *words)
    assert (done.code, said in done.err) == (2, True)
