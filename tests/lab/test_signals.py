"""Ctrl-C, SIGTERM and kill -9 in the middle of a task, seen from the command line as a user sees them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import missing
from tests.lab.site import GATED, HOLDER, Site, ended, site_on, until

pytestmark = pytest.mark.lab
SERVER = "one"
SQL = """create table plain (a int); insert into plain select generate_series(1, 1000);
create function slow(int) returns int language plpgsql immutable as $f$
begin if current_database() <> 'app' then perform pg_sleep(600); end if; return $1; end $f$;
create table slow (a int, b int generated always as (public.slow(a)) stored); insert into slow values (1);"""
HERE, THERE = "here", "ssh"


@pytest.fixture(scope="module")
def sites(lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """The same project here and there. Each test leaves it as it was: that is what it tests."""
    server = next((one for one in lab["servers"] if one["name"] == SERVER), None)
    if server is None:
        missing(f"the lab has no server `{SERVER}`: run scripts/lab up")
    images, make = lab["images_prefix"], tmp_path_factory.mktemp
    with (
        site_on(make(HERE), images, None, compose=GATED) as here,
        site_on(make(THERE), images, server, compose=GATED) as there,
    ):
        for site in (here, there):
            site.inv("deploy")
            site.sql(SQL)
        yield {HERE: here, THERE: there}


@pytest.fixture(params=[HERE, THERE])
def site(request: pytest.FixtureRequest, sites: dict[str, Site]) -> Iterator[Site]:
    chosen = sites[request.param]
    chosen.use()
    yield chosen
    chosen.env("blue")
    assert chosen.served() == "blue"
    assert chosen.left() == []


def interrupt(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """As a terminal does it: the whole process group gets the signal."""
    os.killpg(process.pid, number)


def said_once(out: str, step: str) -> None:
    """One clear sentence: what was left, what to type next; and nothing of Python's."""
    assert out.count(f"there: interrupted in step {step}\n  left as it was: everything") == 1, out
    assert "  next: inv " in out
    assert "Traceback" not in out
    assert "Exception" not in out


class Holding:
    """A lock on a table, at which each dump stops."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def __enter__(self) -> None:
        text = f"begin; lock table plain; select {HOLDER}"
        self.site.inside(f"docker exec -d -e PGAPPNAME=holder {self.site.container('db')} psql -U app -c '{text}'")
        holds = "select 1 from pg_locks where relation = 'plain'::regclass and mode = 'AccessExclusiveLock' and granted"
        until(lambda: self.site.sql(holds), 20, "the table was not locked")

    def __exit__(self, *what: object) -> None:
        self.site.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holder'")
        ours = "select 1 from pg_stat_activity where application_name = 'opslib'"
        until(lambda: not self.site.sql(ours), 20, "the server's side of a dump goes on")


def dumping(site: Site) -> bool:
    """Whether a dump waits for the table."""
    waits = "wait_event_type = 'Lock' and query like 'LOCK TABLE%'"
    return bool(site.sql(f"select 1 from pg_stat_activity where application_name = 'opslib' and {waits}"))


def test_between_stop_and_start_of_a_deploy(site: Site) -> None:
    site.env("shut")
    deploy = site.start("deploy", "--yes")
    until(lambda: not site.container("web"), 60, "the old version was not stopped")
    interrupt(deploy, signal.SIGINT)
    until(lambda: site.container("web"), 60, "the old version was not started again")
    interrupt(deploy, signal.SIGINT)  # impatience must not break the undo
    out = ended(deploy, 130)
    said_once(out, "up")
    assert "what was begun is being undone" in out
    assert site.served() == "blue"


@pytest.mark.parametrize("site", [THERE], indirect=True)
def test_while_health_is_waited_for(site: Site) -> None:
    site.env("never")
    deploy = site.start("deploy", "--yes")
    until(lambda: site.served() == "never", 60, "the new version did not start")
    interrupt(deploy, signal.SIGTERM)
    said_once(ended(deploy, 130), "health")
    assert site.served() == "blue"


def test_a_build(sites: dict[str, Site]) -> None:
    site = sites[HERE]
    site.use()
    (site.root / "slow").mkdir()
    (site.root / "slow/Dockerfile").write_text(f"FROM {site.images}busybox:1\nRUN sleep 123456\n")
    (site.root / "compose.yml").write_text(GATED.replace("services:", "services:\n  built: {build: slow}"))
    build = site.start("build")
    until(lambda: site.inside("pgrep -fx 'sleep 123456'"), 60, "the build did not begin")
    interrupt(build, signal.SIGINT)
    said_once(ended(build, 130), "build")
    until(lambda: not site.inside("pgrep -fx 'sleep 123456'"), 20, "the build goes on")
    (site.root / "compose.yml").write_text(GATED)
    assert site.left() == []


@pytest.mark.parametrize("site", [HERE], indirect=True)
def test_a_backup(site: Site) -> None:
    sets = site.sets()
    with Holding(site):
        backup = site.start("backup.all")
        until(lambda: dumping(site), 60, "the dump did not begin")
        interrupt(backup, signal.SIGINT)
        said_once(ended(backup, 130), "backup.postgres")
        assert site.left() == []
    assert site.sets() == sets


def test_kill_9_in_the_middle_of_a_backup(site: Site) -> None:
    sets = site.sets()
    with Holding(site):
        backup = site.start("backup.all")
        until(lambda: dumping(site), 60, "the dump did not begin")
        backup.kill()
        ended(backup, -signal.SIGKILL)
        until(lambda: not site.programs(), 30, "a dump goes on")
    until(lambda: len(site.left()) == 2, 30, "more was left than the log and the folder that the next run removes")
    said = site.inv("deploy", "--wait", "1m")
    assert "undid what backup.all" in said
    assert site.left() == []
    assert site.sets() == sets


@pytest.mark.parametrize("site", [THERE], indirect=True)
def test_a_restore(site: Site) -> None:
    before = site.sql("select count(*), (select oid from pg_database where datname = 'app') from plain")
    site.inv("backup.all")
    restore = site.start("restore", "--file", "latest", "--yes")
    until(lambda: site.sql("select 1 from pg_stat_activity where datname <> 'app' and state = 'active' and "
                           "wait_event = 'PgSleep'"), 90, "it was not loaded")  # fmt: skip
    assert not site.container("web")
    interrupt(restore, signal.SIGINT)
    said_once(ended(restore, 130), "load")
    assert site.sql("select datname from pg_database where datname not like 'template%' order by 1") == "app\npostgres"
    assert site.sql("select count(*), (select oid from pg_database where datname = 'app') from plain") == before
