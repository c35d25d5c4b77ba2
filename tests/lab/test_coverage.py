"""What is protected in a stack that has one thing of each state, on this machine and over SSH: the report says what a
backup does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from opslib.backup import coverage, sets, take
from opslib.backup.manifest import KINDS
from opslib.backup.source import Source
from opslib.backup.sources import survey
from opslib.command import bash
from opslib.run.fleet import look_on
from opslib.settings.kinds import Files, Postgres, Volume
from opslib.target.base import Target
from opslib.target.docker import docker, exec_in, mount
from opslib.target.transfer import put_bytes
from tests.lab.project import Project, why, worked

pytestmark = pytest.mark.lab

# A program of this name is a server that opslib has no dump for.
ETCD = r"""printf '#!/bin/sh\nsleep 100000\n' >/tmp/etcd && chmod +x /tmp/etcd && exec /tmp/etcd"""
SQL = (
    "create role app login", "create database app owner app", "create database secret", "create database scratch",
    "revoke connect on database secret from public", "create table t (x int)", "grant select on t to app",
)  # fmt: skip
SOURCES = (Postgres(service="db", user="app"),)
EXCLUDE = ("spare", "skipped", "postgres db/scratch")

GOOD = {
    "postgres db, roles", "postgres db/app", "postgres db/postgres", "volume pg", "redis cache", "volume redis",
    "sqlite data/a b.db", "volume data", "folder up", "folder up/inner",
}  # fmt: skip
BARE = {
    "postgres db/secret": "user app lacks CONNECT on it",
    "etcd in service queue": "opslib has no dump for it",
    "volume queue": "opslib has no dump for it",
    "an unnamed volume of service app, at /unnamed": "it is gone with its container",
}
REST = {
    "postgres db/scratch": "excluded", "redis spare": "excluded", "volume spare": "excluded", "volume skipped": "excluded",
    "volume none": "empty", "volume queue2": "empty", "an unnamed volume of service app, at /unnamed2": "empty",
    "folder conf": "no data", "folder /etc/hostname": "no data", "folder released": "no data", "memory at /mem": "no data",
}  # fmt: skip


def services(project: Project) -> dict[str, Any]:
    db, redis = f"{project.images}postgres:15", f"{project.images}redis:7"
    up = project.healthy("CMD-SHELL", "pg_isready -q -h 127.0.0.1")
    app = project.idle(["data:/data", "none:/none", "skipped:/skipped", "/unnamed", "/unnamed2", "./up:/up",
                        "./released:/released", "./up/inner:/inner:ro", "./conf:/conf:ro", "/etc/hostname:/name:ro"])  # fmt: skip
    app["volumes"].append({"type": "tmpfs", "target": "/mem"})
    return {
        "db": {"image": db, "volumes": ["pg:/var/lib/postgresql/data"], "healthcheck": up,
               "environment": {"POSTGRES_HOST_AUTH_METHOD": "trust", "POSTGRES_PASSWORD": "x"}},
        "cache": {"image": redis, "volumes": ["redis:/data"]},
        "spare": {"image": redis, "volumes": ["spare:/data"]},
        "queue": {**project.idle(["queue:/data", "queue2:/more"]), "command": ["sh", "-c", ETCD]},
        "app": app,
    }  # fmt: skip


def prepare(project: Project) -> None:
    """Bring it up with data in it."""
    root = project.target.root
    for file in ("up/inner/x", "conf/x", "released/x"):
        put_bytes(project.target, b"x", f"{root}/{file}", mode=0o644)
    sums = 'mkdir -p "$1/releases/r" && cd "$2" && sha256sum released/x >"$1/releases/r/files.sha256"'
    project.target.run(bash(sums, project.target.state, root))
    project.start(services(project), ["pg", "redis", "spare", "queue", "queue2", "data", "none", "skipped"])
    calls = [("db", "psql", "-U", "postgres", "-c", line) for line in SQL]
    touched = [("app", "touch", "/unnamed/x", "/skipped/x"), ("queue", "touch", "/data/x")]
    for service, *argv in [*calls, *touched]:
        project.target.run(exec_in(project.host, project.container(service), *argv))
    fill = "touch /v/x; sqlite3 '/v/a b.db' 'create table t(x)'"
    project.inside(mount("volume", f"{project.name}_data", "/v"), "bash", "-c", fill)


@pytest.fixture(scope="module", params=["local", "ssh"])
def project(request: pytest.FixtureRequest) -> Iterator[Project]:
    request.getfixturevalue("ssh_config")
    images = request.getfixturevalue("lab")["images_prefix"]
    made = Project(request.param, images, "cov", sources=SOURCES, exclude=EXCLUDE)
    try:
        prepare(made)
        yield made
    finally:
        made.remove()


def covered(project: Project, target: Target | None = None, *, code: int = 3) -> dict[str, dict[str, Any]]:
    """The rows by what they are about."""
    record = look_on("backup.coverage", [target or project.target], lambda run: coverage.coverage(run, project.here))
    assert record.exit == code, record.as_json()
    rows = record.hosts[0].result["coverage"]
    found = {one["what"]: one for one in rows}
    assert len(found) == len(rows), "each thing once"
    return found


def states(rows: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {what: one["state"] for what, one in rows.items()}


def test_every_state_before_and_after_the_first_backup(project: Project) -> None:
    rows = covered(project)
    assert states(rows) == {**dict.fromkeys([*GOOD, *BARE], "unprotected"), **REST}
    assert {one["why"] for what, one in rows.items() if what in GOOD} == {"it is in no set yet"}
    record = project.backup()
    result = worked(record)
    rows = covered(project)
    after = {**REST, "volume none": "protected"}  # it is in the set, empty as it is
    assert states(rows) == {**dict.fromkeys(GOOD, "protected"), **dict.fromkeys(BARE, "unprotected"), **after}
    assert {what: rows[what]["why"] for what in BARE} == BARE
    assert all(rows[what]["do"] for what in BARE)
    assert {rows[what]["set"] for what in GOOD} == {result["set"]}
    assert rows["volume pg"]["sources"] == ["postgres db, roles", "postgres db/app", "postgres db/postgres"]
    assert (rows["folder up/inner"]["sources"], rows["folder up/inner"]["why"]) == (["files up"], "it is in folder up")
    assert rows["volume data"]["services"] == ["app"]

    take.judge(record)
    assert record.exit == 3
    named = {one["what"] for one in result["uncovered"]}
    assert named == set(BARE) - {"postgres db/secret", "volume queue"}, "its server is named"
    assert "scratch" not in {one["name"] for one in result["artifacts"]}


def test_the_report_has_each_source_of_a_backup_and_no_other(project: Project) -> None:
    found = survey(project.target, project.look(), project.tools, KINDS)
    sources: list[Source] = [one for decided in found.decisions for one in decided.sources]
    assert all(one in sources for one in found.sources)
    assert all(one in found.sources for one in sources)
    assert not found.refused


def test_a_stopped_database_stands_in_the_way_of_every_backup(project: Project) -> None:
    worked(project.backup())
    project.target.run(docker(project.host, "stop", project.container("cache")))
    try:
        before = sets.list_sets(project.target)
        rows = covered(project)
        record = project.backup()
        project.assert_no_set(before, record)
    finally:
        project.up()
    changed = {what for what in GOOD if rows[what]["state"] != "protected"}
    assert changed == {"redis cache", "volume redis"}
    for what in changed:
        assert rows[what]["why"].startswith(why(record))
        assert rows[what]["do"].startswith("docker start")


def test_a_wrong_password_and_a_server_that_is_gone_are_rows_too(project: Project) -> None:
    target = project.way(sources=(Postgres(service="db", user="nobody"),), exclude=(*EXCLUDE, "queue", "app"))
    rows = covered(project, target)
    assert {what for what, one in rows.items() if one["state"] == "unprotected"} == {"postgres db", "volume pg"}
    project.target.run(project.compose("rm", "-sf", "db"))
    try:
        rows = covered(project, target)
    finally:
        project.up()
    assert "no such server of the project runs on it" in rows["volume pg"]["why"]


def test_what_the_host_file_names_of_a_strange_server_or_leaves_out_of_a_folder(project: Project) -> None:
    up = Files(paths=("up",), exclude=("inner/",))
    target = project.way(sources=(*SOURCES, up, Volume(name="queue2")), exclude=EXCLUDE)
    rows = covered(project, target)
    assert "etcd in service queue" not in rows
    assert rows["volume queue2"]["state"] == "empty"
    assert (rows["folder up"]["state"], rows["folder up/inner"]["state"]) == ("protected", "excluded")
    assert "put 'queue' under" in rows["volume queue (of etcd in service queue)"]["do"]
    assert "volume queue (of etcd in service queue)" in {
        one["what"] for one in worked(project.backup(target))["uncovered"]
    }


def test_an_unnamed_volume_that_the_host_file_names_is_copied(project: Project) -> None:
    (name,) = [one.name for container in project.look().service("app") for one in container.mounts
               if one.destination == "/unnamed"]  # fmt: skip
    target = project.way(sources=(*SOURCES, Volume(name=name)), exclude=EXCLUDE)
    what = "an unnamed volume of service app, at /unnamed"
    assert covered(project, target)[what]["why"] == "it is in no set yet"
    made = worked(project.backup(target))
    assert {one["name"]: one["counts"] for one in made["artifacts"]}[name]["files"] == 1
    assert covered(project, target)[what]["state"] == "protected"


def test_nothing_is_found_where_everything_is_protected_or_left_out(project: Project) -> None:
    target = project.way(sources=SOURCES, exclude=(*EXCLUDE, "postgres db/secret", "queue", "app"))
    worked(project.backup(target))
    assert set(states(covered(project, target, code=0)).values()) == {"protected", "excluded", "no data"}
