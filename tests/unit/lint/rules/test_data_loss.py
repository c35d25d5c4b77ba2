"""Data that nobody keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from opslib.lint.model import Facts, ImageFacts
from tests.unit.lint.rules.stacks import found, model, told

VOLUMES = "\nvolumes: {data: , more: , conf: }\n"
REAL = Facts(images={
    "mongo:7": ImageFacts(volumes=("/data/configdb", "/data/db")),
    "shop-web": ImageFacts(volumes=("/srv/app/uploads", "/srv/app/node_modules")),
})  # fmt: skip


def service(image: str, *lines: str) -> str:
    return "\n".join(["services:", "  db:", f"    image: {image}", *(f"    {line}" for line in lines)]) + VOLUMES


@pytest.mark.parametrize(
    "image, lines, line",
    [
        ("mongo:7", ["volumes: ['./data:/data']"], 4),
        ("mongo:7", ["volumes:", "  - ./init.js:/docker-entrypoint-initdb.d/init.js:ro", "  - data:/data"], 6),
        ("mongo", ["volumes: ['data:/var/lib/mongodb']"], 4),
        ("registry.example.com:5000/library/mongo:7", ["volumes: ['data:/data']"], 4),
        ("postgres:15", ["volumes: ['data:/var/lib/postgresql']"], 4),
        ("postgres:15-alpine", ["volumes: ['data:/var/lib/postgres/data']"], 4),
        ("postgres:18", ["volumes: ['data:/var/lib/postgresql/data']"], 4),
        ("pgvector/pgvector:pg16", ["volumes: ['./pg:/var/lib/postgresql']"], 4),
        ("postgres:15", ["environment: {PGDATA: /pg/data}", "volumes: ['data:/var/lib/postgresql/data']"], 5),
        ("mysql:8", ["volumes: ['data:/var/lib']"], 4),
        ("mariadb:11", ["volumes: ['data:/mysql']"], 4),
        ("redis:7", ["volumes: ['data:/var/lib/redis']"], 4),
        ("qdrant/qdrant:v1.15.4", ["volumes: ['data:/qdrant/data']"], 4),
        ("elasticsearch:8.8.0", ["volumes: ['data:/var/lib/elasticsearch']"], 4),
        ("chromadb/chroma:1.0.0", ["volumes: ['data:/index']"], 4),
        ("grafana/grafana:11.0.0", ["volumes: ['data:/grafana']"], 4),
        ("prom/prometheus:v3", ["volumes: ['./prometheus.yml:/etc/prometheus/prometheus.yml:ro', 'data:/data']"], 4),
        ("confluentinc/cp-zookeeper:7.6.0", ["volumes: ['data:/var/lib/zookeeper']"], 4),
    ],
)  # fmt: skip
@pytest.mark.parametrize("facts", [Facts(), REAL], ids=["", "images"])
def test_a_volume_beside_the_data(tmp_path: Path, image: str, lines: list[str], line: int, facts: Facts) -> None:
    told_ = found(model(tmp_path, service(image, *lines), facts=facts), "mount-beside-data")
    assert told_ and {(one.place.file, one.place.line, one.service) for one in told_} == {("compose.yml", line, "db")}


@pytest.mark.parametrize(
    "image, lines",
    [
        ("mongo:7", ["volumes: ['data:/data/db']"]),
        ("mongo:7", ["volumes: ['data:/data/db/']", "tmpfs: [/data/configdb]"]),
        ("mongo:7", ["command: [mongod, --dbpath, /srv/mongo]", "volumes: ['data:/srv/mongo']"]),
        ("postgres:15", ["volumes: ['data:/var/lib/postgresql/data', './init:/docker-entrypoint-initdb.d:ro']"]),
        ("postgres:18", ["volumes: ['data:/var/lib/postgresql']"]),
        ("postgres", ["volumes: ['data:/var/lib/postgresql']"]),
        ("postgres", ["volumes: ['data:/var/lib/postgresql/data']"]),
        ("postgres:15", ["environment: [PGDATA=/var/lib/postgresql/data/pg]", "volumes: ['data:/var/lib/postgresql/data']"]),
        ("postgres:15", ["environment: {PGDATA: /pg/data}", "volumes: ['data:/pg']"]),
        ("postgres:15", ["volumes: ['data:/var/lib/postgresql/data', './backups:/backups', 'more:/backups2']"]),
        ("timescale/timescaledb:2.14.2-pg16", ["volumes: ['data:/var/lib/postgresql/data']"]),
        ("timescale/timescaledb-ha:pg16", ["volumes: ['data:/home/postgres/pgdata/data']"]),
        ("mysql:8", ["volumes: [{type: bind, source: /srv/mysql, target: /var/lib/mysql}]"]),
        ("bitnami/postgresql:16", ["volumes: ['data:/bitnami/postgresql']"]),
        ("bitnami/redis:7", ["volumes: ['data:/bitnami/redis/data']"]),
        ("redis:7", []),
        ("redis:7", ["volumes: ['./redis.conf:/usr/local/etc/redis/redis.conf:ro']"]),
        ("redis:7", ["volumes: ['conf:/usr/local/etc/redis']"]),
        ("redis:7", ["command: redis-server --dir /srv/redis", "volumes: ['data:/srv/redis']"]),
        ("qdrant/qdrant:v1.15.4", ["volumes: ['data:/qdrant/storage']"]),
        ("chromadb/chroma:0.5.0", ["volumes: ['data:/chroma/chroma']"]),
        ("chromadb/chroma:1.0.0", ["volumes: ['data:/data']"]),
        ("elasticsearch:8.8.0", ["volumes: ['data:/usr/share/elasticsearch/data', 'more:/usr/share/elasticsearch/plugins']"]),
        ("grafana/grafana:11.0.0", ["volumes: ['./provisioning:/etc/grafana/provisioning:ro']"]),
        ("prom/prometheus:v3", ["command: [--storage.tsdb.path=/tsdb]", "volumes: ['data:/tsdb']"]),
        ("postgrest/postgrest:v12", ["volumes: ['conf:/etc/x', 'data:/data']"]),
        ("prometheuscommunity/postgres-exporter", ["volumes: ['data:/data']"]),
        ("kartoza/postgis:16", ["volumes: ['data:/var/lib/postgresql']"]),
        ("crunchydata/crunchy-postgres:16", ["volumes: ['data:/pgdata']"]),
        ("shop-api", ["volumes: ['data:/srv/data']"]),
        ("shop-redis-worker", ["build: .", "volumes: ['data:/srv/data']"]),
        ("postgres:15", ["command: sh -c 'while true; do pg_dump -h postgres app; sleep 3600; done'", "volumes: ['./b:/b']"]),
        ("mongo:7", ["command: [mongosh, --host, other, --eval, 'rs.initiate()']"]),
        ("postgres:15", ["deploy: {replicas: 0}", "volumes: ['data:/wrong']"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("facts", [Facts(), REAL], ids=["", "images"])
def test_data_that_are_kept(tmp_path: Path, image: str, lines: list[str], facts: Facts) -> None:
    assert told(model(tmp_path, service(image, *lines), facts=facts), "loses data") == []


def test_the_image_itself_says_where_its_volumes_are(tmp_path: Path) -> None:
    """Of an image that no table has; what a package manager fills is worth nothing."""
    text = "services:\n  web:\n    build: .\n    volumes: ['data:/srv/app']" + VOLUMES
    (one,) = found(model(tmp_path, text, facts=REAL), "mount-beside-data")
    assert "/srv/app/uploads" in one.what and one.place.line == 4
    assert told(model(tmp_path, text), "loses data") == []
    (one,) = found(model(tmp_path, text.replace("data:/srv/app", "data:/other"), facts=REAL), "unnamed-volume")
    assert "/srv/app/uploads" in one.what
    kept = text.replace("'data:/srv/app'", "'data:/srv/app', 'more:/srv/app/uploads'")
    assert told(model(tmp_path, kept, facts=REAL), "loses data") == []


def test_a_database_that_is_built_here_is_known_by_its_image(tmp_path: Path) -> None:
    text = "services:\n  postgres:\n    build: .\n    volumes: ['data:/var/lib/postgresql']" + VOLUMES
    real = Facts(images={"shop-postgres": ImageFacts(volumes=("/var/lib/postgresql/data",))})
    assert len(found(model(tmp_path, text, facts=real), "mount-beside-data")) == 1
    assert found(model(tmp_path, text), "mount-beside-data") == []


@pytest.mark.parametrize(
    "image, lines, line",
    [
        ("mongo:7", [], 2),
        ("postgres:15", ["volumes: ['./dump:/docker-entrypoint-initdb.d']"], 2),
        ("postgres:15", ["volumes:", "  - /var/lib/postgresql/data"], 5),
        ("mysql:8", ["volumes: ['./my.cnf:/etc/mysql/my.cnf:ro']"], 2),
        ("qdrant/qdrant:v1", [], 2),
        ("redis:7", ["volumes: [/data]"], 4),
        ("rabbitmq:3-management", [], 2),
    ],
)  # fmt: skip
def test_a_database_without_a_volume(tmp_path: Path, image: str, lines: list[str], line: int) -> None:
    seen = model(tmp_path, service(image, *lines))
    assert told(seen, "loses data") == [("anonymous-volume", "db", line)]


def test_a_database_in_memory(tmp_path: Path) -> None:
    for lines, line in (
        (["tmpfs: /var/lib/postgresql/data"], 4),
        (["tmpfs: ['/var/lib/postgresql:size=1g,mode=0700', /run]", "volumes: ['data:/backups']"], None),
        (["volumes: [{type: tmpfs, target: /var/lib/postgresql/data}]"], 4),
    ):
        told_ = told(model(tmp_path, service("postgres:15", *lines)), "loses data")
        assert told_ == ([("database-on-tmpfs", "db", line)] if line else [("anonymous-volume", "db", 2)]), lines
    driver = service("postgres:15", "volumes: ['data:/var/lib/postgresql/data']").replace(
        "data: ,", "data: {driver_opts: {type: tmpfs, device: tmpfs}},"
    )
    assert told(model(tmp_path, driver), "loses data") == [("database-on-tmpfs", "db", 4)]
    assert told(model(tmp_path, service("redis:7", "tmpfs: /data")), "loses data") == [], "a cache may be"
    for_tests = service("postgres:15", "tmpfs: /var/lib/postgresql/data").replace("  db:", "  db-test:")
    assert told(model(tmp_path, for_tests), "loses data") == [], "its name says that nobody needs the data"
    server = service("postgres:15", "command: postgres -c shared_buffers=1GB -c log_destination=tail")
    assert told(model(tmp_path, server), "loses data") == [("anonymous-volume", "db", 2)]


def test_files_that_are_mounted_alone(tmp_path: Path) -> None:
    text = """services:
  web:
    image: nginx:1
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
      - ./conf.d:/etc/nginx/conf.d:ro
      - /var/run/docker.sock:/var/run/docker.sock
      - ./app.sqlite3:/srv/app.sqlite3
      - ./names.db:/srv/names.db:ro
"""
    seen = model(tmp_path, text)
    assert [one.place.line for one in found(seen, "file-mount")] == [5]
    assert [one.place.line for one in found(seen, "sqlite-file-mount")] == [8]
    first = "services:\n  db:\n    image: postgres:15\n    volumes: ['data:/var/lib/postgresql/data', './a.json:/docker-entrypoint-initdb.d/a.json']"
    assert found(model(tmp_path, first + VOLUMES), "file-mount") == []


def test_two_servers_on_one_volume(tmp_path: Path) -> None:
    two = """services:
  blue: {image: 'mongo:7', volumes: ['data:/data/db']}
  green: {image: 'mongo:7', volumes: ['data:/data/db']}
  backup: {image: 'busybox:1', volumes: ['data:/data:ro']}
  reader: {image: 'busybox:1', volumes: ['data:/data']}
"""
    seen = model(tmp_path, two + VOLUMES)
    assert [(one.service, one.place.line) for one in found(seen, "volume-of-two")] == [("green", 3)]
    assert [(one.service, one.place.line) for one in found(seen, "data-volume-writable")] == [("reader", 5)]
    many = service("postgres:15", "deploy: {replicas: 3}", "volumes: ['data:/var/lib/postgresql/data']")
    assert told(model(tmp_path, many), "loses data") == [("volume-of-two", "db", 5)]
    shared = """services:
  api: {build: ., image: api, volumes: ['data:/srv/data', './uploads:/srv/uploads']}
  worker: {image: api, volumes: ['data:/srv/data', './uploads:/srv/uploads']}
  one: {image: 'mongo:7', volumes: ['data:/data/db']}
  two: {image: 'mongo:7', volumes: ['more:/data/db']}
"""
    assert told(model(tmp_path, shared.replace("data:/srv", "conf:/srv") + VOLUMES), "loses data") == []


CELERY = "\n  worker: {image: app, command: 'celery -A app worker', environment: {BROKER_URL: 'redis://db:6379/0'}}"


@pytest.mark.parametrize(
    "lines, others, wanted",
    [
        (["volumes: ['data:/data']"], CELERY, 0),
        ([], CELERY, 1),
        (["tmpfs: [/data]"], CELERY, 1),
        (["volumes: ['data:/data']", "command: redis-server --save '' "], CELERY, 1),
        (["volumes: ['data:/data']", "command: ['redis-server', '--save', '', '--appendonly', 'no']"], CELERY, 1),
        (["volumes: ['data:/data']", "command: redis-server --save '' --appendonly yes"], CELERY, 0),
        (["volumes: ['data:/data']", "command: redis-server --save 60 1 --maxmemory 1g"], CELERY, 0),
        (["volumes: ['data:/data']", "command: redis-server --maxmemory 1g --maxmemory-policy allkeys-lru"], CELERY, 1),
        (["volumes: ['data:/data']", "command: redis-server --maxmemory-policy volatile-lru"], CELERY, 0),
        ([], "", 0),
        (["command: redis-server --maxmemory-policy allkeys-lru --save ''"], "", 0),
        ([], "\n  api: {image: app, environment: {REDIS_URL: 'redis://db', CACHE_URL: 'redis://db/1'}}", 0),
        ([], "\n  api: {image: app, environment: {SESSION_REDIS: 'redis://db'}}", 1),
        ([], "\n  api: {image: app, environment: {QUEUE_HOST: db}}", 1),
        (["command: redis-server --appendonly yes"], "", 1),
        (["command: redis-server --appendonly yes --maxmemory-policy allkeys-lru", "volumes: ['data:/data']"], "", 0),
        (["command: redis-server --maxmemory-policy noeviction"], "", 1),
        ([], "\n  queue: {image: 'redis:7', volumes: ['more:/data']}" + CELERY.replace("//db", "//queue"), 0),
        ([], "\n  queue: {image: 'redis:7'}" + CELERY.replace("//db", "//queue"), 1),
    ],
)  # fmt: skip
def test_redis_as_more_than_a_cache(tmp_path: Path, lines: list[str], others: str, wanted: int) -> None:
    text = service("redis:7", *lines).replace(VOLUMES, others + VOLUMES)
    assert [rule for rule, _, _ in told(model(tmp_path, text), "loses data")] == ["redis-not-kept"] * wanted


def test_what_to_mount_is_the_volume_of_the_image(tmp_path: Path) -> None:
    """Of PostgreSQL 18 a folder above the data."""
    text = service("postgres:18", "volumes: ['/mnt/pg:/var/lib/postgresql/data']")
    (one,) = found(model(tmp_path, text), "mount-beside-data")
    assert one.fix.endswith("  - /mnt/pg:/var/lib/postgresql")
    (one,) = found(model(tmp_path, service("mongo:7", "volumes: ['./my data:/data']")), "mount-beside-data")
    assert one.fix.endswith("  - ./my data:/data/db")
