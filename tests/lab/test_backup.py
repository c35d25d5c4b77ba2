"""Backup of a whole small stack with hostile names, on this machine and over SSH; and what goes wrong."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opslib.backup import sets, take, verify
from opslib.backup.sets import SetInfo
from opslib.command import Secret, bash
from opslib.events import Event
from opslib.run.fleet import carry_out, look_on
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.kinds import Volume
from opslib.settings.model import Backup, Host, Keep
from opslib.settings.units import Address, Reserve
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.docker import docker
from tests.lab.site import until
from tests.lab.stacks import DATABASE, ODD, PASSWORD, SQLITE, UPLOADS, Small, small_host
from tests.lab.watch import Watch

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["local", "ssh"])
def small(request: pytest.FixtureRequest, lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory,
          ssh_config: Path) -> Iterator[Small]:  # fmt: skip
    """The stack with its data, once for all tests on a target."""
    if request.param == "ssh":
        host = Host(name="one", path=f"opslib-test-{uuid.uuid4().hex[:8]}/a 'b' $c", address=Address("one"))
    else:
        host = Host(name="local", path=str(tmp_path_factory.mktemp("small") / "a 'b' $c"))
    target = connect(small_host(host))
    stack = Small(target, lab["images_prefix"])
    try:
        stack.start()
        yield stack
    finally:
        stack.destroy()
        target.close()


@pytest.fixture
def other(small: Small) -> Iterator[Callable[..., Target]]:
    """A fresh way to the same project, with other backup settings."""
    opened: list[Target] = []

    def make(tell: Callable[[Event], None] = lambda event: None, **backup: Any) -> Target:
        opened.append(connect(msgspec.structs.replace(small.host, backup=Backup(**backup)), tell))
        return opened[-1]

    yield make
    for target in opened:
        target.close()


def backup(target: Target, **options: Any) -> Record:
    task = Task("backup.all", lambda run: take.steps(run, take.Options(**options)), take.RECOVERIES)
    record = carry_out(task, [target])
    take.judge(record)
    return record


def result(record: Record) -> dict[str, Any]:
    assert record.ok, record.as_json()
    return record.hosts[0].result


def why(record: Record) -> str:
    return str((record.hosts[0].error or {}).get("what"))


def assert_no_set(small: Small, before: list[SetInfo], record: Record, code: int = 1) -> None:
    """Nothing was made, nothing was removed, nothing is left to recover."""
    assert record.exit == code, record.as_json()
    assert sets.list_sets(small.target) == before
    assert not small.target.run(bash('ls -A -- "$1" | grep "^\\." || true', sets.directory(small.target))).lines
    assert not small.target.run(bash('cat -- "$1/run.log" 2>/dev/null || true', small.target.state)).lines


def test_everything_is_in_the_set_and_no_password_in_any_argument(small: Small, other: Any) -> None:
    events: list[Event] = []
    with Watch(PASSWORD) as watch:
        record = backup(other(events.append))
    made = result(record)
    assert watch.looks > 3
    assert not watch.seen
    assert PASSWORD not in str(record.as_json()) + str(events)
    assert {(one["kind"], one["name"]): one["counts"] for one in made["artifacts"]} == {
        ("postgres", "globals"): {},
        ("postgres", DATABASE): {"public.notes": 500, "public.part1": 3, '"s.x"."T \'q\'"': 2},
        ("redis", "cache"): {"db0": {"keys": 2, "persistent": 1}},
        ("sqlite", f"data/{SQLITE}"): {"o'dd \"x": 0, "t": 3},
        ("volume", "data"): {"files": 3, "dirs": 2, "links": 1, "bytes": 20 * 1024 * 1024 + 5},
        ("files", UPLOADS): {"files": 1, "dirs": 2, "links": 1, "bytes": 4},
    }
    assert made["uncovered"] == []
    (one,) = [each for each in sets.list_sets(small.target) if each.id == made["set"]]
    assert one.whole
    manifest = one.manifest
    assert manifest is not None
    facts = {artifact.kind: artifact.facts for artifact in manifest.artifacts}
    assert facts["postgres"]["properties"]["owner"] == "ow ner"
    assert facts["postgres"]["properties"]["comment"] == "it's ours"
    assert facts["postgres"]["settings"] == [{"role": None, "config": ['search_path="s.x", public']}]
    assert "plpgsql" in facts["postgres"]["extensions"]
    assert facts["redis"]["appendonly"] is True
    assert facts["sqlite"]["owner"] == "1234:1234"
    assert facts["sqlite"]["journal_mode"] == "wal"
    assert facts["volume"]["without"] == [f"{SQLITE}{ending}" for ending in ("", "-wal", "-shm", "-journal")]
    assert facts["volume"]["labels"]["com.docker.compose.volume"] == "data"
    listed = small.target.run(bash('stat -c "%a %U" -- "$1"/*; id -un', one.folder)).lines
    assert set(listed[:-1]) == {f"440 {listed[-1]}"}, "an operator without root owns them, read-only"


def test_what_is_backed_up_is_not_disturbed(small: Small) -> None:
    log = small.target.run(docker(small.host, "logs", small.container("db"))).ended.stderr
    assert "terminated by signal" not in log
    owners = small.in_volume('cd -- "$1"; stat -c %u:%g -- ./*.db*')
    assert set(owners) == {"1234:1234"}
    assert not small.in_volume('find "$1" -name "*opslib*"')


def test_verify_reads_every_format_by_its_own_tool(small: Small) -> None:
    record = look_on("backup.verify", [small.target], lambda run: verify.verify(run, tools=small.tools))
    assert {one["file"].split(".")[0]: one["content"] for one in result(record)["artifacts"]} == {
        "postgres": "pg_restore", "redis": "redis-check-rdb", "sqlite": "sqlite", "volume": "tar", "files": "tar",
    }  # fmt: skip


@pytest.mark.parametrize("how", ["truncate -s -1", "flip"])
def test_verify_catches_a_truncated_artifact_and_one_flipped_bit(small: Small, other: Any, how: str) -> None:
    made = result(backup(other(), kinds=("redis",)))
    flip = """f=$1; n=$(( $(stat -c %s -- "$f") / 2 )); b=$(od -An -tu1 -j "$n" -N 1 -- "$f")
printf "\\\\$(printf %o $(( b ^ 1 )))" | dd of="$f" bs=1 seek="$n" conv=notrunc status=none"""
    script = flip if how == "flip" else f'{how} -- "$1"'
    path = f"{made['folder']}/{made['artifacts'][0]['file']}"
    small.target.run(bash(f'chmod 0640 -- "$1"; {script}', path))
    record = look_on("backup.verify", [small.target], lambda run: verify.verify(run, made["set"], tools=small.tools))
    assert record.exit == 3
    assert made["artifacts"][0]["file"] in why(record)
    assert not next(one for one in sets.list_sets(small.target) if one.id == made["set"]).whole
    assert sets.find(small.target, "latest").id != made["set"]


@pytest.mark.parametrize("service", ["db", "cache"])
def test_a_stopped_database_makes_no_set_and_prunes_nothing(small: Small, other: Any, service: str) -> None:
    before = sets.list_sets(small.target)
    small.target.run(small.compose("stop", "-t", "20", service))
    try:
        record = backup(other(keep=Keep(last=1)))
    finally:
        small.up("--wait")
    assert_no_set(small, before, record)
    assert "does not run" in why(record)


def test_a_dump_whose_container_is_killed_makes_no_set(small: Small, other: Any) -> None:
    """The one beside the server, which the server does not notice."""
    before = sets.list_sets(small.target)
    records: list[Record] = []
    thread = threading.Thread(target=lambda: records.append(backup(other(keep=Keep(last=1)))))
    locker = Locker(small)
    try:
        thread.start()
        locker.wait_for_the_dump()
        small.target.run(bash(
            'for c in $(docker ps -q --filter label=opslib=1); do docker inspect -f "{{json .Mounts}}" "$c" | '
            'grep -qF "$1" && docker kill "$c"; done; true', f"{sets.directory(small.target)}/.",
        ))  # fmt: skip
        thread.join(60)
    finally:
        locker.release()
        thread.join(120)
    assert_no_set(small, before, records[0])
    log = small.target.run(docker(small.host, "logs", small.container("db"))).ended.stderr
    assert "terminated by signal" not in log, "the server itself must not notice"


class Locker:
    """Holds a table so that pg_dump, and nothing else, waits for it."""

    def __init__(self, small: Small) -> None:
        from opslib.target.docker import exec_in

        self.small, self.target = small, connect(small.host)
        env = {"PGPASSWORD": Secret(PASSWORD), "PGDATABASE": DATABASE, "PGUSER": "postgres"}
        self.process = self.target.start(
            exec_in(small.host, small.container("db"), "psql", "-XqAtw", env=env, streams=True)
        )
        self.process.write(b"begin; lock table notes in access exclusive mode; select 'locked';\n")
        assert self.process.read() == b"locked\n"

    def wait_for_the_dump(self) -> None:
        """Until it waits for the lock."""
        text = "select pid from pg_stat_activity where wait_event_type = 'Lock' and query ilike 'lock table%';"
        until(lambda: self.small.sql(text), 90, "pg_dump never waited for the lock")

    def release(self) -> None:
        """Let the table go."""
        self.process.write(b"rollback;\n\\q\n")
        self.process.end_input()
        self.target.finish(self.process)
        self.target.close()


def test_a_disk_too_full_is_refused(small: Small, other: Any) -> None:
    before = sets.list_sets(small.target)
    record = backup(other(reserve=Reserve(size=10**17)))
    assert_no_set(small, before, record)
    assert "too little space" in why(record)


def test_data_that_nothing_covers_is_named_and_the_rest_is_backed_up(small: Small, other: Any) -> None:
    volume = f"{small.project}_kafka"
    small.target.run(docker(
        small.host, "volume", "create", "--label", f"com.docker.compose.project={small.project}",
        "--label", "com.docker.compose.volume=kafka", volume,
    ))  # fmt: skip
    small.in_volume('touch "$1/meta.properties"', volume="kafka")
    try:
        record = backup(other())
        assert record.exit == 3
        assert "volume kafka (kafka data)" in why(record)
        assert sets.find(small.target, "latest").id == record.hosts[0].result["set"]
        assert "'kafka'" in str((record.hosts[0].error or {})["next"])
        assert result(backup(other(exclude=("kafka",)), kinds=("redis",)))["uncovered"] == []
        assert backup(other(exclude=("kafka",))).exit == 0
    finally:
        small.target.run(docker(small.host, "volume", "rm", volume))


def test_a_service_that_is_left_out_needs_not_run(small: Small, other: Any) -> None:
    small.target.run(small.compose("stop", "-t", "20", "cache"))
    try:
        made = result(backup(other(exclude=("cache",))))
    finally:
        small.up("--wait")
    assert {one["kind"] for one in made["artifacts"]} == {"postgres", "sqlite", "volume", "files"}


def test_files_that_a_release_wrote_are_no_data(small: Small, other: Any) -> None:
    folder = f"{small.target.state}/releases/r1"
    text = (
        'mkdir -p -- "$1"; cd -- "$2" && find . -type f -path "./-up*" -printf "%P\\0" | xargs -0 sha256sum -- '
        '>"$1/files.sha256"'
    )
    small.target.run(bash(text, folder, small.target.root))
    try:
        made = result(backup(other(), kinds=("files", "volume")))
        assert {one["kind"] for one in made["artifacts"]} == {"volume"}
    finally:
        small.target.run(bash('rm -rf -- "$1"', folder))


def test_only_the_last_sets_stay(small: Small, other: Any) -> None:
    made = [result(backup(other(keep=Keep(last=2)), kinds=("files",)))["set"] for _ in range(3)]
    left = [one.id for one in sets.list_sets(small.target)]
    assert made[0] not in left
    assert set(made[1:]) <= set(left)
    assert any(artifact.kind == "postgres" for one in sets.list_sets(small.target) if one.whole
               for artifact in (one.manifest.artifacts if one.manifest else ()))  # fmt: skip


def test_by_hand_the_volume_comes_back(small: Small, other: Any) -> None:
    """The manifest's commands, typed as they stand."""
    made = result(backup(other(), kinds=("volume",)))
    one = sets.find(small.target, made["set"])
    assert one.manifest is not None
    (artifact,) = one.manifest.artifacts
    volume = artifact.facts["volume"]
    hand = [text.replace(volume, f"{volume}_new") for text in artifact.by_hand]
    try:
        small.target.run(bash('cd -- "$1" && eval "$2" && eval "$3"', one.folder, *hand, limit=120.0))
        text = 'cd -- "$1"; cat -- "./$2/$2"; stat -c %u:%a -- "./$2/$2"; readlink soft; stat -c %b sparse'
        there = small.in_volume(text, ODD, volume="data_new")
        assert there[:3] == ["data", "1234:640", ODD]
        assert int(there[3]) < 100, "the hole is a hole"
    finally:
        small.target.run(docker(small.host, "volume", "rm", f"{volume}_new"))


def test_a_running_engines_folder_is_never_copied_file_by_file(small: Small, other: Any) -> None:
    before = sets.list_sets(small.target)
    record = backup(other(sources=(Volume(name="pg"),)))
    assert_no_set(small, before, record, 2)
    assert "is the data folder of postgres" in why(record)


def test_a_plan_says_what_would_be_backed_up_and_makes_nothing(small: Small) -> None:
    before = sets.list_sets(small.target)
    task = Task("backup.all", lambda run: take.steps(run), take.RECOVERIES, plan=True)
    record = carry_out(task, [small.target])
    planned = {one["step"]: one["what"] for one in result(record)["plan"]}
    assert planned["backup.postgres"] == f"postgres db, roles, postgres db/{DATABASE}"
    assert planned["backup.volume"] == "volume data"
    assert_no_set(small, before, record, 0)
