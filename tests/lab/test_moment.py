"""One point in time: everything of a set stands for the same moment, and the services are away for no longer than that."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from opslib.images.tools import tools_tag
from tests.conftest import missing
from tests.lab.moment_stack import compose, numbers, prepare
from tests.lab.site import LABEL, Site, ended, site_on, until
from tests.lab.still_stack import copying, states, tools

pytestmark = pytest.mark.lab
ALL_WELL = {"db": "running", "writer": "running", "web": "running"}
MEANWHILE = {"db": "running", "writer": "exited", "web": "exited"}


@pytest.fixture(scope="module", params=["local", "ssh"])
def made(request: pytest.FixtureRequest, lab: dict[str, Any],
         tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # fmt: skip
    """The project on one target. Each test leaves it as it was."""
    server = next((one for one in lab["servers"] if one["name"] == "one"), None)
    if request.param == "ssh" and server is None:
        missing("the lab has no server `one`: run scripts/lab up")
    images = lab["images_prefix"]
    with site_on(tmp_path_factory.mktemp(request.param), images, server if request.param == "ssh" else None,
                 compose=compose(images)) as site:  # fmt: skip
        prepare(site)
        yield site


@pytest.fixture
def site(made: Site) -> Iterator[Site]:
    yield made
    assert states(made) == ALL_WELL
    assert made.inside(f"ls {made.folder}/.opslib/armed.* {made.folder}/.opslib/run.log; true") == ""


def backed_up(site: Site, *words: str, code: int = 0) -> dict[str, Any]:
    """What `backup.all` says of its host."""
    host: dict[str, Any] = json.loads(site.inv("backup.all", *words, "--json", code=code).splitlines()[-1])["hosts"][0]
    return host


def test_what_is_written_everywhere_at_once_is_the_same_everywhere(site: Site) -> None:
    began = "docker inspect -f '{{.State.StartedAt}}' " + site.container("db")
    before = site.inside(began)
    result = backed_up(site, "--consistent")["result"]
    dump, file, lite = numbers(site, result["set"])
    assert dump == file == lite > 0
    moment = result["consistent"]
    assert (moment["stopped"], moment["killed"], moment["went_on"]) == (["web", "writer"], [], [])
    assert 0 < moment["seconds"] < result["seconds"]
    assert site.inside(began) == before, "the database goes on"
    until(lambda: int(tools(site, "cat /data/n")) > file, 20, "the writer does not go on")
    shown = site.inv("backup.show", "--set", result["set"])
    assert f"web, writer stopped for {moment['seconds']} s" in " ".join(shown.split())


def test_otherwise_it_is_not(site: Site) -> None:
    """The test of the test."""
    result = backed_up(site)["result"]
    assert len(set(numbers(site, result["set"]))) > 1
    assert result["consistent"] is None


def test_a_plan_names_who_stops(site: Site) -> None:
    planned = {one["step"]: one["what"] for one in backed_up(site, "--consistent", "--plan")["result"]["plan"]}
    assert planned["backup.hold"] in (
        f"stop {site.name}-{first}-1, {site.name}-{second}-1 for one point in time"
        for first, second in (("web", "writer"), ("writer", "web"))
    )
    assert planned["backup.held"].endswith("volume data, snapshot of postgres db/app")


def test_the_controller_is_killed_while_everything_is_stopped(site: Site) -> None:
    sets = site.sets()
    with copying(site):
        backup = site.start("backup.all", "--consistent")
        until(lambda: states(site) == MEANWHILE, 60, "the services were not stopped")
        backup.kill()
        ended(backup, -signal.SIGKILL)
        until(lambda: states(site) == ALL_WELL, 60, f"nobody brought them back: {states(site)}")
    assert backed_up(site, "--wait", "60s")["result"]["set"] not in sets
    assert len(site.sets()) == len(sets) + 1


def test_who_cannot_be_stopped_is_a_finding(site: Site) -> None:
    name = f"{site.name}-by-hand"
    labels = {"project": site.name, "service": "web", "oneoff": "True"}
    words = " ".join(f"--label {LABEL}.{label}={value}" for label, value in labels.items())
    site.inside(f"docker run -d --init --name {name} {words} {tools_tag()} sleep 1000")
    host = backed_up(site, "--consistent", code=3)
    site.inside(f"docker rm -f {name}")
    assert f"container {name} goes on" in host["error"]["what"]
    assert host["result"]["consistent"]["went_on"] == [f"container {name} goes on: it was made by docker compose run"]
    assert host["result"]["set"] in site.sets()
