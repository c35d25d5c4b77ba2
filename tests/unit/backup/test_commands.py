"""The commands that make artifacts, as exact text."""

from __future__ import annotations

from pathlib import Path

import pytest

from opslib.backup import redis
from opslib.backup.byhand import decompress
from opslib.backup.pack import _INSIDE, _PACK, beside, embedded_command, inside, pack_command
from opslib.backup.postgres import PostgresDatabase, _by_hand, dump_command
from opslib.backup.redis import RedisServer
from opslib.backup.source import Stage
from opslib.backup.tree import Files, NamedVolume
from opslib.command import Command, Secret, quote
from opslib.engines import postgres, tree
from opslib.engines.instance import Instance
from opslib.settings.model import Host
from opslib.target.local import Local

HOST = Host(name="local", path="/srv/x")
STAGE = Stage(Local(HOST), "/srv/x/backups/.ID.part", "tools:1", 1000, lambda what, done: None)
PG = Instance(
    kind="postgres", service="db", container="x-db-1", image="postgres:15", version="15", data="/var/lib/pg", pid=4711,
    user="999:999", port=5432, id="abc123", network=False,
    env={"PATH": "/usr/lib/pg/bin:/bin", "PGUSER": "app", "PGHOST": "/var/run/postgresql", "PGPORT": "5432",
         "PGPASSWORD": Secret("s3cret$'")},
)  # fmt: skip
RD = Instance(
    kind="redis", service="cache", container="x-cache-1", image="redis:7", version="7", data="", pid=4712,
    user="999:1000", port=6379, id="def456", network=False, env={"PATH": "/bin", "REDISCLI_AUTH": Secret("s3cret")},
)  # fmt: skip


@pytest.fixture(autouse=True)
def _fixed_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opslib.target.docker.new_nonce", lambda: "N")


def shown(cmd: Command) -> str:
    text = cmd.masked()
    for name, script in (("PACK", _PACK), ("INSIDE", _INSIDE), ("TAR", tree.PACK), ("READ", redis._READ)):
        text = text.replace(quote(script), name)
    return text.replace(quote(str(postgres.session(PG)["PGOPTIONS"])), "OPTIONS")


RUN = "docker run --rm --init --name opslib-N --pull never --user 0:0 --network none --label opslib=1 --log-driver none"
STAGED = "--mount type=bind,src=/srv/x/backups/.ID.part,dst=/stage"
NEAR = (
    "--security-opt label=disable --env TINI_SUBREAPER=1 --pid host --userns host --cap-add SYS_PTRACE "
    "--security-opt apparmor=unconfined"
)


def test_a_database_is_dumped_beside_its_server_by_its_own_pg_dump() -> None:
    source = PostgresDatabase(PG, "-d a=b", 10, "")
    assert shown(dump_command(STAGE, source, "0003-1")) == (
        "PGUSER=app PGHOST=/var/run/postgresql PGPORT=5432 PGPASSWORD=*** PGDATABASE='-d a=b' PGOPTIONS=OPTIONS "
        f"PGAPPNAME=opslib {RUN} {STAGED} -e PGUSER -e PGHOST -e PGPORT -e PGPASSWORD -e PGDATABASE -e PGOPTIONS "
        f"-e PGAPPNAME {NEAR} tools:1 bash -c PACK opslib postgres.db.-d%20a%3Db.dump.zst 1000 "
        "bash -c INSIDE opslib 4711 abc123 999:999 /usr/lib/pg/bin:/bin "
        "pg_dump --format=custom --compress=0 --no-password --snapshot=0003-1"
    )


def test_no_password_is_an_argument() -> None:
    cmd = dump_command(STAGE, PostgresDatabase(PG, "app", 10, ""), "1")
    assert not any("s3cret" in word for stage in cmd.stages for word in stage.argv)
    assert "s3cret" not in str(cmd)


def test_a_container_beside_an_engine_is_not_in_its_process_namespace() -> None:
    assert beside(PG)[:2] == ["--pid", "host"]


def test_a_server_without_a_socket_is_reached_through_its_network() -> None:
    import dataclasses

    at = dataclasses.replace(PG, network=True)
    assert beside(at)[-2:] == ["--network", "container:x-db-1"]


def test_redis_reads_its_file_in_its_own_root_folder() -> None:
    source = RedisServer(RD, {"dir": "/data", "dbfilename": "dump.rdb", "appendonly": True}, 10)
    assert shown(redis.dump_command(STAGE, source)).endswith(
        "redis.cache.rdb.zst 1000 bash -c READ opslib 4712 /data/dump.rdb "
        "bash -c INSIDE opslib 4712 def456 999:1000 /bin redis-check-rdb /data/dump.rdb"
    )


def test_a_volume_is_packed_read_only_without_its_sqlite_files() -> None:
    source = NamedVolume("x_data", "data", {}, "local", ("-a b.db", "-a b.db-wal"))
    assert shown(source.command(STAGE)).endswith(
        "--mount type=volume,src=x_data,dst=/src,readonly --security-opt label=disable --env TINI_SUBREAPER=1 "
        "tools:1 bash -c PACK opslib volume.data.tar.zst 1000 "
        "bash -c TAR opslib /src '' '' './-a b.db' './-a b.db-wal' -- ."
    )


def test_files_are_packed_by_their_paths_in_the_project() -> None:
    source = Files("/srv/x", ("-up loads/", "a.conf"), (".opslib", "backups"), "-up loads")
    assert shown(source.command(STAGE, source.file(STAGE))).endswith(
        "files.-up%20loads.tar.zst 1000 bash -c TAR opslib /src '' '' ./.opslib ./backups -- './-up loads' ./a.conf"
    )


def test_what_is_left_out_and_chosen_are_regular_expressions() -> None:
    source = NamedVolume("x_data", "data", {}, "local", exclude=("**/*.tmp", "a b/"))
    assert shown(source.command(STAGE)).endswith(r"opslib /src '\./((.*/)?[^/]*\.tmp|a b/.*)(/.*)?' '' -- .")
    chosen = Files("/srv/x", ("conf",), (".opslib",), "conf/*.yml", globs=("conf/*.yml",))
    assert shown(chosen.command(STAGE, "f")).endswith(
        r"""opslib /src '' '\./(conf/[^/]*\.yml)(/.*)?' ./.opslib -- ./conf"""
    )


def test_without_an_engine_python_does_it() -> None:
    stage = Stage(STAGE.target, "/s", "", 5, STAGE.moved)
    words = embedded_command(stage, "sqlite.project.db.gz", "sqlite", "/srv/x/-a b").stages[0].argv
    assert Path(words[0]).name.startswith("python")
    assert words[1].endswith("opslib/backup/embedded.py")
    assert words[2:] == ("/s/sqlite.project.db.gz", "5", "sqlite", "/srv/x/-a b")


def test_commands_for_a_person() -> None:
    create, restore = _by_hand(STAGE, PostgresDatabase(PG, "a'b=c", 1, ""))
    assert create == """docker exec -i x-db-1 createdb -U app -T template0 -- 'a'"'"'b=c_restored'"""
    assert restore == (
        f"""{decompress(STAGE, "postgres.db.a%27b%3Dc.dump.zst")} | docker exec -i x-db-1 pg_restore -U app -1 """
        """--exit-on-error -d 'dbname='"'"'a\\'"'"'b=c_restored'"'"''"""
    )
    assert decompress(STAGE, "f.zst") == (
        'docker run --rm --network none -v "$PWD":/set:ro tools:1 zstd -dc /set/f.zst'
    )


def test_the_program_inside_keeps_its_words() -> None:
    assert inside(PG, "pg_dump", "-x y")[:3] == ["bash", "-c", _INSIDE]
    assert inside(PG, "pg_dump", "-x y")[3:] == [
        "opslib", "4711", "abc123", "999:999", "/usr/lib/pg/bin:/bin", "pg_dump", "-x y",
    ]  # fmt: skip


def test_pack_command_has_the_reserve() -> None:
    words = pack_command(STAGE, "f.zst", ["cat", "x"]).stages[0].argv
    assert words[-6:] == (_PACK, "opslib", "f.zst", "1000", "cat", "x")
