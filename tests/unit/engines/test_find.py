from __future__ import annotations

import subprocess

import pytest

from opslib.command import Secret
from opslib.compose.environment import Environment
from opslib.compose.stack import Container, Mounted
from opslib.engines.find import _inside, parse_seen
from opslib.engines.instance import Login
from opslib.engines.known import stopped_kind
from opslib.engines.others import recognise


def container(image: str = "x", env: dict[str, str] | None = None, command: tuple[str, ...] = ()) -> Container:
    return Container(
        id="f" * 64, name="p-db-1", service="db", number=1, image=image, image_id="sha256:1", state="running",
        health="", exit_code=0, started_at="", restart_count=0, oom_killed=False, restart_policy="no", stop_timeout=10,
        labels={}, mounts=(Mounted("volume", "v", "", "/data", False),), env=Environment(env or {}), ports=(),
        networks={}, network_mode="", user="", command=command,
    )  # fmt: skip


POSTGRES = """pid 4711
kind postgres
data /var/lib/postgresql/data
port 5433
socket /run/my pg
address *
version 15
client pg_dump (PostgreSQL) 15.4
owner 999:999
path /usr/lib/postgresql/15/bin:/bin
secret POSTGRES_PASSWORD -p w'"$x é
looked
"""


def test_postgres_is_logged_in_by_its_environment_and_its_secret_files() -> None:
    at = parse_seen(container(env={"POSTGRES_USER": "app"}), POSTGRES, Login()).instance
    assert at is not None
    assert at.client == "pg_dump (PostgreSQL) 15.4"
    assert (at.kind, at.pid, at.data, at.user, at.port, at.id) == (
        "postgres", 4711, "/var/lib/postgresql/data", "999:999", 5433, "f" * 64,
    )  # fmt: skip
    assert at.env == {
        "PATH": "/usr/lib/postgresql/15/bin:/bin", "PGUSER": "app", "PGPORT": "5433", "PGHOST": "/run/my pg",
        "PGPASSWORD": Secret("-p w'\"$x é"),
    }  # fmt: skip


def test_a_server_that_its_image_sets_up_is_told_from_one_that_stays() -> None:
    for text, expected in ((POSTGRES, False), (POSTGRES.replace("owner", "setup\nowner"), True)):
        at = parse_seen(container(), text, Login()).instance
        assert at is not None
        assert at.setting_up is expected


def test_the_host_file_goes_before_the_environment() -> None:
    at = parse_seen(container(), POSTGRES, Login("boss", Secret("other"))).instance
    assert at is not None
    assert (at.env["PGUSER"], at.env["PGPASSWORD"]) == ("boss", Secret("other"))


def test_a_server_without_a_socket_is_reached_by_its_address() -> None:
    text = POSTGRES.replace("socket /run/my pg", "socket ")
    at = parse_seen(container(), text, Login()).instance
    assert at is not None
    assert at.env["PGHOST"] == "127.0.0.1"


def test_redis_passwords_worth_trying_in_order() -> None:
    text = 'pid 5\nkind redis\ndata \ntitle redis-server *:6380\nowner 999:999\nconf "c\\"d"\npath /bin\nlooked\n'
    seen = parse_seen(container(env={"REDIS_PASSWORD": "a"}, command=("--requirepass", "b")), text, Login())
    assert seen.passwords == (Secret("a"), Secret("b"), Secret('c"d'))
    assert seen.instance is not None
    assert seen.instance.port == 6380
    assert parse_seen(container(), text, Login(None, Secret("z"))).passwords == (Secret("z"),)


def test_other_processes_are_named() -> None:
    seen = parse_seen(container(), "pid 5\nprocess mongod\nlooked\n", Login())
    assert (seen.instance, seen.processes, seen.looked) == (None, ("mongod",), True)
    assert not parse_seen(container(), "pid 5\n", Login()).looked


def test_passwords_do_not_show() -> None:
    seen = parse_seen(container(), POSTGRES, Login())
    assert "$x" not in repr(seen)


def test_the_look_runs_in_a_shell_without_bash() -> None:
    done = subprocess.run(["dash", "-c", _inside()], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.endswith("looked\n")


@pytest.mark.parametrize(
    "image, name",
    [
        ("mongo:7", "mongo"), ("docker.io/library/mysql", "mysql"), ("confluentinc/cp-kafka:7.5.0", "kafka"),
        ("bitnami/mongodb:7", "mongo"), ("qdrant/qdrant:v1", "qdrant"), ("chromadb/chroma", "chroma"),
        ("docker.elastic.co/elasticsearch/elasticsearch:8", "elasticsearch"),
        ("clickhouse/clickhouse-server", "clickhouse"),
        ("mongo-express", ""), ("provectuslabs/kafka-ui", ""), ("prom/mysqld-exporter", ""), ("nginx:1", ""),
        ("mycompany/mongolian-api", ""), ("postgres:15", ""), ("redis:7", ""),
    ],
)  # fmt: skip
def test_databases_without_a_dump_are_recognised_by_their_image(image: str, name: str) -> None:
    assert recognise(image, ()) == name


def test_and_by_their_processes() -> None:
    assert recognise("acme/db:3", ["sh", "mariadbd"]) == "mariadb"


@pytest.mark.parametrize(
    "image, kind",
    [
        ("postgres:15", "postgres"), ("pgvector/pgvector:pg16", "postgres"), ("postgis/postgis", "postgres"),
        ("registry.local:5000/redis@sha256:00", "redis"), ("valkey/valkey:8", "redis"), ("nginx", ""),
        ("quay.io/prometheuscommunity/postgres-exporter", ""), ("rediscommander/redis-commander", ""),
    ],
)  # fmt: skip
def test_a_stopped_engine_is_recognised_by_its_image(image: str, kind: str) -> None:
    assert stopped_kind(image) == kind
