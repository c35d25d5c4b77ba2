"""PostgreSQL with everything that a database can hold, on this machine and over SSH; and what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opslib.backup import sets
from opslib.backup.drill.compare import differences
from opslib.backup.postgres import DATABASE
from opslib.backup.restore.context import Context
from opslib.backup.restore.options import Options
from opslib.backup.restore.steps import steps
from opslib.backup.take import Options as Taking
from opslib.backup.take import steps as taking
from opslib.command import Secret, bash
from opslib.events import Note, Progress, StepStarted
from opslib.run.record import Record
from opslib.settings.kinds import Postgres
from opslib.settings.model import Backup
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.docker import docker, exec_in, mount, run_in
from opslib.target.transfer import put_bytes
from tests.lab.postgres_stack import APP, IN_PLACE, OWNED, RUIN, SWAPPED, Databases
from tests.lab.restore_stack import USER, brought_up, docker_says, ident
from tests.lab.test_restore import failed, liar, refused, worked

pytestmark = pytest.mark.lab
ALL = ["app", "db", "tiny"]


@pytest.fixture(scope="module", params=["local", "ssh"])
def stack(request: pytest.FixtureRequest) -> Iterator[Databases]:
    yield from brought_up(request, Databases)


@pytest.fixture(scope="module")
def saved(stack: Databases) -> tuple[str, dict[str, str]]:
    """A set, and what the databases held when it was made."""
    good = stack.look_at()
    return stack.backup(), good


def backup(stack: Databases, target: Target) -> Record:
    options = Taking(kinds=("postgres",), here=stack.here)
    return stack.carry_out("backup.postgres", lambda run: taking(run, options), target)


def notes(stack: Databases) -> str:
    return "\n".join(one.text for one in stack.events if isinstance(one, Note))


def test_a_user_who_is_no_superuser(stack: Databases, saved: tuple[str, dict[str, str]]) -> None:
    """Backs up what it may read and is told of the rest; restores in place what it owns."""
    good = saved[1]
    target = stack.as_app()
    stack.sql(
        "postgres",
        f"revoke connect on database postgres, first from public; grant connect on database postgres to {ident(APP)}",
    )
    stack.sql(
        "postgres",
        f"revoke connect on database {ident(SWAPPED)}, {ident(IN_PLACE)} from {ident(APP)}; revoke select on kept from public",
    )
    try:
        said = why(backup(stack, target))
        assert f"user {APP} lacks SELECT on public.kept" in said
        stack.sql("postgres", f"grant select on kept to {ident(APP)}; alter table kept enable row level security")
        assert f"user {APP} lacks BYPASSRLS" in why(backup(stack, target))
        stack.sql("postgres", "alter table kept disable row level security")
        result = worked(backup(stack, target))
        assert {one["name"] for one in result["artifacts"]} == {"globals", OWNED, "postgres"}
        assert f"user {APP} may not read pg_authid: no role's password is in it" in result["warnings"]
        assert f"user {APP} lacks CONNECT on {SWAPPED}, {IN_PLACE}, first" in notes(stack)

        stack.sql(OWNED, f"set role {ident(APP)}; drop table mine; create table intruder (a int)")
        only = Options(file=result["set"], here=stack.here, kinds=("postgres",), database=OWNED)
        restored = worked(stack.carry_out("restore", lambda run: steps(run, only), target))
        assert "lacks CREATEDB" in str(restored["restore"]["warnings"])
        assert stack.look_at(OWNED) == {OWNED: good[OWNED]}

        stack.sql(OWNED, 'create schema "not its"')
        said = refused(stack.carry_out("restore", lambda run: steps(run, only), target))
        assert f'''user {APP} does not own schema "not its"''' in said
        stack.sql(OWNED, 'drop schema "not its"')
        again = stack.as_app(database=SWAPPED)
        record = backup(stack, again)
        again.close()
        assert record.exit == 2
        assert "lacks CONNECT" in why(record)
    finally:
        target.close()
        stack.sql(
            "postgres",
            f"""grant connect on database postgres, first to public; revoke select on kept from {ident(APP)};
            revoke connect on database postgres from {ident(APP)};
            grant connect, temporary on database {ident(SWAPPED)}, {ident(IN_PLACE)} to {ident(APP)} with grant option;""",
        )


def test_several_databases_come_back_each_in_its_way(stack: Databases, saved: tuple[str, dict[str, str]]) -> None:
    made, good = saved
    ours = (SWAPPED, IN_PLACE)
    for name in ours:
        stack.sql(name, RUIN)
        stack.sql(
            "postgres",
            f"""alter database {ident(name)} reset all; alter database {ident(name)} connection limit 3;
            alter database {ident(name)} set geqo to off; grant create on database {ident(name)} to public;
            comment on database {ident(name)} is 'ruined'; alter role {ident(APP)} in database {ident(name)} reset all;""",
        )
    stack.sql("postgres", "drop table kept; create table other (a int);")
    warned = stack.plan(made)["restore"]["warnings"]
    assert f"postgres db/{IN_PLACE} is loaded in place, in one transaction: subscription later belongs to it" in warned
    assert not [text for text in warned if SWAPPED in text]

    stack.sql("postgres", f"drop database {ident(OWNED)}")
    result = worked(stack.restore(made, kinds=("postgres",), service="db"))
    now = stack.look_at()
    for name, text in good.items():
        assert now[name] == text, name
    assert stack.running() == ALL
    assert {one["after"].get("large objects") for one in result["restored"]} == {2, None}
    left = "select datname from pg_database where datname like 'opslib%' union select nspname from pg_namespace where nspname like 'opslib%'"
    assert stack.sql(IN_PLACE, left) == []

    worked(stack.restore(None, kinds=("postgres",), service="db", database=IN_PLACE))  # the last restore's safety copy
    assert stack.sql(IN_PLACE, "select to_regclass('intruder') is not null, last_value from tickets") == ["t|1000"]
    worked(stack.restore(None))
    assert stack.look_at(*ours) == {name: good[name] for name in ours}


def test_what_fails_in_place_is_undone(stack: Databases, saved: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    made, good = saved

    def one_more(manifest: dict[str, Any]) -> None:
        for one in manifest["artifacts"]:
            if one["name"] == IN_PLACE:
                one["counts"]["public.people"] += 1

    only = {"kinds": ("postgres",), "service": "db", "database": IN_PLACE}
    stack.sql(IN_PLACE, "create table later (a int)")
    now = stack.look_at(IN_PLACE)
    assert "2003 in the set, 2002 restored" in failed(stack.restore(liar(stack, made, tmp_path, one_more), **only))
    assert stack.look_at(IN_PLACE) == now  # from the safety copy: the load had been committed

    text = b"create table fine (a int);\ninsert into nowhere values (1);\n"
    put_bytes(stack.target, text, f"{stack.target.root}/bad.sql")
    assert "nowhere" in failed(stack.restore("bad.sql", no_safety_copy=True, **only))
    assert stack.look_at(IN_PLACE) == now  # rolled back: nobody had to bring it back
    put_bytes(
        stack.target, b"create table fine (a int);\ninsert into fine values (1);\n", f"{stack.target.root}/good.sql"
    )
    worked(stack.restore("good.sql", **only))
    assert stack.sql(IN_PLACE, "select count(*) from fine; select to_regclass('people') is null;") == ["1", "t"]
    worked(stack.restore(made, **only))
    assert stack.look_at(IN_PLACE) == {IN_PLACE: good[IN_PLACE]}
    assert stack.running() == ALL


def why(record: Record) -> str:
    assert not record.ok
    return str((record.hosts[0].error or {})["what"])


def test_an_extension_that_the_server_lacks(stack: Databases, saved: tuple[str, dict[str, str]]) -> None:
    made, good = saved
    file = "/usr/share/postgresql/15/extension/citext.control"
    docker_says(stack, "exec", "-u", "0", stack.container("db"), "mv", file, f"{file}.away")
    try:
        assert "does not have: extension citext 1.6" in refused(stack.restore(made, kinds=("postgres",)))
    finally:
        docker_says(stack, "exec", "-u", "0", stack.container("db"), "mv", f"{file}.away", file)
    assert stack.look_at(SWAPPED) == {SWAPPED: good[SWAPPED]}


def test_without_room_for_a_second_copy(stack: Databases) -> None:
    def ask(text: str) -> list[str]:
        cmd = exec_in(
            stack.host, stack.container("tiny"), "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "full",
            feed=text.encode(),
        )  # fmt: skip
        return stack.target.run(cmd).lines

    ask("create table big as select i, repeat(md5(i::text), 60) t from generate_series(1, 30000) i; checkpoint;")
    digest = "select count(*), sum(hashtextextended(i || t, 0)) from big"  # a sort would need room for its own files
    before = ask(digest)
    made = worked(backup(stack, stack.target))["set"]
    ask("delete from big where i > 10; create table intruder (a int)")
    result = worked(stack.restore(made, kinds=("postgres",), service="tiny", database="full"))
    assert "emptied first, then filled: there is no room" in str(result["restore"]["warnings"])
    assert ask(digest) == before
    assert ask("select to_regclass('intruder') is null") == ["t"]


@contextmanager
def locked(stack: Databases, database: str, table: str) -> Iterator[None]:
    """Somebody holds a table for himself."""
    other = connect(stack.host)
    env = {"PGUSER": USER, "PGDATABASE": database}
    lock = other.start(exec_in(stack.host, stack.container("db"), "psql", "-XqAt", streams=True, env=env))
    lock.write(f"begin; lock table {table}; select 'locked';\n".encode())
    assert lock.read() == b"locked\n"
    try:
        yield
    finally:
        other.abandon(lock)
        other.close()


WAITING = "select count(*) from pg_stat_activity where application_name = 'opslib' and wait_event_type = 'Lock'"


@contextmanager
def waiting_dump(stack: Databases) -> Iterator[tuple[Target, list[Record], threading.Thread]]:
    """A backup whose dump waits for a lock."""
    target = connect(stack.host)
    records: list[Record] = []
    thread = threading.Thread(target=lambda: records.append(backup(stack, target)))
    try:
        with locked(stack, SWAPPED, "people"):
            thread.start()
            stack.wait_until(lambda: stack.sql("postgres", WAITING) != ["0"], 60)
            yield target, records, thread
    finally:
        thread.join(90)
        target.resume()
        target.close()


def no_set(stack: Databases, before: list[Any], records: list[Record]) -> str:
    assert sets.list_sets(stack.target) == before
    assert ".part" not in docker_free_listing(stack)
    return why(records[0])


def docker_free_listing(stack: Databases) -> str:
    from opslib.command import command

    return stack.target.run(command("ls", "-A", sets.directory(stack.target))).text


def test_a_dump_that_is_broken_off_leaves_nobody_waiting(stack: Databases) -> None:
    before = sets.list_sets(stack.target)
    with waiting_dump(stack) as (target, records, thread):
        target.cancel()
        thread.join(60)
        assert not thread.is_alive()
        stack.wait_until(lambda: stack.sql("postgres", WAITING) == ["0"], 20)  # while the lock is still held
    no_set(stack, before, records)


def test_the_engine_restarts_in_the_middle_of_a_dump(stack: Databases) -> None:
    before = sets.list_sets(stack.target)
    with waiting_dump(stack) as (_, records, thread):
        docker_says(stack, "restart", "-t", "0", stack.container("db"))
        thread.join(60)
        assert not thread.is_alive()
    assert f"postgres db/{SWAPPED} could not be backed up" in no_set(stack, before, records)
    stack.bring_up()


def test_a_wrong_password_and_a_database_that_is_not_there(stack: Databases) -> None:
    before = sets.list_sets(stack.target)
    for spec, said in (
        (Postgres(service="db", database="no such"), "there is no database 'no such'"),
        (Postgres(service="db", user="nobody here", password=Secret("wrong one")), "nobody here"),
    ):
        target = connect(msgspec.structs.replace(stack.host, backup=Backup(sources=(spec,))))
        records = [backup(stack, target)]
        target.close()
        assert said in no_set(stack, before, records)
        assert "wrong one" not in str(records[0].as_json())


def test_a_fingerprint_is_the_same_after_a_restore_and_sees_what_changed(
    stack: Databases, saved: tuple[str, dict[str, str]]
) -> None:
    """Whatever the types, and whatever the settings of the database that it is taken from."""
    made, copy = sets.find(stack.target, saved[0]).manifest, "copy 'é'"
    assert made is not None
    (dump,) = [one for one in made.artifacts if one.name == SWAPPED]
    assert dump.fingerprint is not None
    assert {"public.odd", "public.log_new", "public.people"} <= dump.fingerprint.contents.keys()
    assert {"tables", "columns", "indexes", "constraints", "functions", "types"} <= dump.fingerprint.definitions.keys()
    assert set(dump.fingerprint.left_out) == {"public.people.name", "public.people.tags"}
    at = Context(stack.target, "", stack.name).instance("db")

    def changed() -> list[str]:
        again = DATABASE.again
        assert again is not None and dump.fingerprint is not None
        seen = again(stack.target, at, msgspec.structs.replace(dump, name=copy), "")
        assert seen is not None
        return differences(dump.fingerprint, seen)

    worked(stack.restore(saved[0], kinds=("postgres",), database=SWAPPED, into=copy))
    other = ("timezone = 'Asia/Kolkata'", "datestyle = 'German'", "extra_float_digits = -5", "bytea_output = escape")
    try:
        stack.sql("postgres", "".join(f"alter database {ident(copy)} set {one};\n" for one in other))
        assert changed() == []
        stack.sql(copy, "alter table odd replica identity full; update odd set f8 = f8 * 1.0000000000001 where f4 = 9")
        assert changed() == ["public.odd: other contents"]
        stack.sql(copy, "create index on base (a); alter table base alter a set not null")
        assert changed() == ["public.odd: other contents", "columns: other definitions", "indexes: other definitions"]
    finally:
        stack.sql("postgres", f"alter database {ident(copy)} is_template false;\ndrop database {ident(copy)}")


def test_a_load_whose_container_is_killed_changes_nothing(stack: Databases, saved: tuple[str, dict[str, str]]) -> None:
    """The one beside the server, which the server does not notice. It is loaded in place, and waits for a lock."""
    now, crashes = stack.look_at(IN_PLACE), crashed(stack)
    target, records = connect(stack.host), []
    only = {"kinds": ("postgres",), "service": "db", "database": IN_PLACE}
    thread = threading.Thread(target=lambda: records.append(stack.restore(saved[0], target, **only)))
    with locked(stack, IN_PLACE, "people in access share mode"):
        thread.start()
        stack.wait_until(lambda: stack.sql("postgres", WAITING) != ["0"], 90)
        stack.target.run(bash(
            'for c in $(docker ps -q --filter label=opslib=1); do docker inspect -f "{{json .Mounts}}" "$c" | '
            'grep -qF "$1" && docker kill "$c"; done; true', f"{sets.directory(stack.target)}/{saved[0]}",
        ))  # fmt: skip
        thread.join(60)
        assert not thread.is_alive()
    target.close()
    assert "could not be loaded" in failed(records[0])
    assert stack.look_at(IN_PLACE) == now
    assert stack.running() == ALL
    assert crashed(stack) == crashes


def crashed(stack: Databases) -> int:
    """How often the server says that one of its processes was killed."""
    said = stack.target.run(docker(stack.host, "logs", stack.container("db"))).ended.stderr
    return said.count("terminated by signal")


def killing(stack: Databases, harm: Callable[[], None]) -> Target:
    """A target on which the engine is killed when the first database begins to be loaded."""
    seen: list[str] = []

    def tell(event: Any) -> None:
        if isinstance(event, StepStarted):
            seen.append(event.step)
        if isinstance(event, Progress) and seen[-1:] == ["load"]:
            seen.append("killed")
            docker_says(stack, "kill", stack.container("db"))
            harm()

    return connect(stack.host, tell)


def test_the_engine_is_killed_in_the_middle_of_a_restore(stack: Databases, saved: tuple[str, dict[str, str]]) -> None:
    made, good = saved
    volume = mount("volume", f"{stack.name}_pg", "/x")

    def in_volume(text: str) -> None:
        stack.target.run(run_in(stack.host, f"{stack.images}busybox:1", "sh", "-c", text, mounts=[volume]))

    only = {"kinds": ("postgres",), "database": SWAPPED}
    stack.sql(SWAPPED, "create table later (a int)")
    target = killing(stack, lambda: None)
    assert failed(stack.restore(made, target, **only))  # started again, and found as it was
    target.close()
    assert stack.running() == ALL
    stack.sql(SWAPPED, "select * from later")

    target = killing(stack, lambda: in_volume("mv /x/global/pg_control /x/away"))
    record = stack.restore(made, target, **only)
    target.close()
    assert "undo-failed" in [step.status for step in record.hosts[0].steps]
    error = record.hosts[0].error or {}
    assert "docker compose up -d db" in str(error["next"])
    assert "app" not in stack.running()
    in_volume("mv /x/away /x/global/pg_control")
    worked(stack.carry_out("anything", lambda run: []))
    assert stack.running() == ALL
    stack.sql(SWAPPED, "select * from later")
    worked(stack.restore(made, **only))
    assert stack.look_at(SWAPPED) == {SWAPPED: good[SWAPPED]}
    worked(stack.restore(None))
    stack.sql(SWAPPED, "select * from later; drop event trigger no_drops; drop table later;")
