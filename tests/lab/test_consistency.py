"""Volumes that are copied while those who write to them pause or stop; whatever happens meanwhile, they come back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import missing
from tests.lab.site import LABEL, Site, ended, site_on, until
from tests.lab.still_stack import ALL_WELL, COMPOSE, SETTINGS, copying, prepare, states, tools, wait_for_the_copy

pytestmark = pytest.mark.lab
HERE, THERE = "local", "ssh"
MEANWHILE = {**ALL_WELL, "app": "exited", "base": "exited", "logger": "paused"}


@pytest.fixture(scope="module", params=[HERE, THERE])
def made(request: pytest.FixtureRequest, lab: dict[str, Any],
         tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # fmt: skip
    """The project on one target. Each test leaves it as it was."""
    server = next((one for one in lab["servers"] if one["name"] == "one"), None)
    if request.param == THERE and server is None:
        missing("the lab has no server `one`: run scripts/lab up")
    root = tmp_path_factory.mktemp(request.param)
    with site_on(root, lab["images_prefix"], server if request.param == THERE else None, compose=COMPOSE,
                 settings=SETTINGS) as site:  # fmt: skip
        prepare(site)
        yield site


@pytest.fixture
def site(made: Site) -> Iterator[Site]:
    yield made
    assert states(made) == ALL_WELL
    assert made.inside(f"ls {made.folder}/.opslib/armed.* {made.folder}/.opslib/run.log; true") == ""


def made_by(site: Site, *words: str, code: int = 0) -> dict[str, Any]:
    """What a task says of its host."""
    host: dict[str, Any] = json.loads(site.inv(*words, "--json", code=code).splitlines()[-1])["hosts"][0]
    return host


def test_writers_stop_in_order_pause_and_come_back(site: Site) -> None:
    since = site.inside("date -u +%FT%T.%NZ")
    stranger = f"{site.name}-stranger"
    tools(site, "sleep 1000", "-d", "--init", "--name", stranger, "--label", f"{LABEL}.project=neighbour")
    host = made_by(site, "backup.all")
    site.inside(f"docker rm -f {stranger}")
    result = host["result"]
    ended_at, began_at = times(site, "Finished"), times(site, "Started")
    assert ended_at["app"] < ended_at["base"] < began_at["base"] < began_at["app"], (
        "dependents first, and back in reverse"
    )
    assert all(began_at[name] < since for name in ("logger", "reader"))
    held = {(one["service"], one["how"]) for one in result["held"]}
    assert held == {("app", "stopped"), ("base", "stopped"), ("logger", "paused")}
    assert all(0 < one["seconds"] < result["seconds"] for one in result["held"])
    assert [text for text in result["warnings"] if "neighbour" in text] == [
        f"volume data is also written to by container {stranger} of project neighbour; it is not stopped: only this "
        "project's containers are"
    ]
    facts = {one["name"]: one["facts"].get("consistency") for one in manifest(site, result["set"])["artifacts"]}
    assert {name: how for name, how in facts.items() if how} == {"data": "stop", "logs": "pause"}
    pair = tools(site, "zstd -dcq /set/volume.data.tar.zst | tar -xOf - ./a ./b", "--rm", "-v",
                 f"{site.folder}/backups/{result['set']}:/set:ro").split()  # fmt: skip
    assert pair[0] == pair[1], "the copy is of a moment at which nobody wrote"


def times(site: Site, which: str) -> dict[str, str]:
    """When each service's container began, or ended the last time."""
    label = f'{{{{index .Config.Labels "{LABEL}.service"}}}}'
    said = site.inside(
        f"docker inspect -f '{label} {{{{.State.{which}At}}}}' $(docker ps -aq -f label={LABEL}.project={site.name})"
    )
    return dict(line.split(" ") for line in said.splitlines())


def manifest(site: Site, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(site.inside(f"cat {site.folder}/backups/{name}/manifest.json"))
    return found


def test_a_plan_names_what_stops_and_what_for(site: Site) -> None:
    planned = {one["step"]: one["what"] for one in made_by(site, "backup.all", "--plan")["result"]["plan"]}
    assert planned["backup.hold"] in (
        f"stop {site.name}-{first}-1, {site.name}-{second}-1 for volume data, volume logs; pause {site.name}-logger-1 for volume logs"
        for first, second in (("app", "base"), ("base", "app"))
    )
    assert planned["backup.held"] == "sqlite data/app.db, volume data, volume logs"
    assert "backup.volume" not in planned


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_controller_ends_while_services_are_stopped(site: Site, number: signal.Signals) -> None:
    sets = site.sets()
    with copying(site):
        backup = site.start("backup.all")
        wait_for_the_copy(site)
        until(lambda: states(site) == MEANWHILE, 30, "the writers do not stand still, or others do")
        os.killpg(backup.pid, number)
        ended(backup, 130 if number == signal.SIGINT else -number)
        until(lambda: states(site) == ALL_WELL, 60, f"nobody brought them back: {states(site)}")
    assert site.sets() == sets or number == signal.SIGKILL  # the staged folder goes with the next run
    assert made_by(site, "backup.files", "--wait", "60s", code=1)["error"], "the next run recovers, and has no files"
    assert site.sets() == sets


def test_the_controller_is_killed_while_a_service_is_still_stopping(site: Site) -> None:
    """The engine goes on with a stop whose client is gone: what is started before that ends all the same."""
    site.inside(f"docker kill -s STOP {site.container('base')}")  # it does not listen until its grace period is over
    backup = site.start("backup.all")
    until(lambda: states(site)["app"] == "exited", 60, "nothing was stopped")
    assert states(site)["base"] == "running"
    backup.kill()
    ended(backup, -signal.SIGKILL)
    until(lambda: states(site) == ALL_WELL, 60, f"nobody brought them back: {states(site)}")
    started = "docker inspect -f '{{.State.StartedAt}} {{.RestartCount}}' " + site.container("base")
    before = site.inside(started)
    assert made_by(site, "backup.files", "--wait", "60s", code=1)["error"]
    assert site.inside(started) == before, "what the watchdog brought back goes on"


def test_a_failed_copy(site: Site) -> None:
    sets = site.sets()
    tools(site, "echo 'SQLite format 3 and then nothing of the kind' >/data/broken.db")
    host = made_by(site, "backup.all", code=1)
    tools(site, "rm /data/broken.db")
    assert "broken.db could not be backed up" in host["error"]["what"]
    assert "backup.held" in [one["name"] for one in host["steps"] if one["status"] == "failed"]
    assert site.sets() == sets


def test_a_service_that_does_not_come_back_is_an_error_and_the_set_is_good(site: Site) -> None:
    tools(site, "touch /data/refuse")
    host = made_by(site, "backup.all", code=1)
    tools(site, "rm /data/refuse")
    name = host["result"]["set"]
    assert "service app is not healthy" in host["error"]["what"]
    assert host["error"]["left"] == f"the set {name}, which is whole"
    assert json.loads(site.inv("backup.verify", "--set", name, "--json").splitlines()[-1])["ok"]
    site.inside(f"docker start {site.name}-app-1")
