"""Which containers pause or stop while volumes are copied, and what is copied in that time."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.backup.look import Options, consistent
from opslib.backup.manifest import Moment
from opslib.backup.others import writes
from opslib.backup.postgres import PostgresDatabase, PostgresGlobals
from opslib.backup.project import ProjectFiles
from opslib.backup.services import start_script
from opslib.backup.sqlite import SqliteFile
from opslib.backup.take import judge
from opslib.backup.tree import Files, NamedVolume
from opslib.backup.window import Writer, everyone, held, moment, not_back, wanted, writers
from opslib.compose.stack import LABEL, Container, Stack, parse_container
from opslib.engines.instance import Instance
from opslib.errors import BadSettings
from opslib.run.record import HostRecord, Record
from opslib.run.step import Run
from opslib.settings.kinds import Volume
from opslib.settings.model import Backup, Host


def container(name: str, *volumes: str, state: str = "running", **labels: str) -> Container:
    """`volumes` by their real names, `:ro` behind one that it may only read."""
    mounts = [{"Type": "volume", "Name": one.partition(":")[0], "Destination": f"/{at}", "RW": ":" not in one}
              for at, one in enumerate(volumes)]  # fmt: skip
    return parse_container({
        "Id": name, "Name": f"/{name}", "Image": "i", "State": {"Status": state}, "HostConfig": {}, "Mounts": mounts,
        "Config": {"Labels": {f"{LABEL}service": name, **{LABEL + key: value for key, value in labels.items()}}},
    })  # fmt: skip


def volume(name: str, how: str = "live") -> NamedVolume:
    return NamedVolume(f"p_{name}", name, {}, "local", consistency=how)


def sqlite(source: str, *, volume: bool = True) -> SqliteFile:
    return SqliteFile(volume, source, "app.db", {})


def test_in_the_window_are_volumes_that_are_not_live_and_sqlite_files_of_stopped_writers() -> None:
    a, b, c = volume("a"), volume("b", "pause"), volume("c", "stop")
    files = [sqlite("p_a"), sqlite("p_b"), sqlite("p_c"), sqlite("p_c", volume=False)]
    assert held([*files, a, b, c, Files("/x", ("y",))]) == [files[2], b, c]
    assert held(files) == []


def test_for_one_point_in_time_everything_without_a_snapshot_is_in_the_window() -> None:
    at = Instance("postgres", "db", "p-db-1", "postgres:15", "15", "/d", 1, "0:0", 5432, client="pg_dump 15")
    roles, base = PostgresGlobals(at, at.client), PostgresDatabase(at, "app", 0, "")
    project = ProjectFiles("/x", None, (), {})  # type: ignore[arg-type]
    rest = [roles, sqlite("p_a"), volume("a"), Files("/x", ("y",))]
    assert held([base, project, *rest], consistent=True) == rest


def test_for_one_point_in_time_everyone_stops_but_the_databases() -> None:
    stack = Stack("p", (
        container("db", "p_db"), container("app"), container("web", "p_up:ro"), container("old", state="exited"),
        container("loops", state="restarting"), container("frozen", state="paused"), container("run", oneoff="True"),
        container("ran", state="exited", oneoff="True"),
    ))  # fmt: skip
    found, went_on = everyone(stack, {"db"})
    assert found == [Writer(name, name, "stop", ()) for name in ("app", "web", "loops")]
    assert went_on == [
        "container frozen was paused before, perhaps in the middle of something",
        "container run goes on: it was made by docker compose run",
    ]  # fmt: skip


def a_run(**facts: Any) -> Run:
    run = Run("R", "backup.all", None, ("h",))  # type: ignore[arg-type]
    run.facts |= {"still at": "2026-11-29T02:00:00Z", "went on": []} | facts
    return run


def test_a_moment_is_as_long_as_the_longest_stop() -> None:
    assert moment(a_run()) == Moment(at="2026-11-29T02:00:00Z", seconds=0.0)
    run = a_run(killed=["app"], **{"went on": ["container x goes on"]})
    run.result["held"] = [{"service": "web", "seconds": 3.1}, {"service": "app", "seconds": 3.1}]
    assert moment(run) == Moment(at="2026-11-29T02:00:00Z", seconds=3.1, stopped=("app", "web"), killed=("app",),
                                 went_on=("container x goes on",))  # fmt: skip


def test_who_went_on_is_a_finding_and_the_set_is_good() -> None:
    def judged(*went_on: str) -> tuple[int, str]:
        host = HostRecord("h", result={"set": "S", "consistent": {"went_on": list(went_on)}})
        judge(Record("backup.all", "now", hosts=[host]))
        return host.code, str((host.error or {}).get("what"))

    assert judged() == (0, "None")
    assert judged("container x goes on") == (3, "not everything is of one point in time: container x goes on")


@pytest.mark.parametrize(
    ("options", "file", "is_wanted"),
    [
        (Options(), False, False), (Options(consistent=True), False, True), (Options(), True, True),
        (Options(kinds=("postgres",)), True, False), (Options(safety=(sqlite("p_a"),)), True, False),
    ],
)  # fmt: skip
def test_the_host_file_asks_for_it_in_backups_of_all(options: Options, file: bool, is_wanted: bool) -> None:
    host = Host(name="h", path="/x", compose=("compose.yml",), backup=Backup(consistent=file))
    assert consistent(host, options) is is_wanted


def test_without_services_there_is_no_one_point_in_time() -> None:
    with pytest.raises(BadSettings, match="no compose file"):
        consistent(Host(name="h", path="/x"), Options(consistent=True))


def test_writers_are_the_running_containers_that_may_write() -> None:
    stack = Stack("p", (
        container("app", "p_up", "p_idx"), container("web", "p_up:ro"), container("worker", "p_up"),
        container("old", "p_up", state="exited"), container("frozen", "p_idx", state="paused"),
        container("run", "p_up", oneoff="True"), container("loops", "p_up", state="restarting"), container("db", "p_db"),
    ))  # fmt: skip
    found, warnings = writers(stack, [volume("up", "pause"), volume("idx", "stop")])
    assert found == [
        Writer("app", "app", "stop", ("volume up", "volume idx")), Writer("worker", "worker", "pause", ("volume up",)),
    ]  # fmt: skip
    assert warnings == [
        "volume up: container run goes on: it was made by docker compose run",
        "volume up: container loops restarts again and again, and is not paused",
    ]


def test_one_that_restarts_can_be_stopped() -> None:
    found, warnings = writers(Stack("p", (container("loops", "p_up", state="restarting"),)), [volume("up", "stop")])
    assert [one.how for one in found] == ["stop"]
    assert warnings == []


@pytest.mark.parametrize(("how", "is_wanted"), [("live", False), ("pause", True), ("stop", True)])
def test_a_window_is_there_only_where_the_host_file_asks_for_one(how: Any, is_wanted: bool) -> None:
    host = Host(name="h", path="/x", backup=Backup(sources=(Volume(name="up", consistency=how),)))
    assert wanted(host) is is_wanted


def test_the_watchdog_starts_and_unpauses() -> None:
    stack = Stack("p", (container("db"), container("app", depends_on="db:service_started:false"), container("web")))
    text = start_script(Host(name="h", path="/x"), stack, ["app", "db"], ["we'b"])
    lines = text.splitlines()
    assert lines[1:5] == [
        '[ "${TRY:-0}" -gt 0 ] || docker stop app || e=1', '[ "${TRY:-0}" -gt 0 ] || docker stop db || e=1',
        "docker start db || e=1", "docker start app || e=1",
    ]  # fmt: skip
    assert lines[5] == (
        """{ docker unpause 'we'"'"'b' || [ "$(docker inspect --format '{{.State.Paused}}' 'we'"'"'b')" = false ]; } """
        "|| e=1"
    )


def test_what_did_not_come_back_is_an_error_that_names_the_good_set() -> None:
    assert not_back({"set": "S"}, "h") is None
    error = not_back({"set": "S", "not_back": {"what": "service app is not healthy", "next": "inv logs"}}, "h")
    assert error is not None
    assert error.exit_code == 1
    assert "service app" in error.what
    assert error.left == "the set S, which is whole"


def test_writes() -> None:
    assert writes(container("a", "p_x"), "p_x")
    assert not writes(container("a", "p_x:ro", "p_y"), "p_x")
