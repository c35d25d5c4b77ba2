"""What is known of widely used images where the image itself is not there to be looked at: where they keep data, on
which port they listen, how they are asked for their health. Which image is which database is `opslib.engines`' own
knowledge.

Sources: the images' Dockerfiles and pages on Docker Hub, November 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from opslib.engines import others
from opslib.engines.known import stopped_kind
from opslib.images.info import of_registry, split_name

_NO_DATABASE = re.compile(
    r"kartoza|postgrest|postgres-meta|pgpool|pgcat|redis-?stat|sentinel|stat[-_]|proxy|operator|console"
)
_LABELS = re.compile(r"^(?:docker\.io/|index\.docker\.io/)?(?:library/)?")


@dataclass(frozen=True, slots=True)
class Keeps:
    """Where an image keeps its data: each group of `data` has one folder or several, of which one is used. `volumes`
    are the image's own `VOLUME`s, `by` the variable or the option of its command that moves the data."""

    data: tuple[tuple[str, ...], ...] = ()
    volumes: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


def _at(*folders: str, volume: bool = True, by: tuple[str, ...] = ()) -> Keeps:
    return Keeps(tuple((one,) for one in folders), folders if volume else (), by)


# By the image's name without registry, tag and digest; the first that fits counts.
_DATABASES: tuple[tuple[str, Keeps], ...] = (
    (r"bitnami\w*/postgresql", _at("/bitnami/postgresql/data", volume=False)),
    (r"bitnami\w*/mongodb", _at("/bitnami/mongodb/data/db", volume=False)),
    (r"bitnami\w*/(mysql|mariadb)", Keeps((("/bitnami/mysql/data", "/bitnami/mariadb/data"),))),
    (r"bitnami\w*/(redis|valkey)", Keeps((("/bitnami/redis/data", "/bitnami/valkey/data"),))),
    (r"bitnami\w*/|linuxserver/", Keeps()),
    (r"timescaledb-ha$", _at("/home/postgres/pgdata/data", volume=False, by=("PGDATA",))),
    (r"mongo", Keeps((("/data/db",),), ("/data/db", "/data/configdb"), ("--dbpath",))),
    (r"mysql|mariadb|percona", _at("/var/lib/mysql", by=("--datadir",))),
    (r"redis|valkey", _at("/data", by=("--dir", "dir"))),
    (r"qdrant", _at("/qdrant/storage", volume=False, by=("QDRANT__STORAGE__STORAGE_PATH",))),
    (r"elasticsearch", _at("/usr/share/elasticsearch/data", volume=False, by=("path.data",))),
    (r"opensearch", _at("/usr/share/opensearch/data", volume=False, by=("path.data",))),
    (r"chroma", Keeps((("/data", "/chroma/chroma"),), by=("PERSIST_DIRECTORY", "--path"))),
    (r"cp-(kafka|server)$", _at("/var/lib/kafka/data", by=("KAFKA_LOG_DIRS",))),
    (r"cp-zookeeper$", _at("/var/lib/zookeeper/data", "/var/lib/zookeeper/log")),
    (r"(^|/)zookeeper$", _at("/data", "/datalog", by=("ZOO_DATA_DIR",))),
    (r"rabbitmq", _at("/var/lib/rabbitmq")),
    (r"influxdb", Keeps((("/var/lib/influxdb2", "/var/lib/influxdb", "/var/lib/influxdb3"),),
                        ("/var/lib/influxdb2", "/var/lib/influxdb"))),
    (r"clickhouse", _at("/var/lib/clickhouse")),
    (r"redpanda$", _at("/var/lib/redpanda/data", volume=False)),
    (r"cassandra", _at("/var/lib/cassandra")),
    (r"scylla", _at("/var/lib/scylla")),
    (r"couchdb", _at("/opt/couchdb/data")),
    (r"couchbase", _at("/opt/couchbase/var")),
    (r"(^|/)neo4j$", _at("/data")),
    (r"weaviate", _at("/var/lib/weaviate", volume=False, by=("PERSISTENCE_DATA_PATH",))),
    (r"milvus", _at("/var/lib/milvus", volume=False)),
    (r"mssql|azure-sql-edge", _at("/var/opt/mssql", volume=False)),
    (r"arangodb", _at("/var/lib/arangodb3")),
    (r"meilisearch", _at("/meili_data", volume=False, by=("MEILI_DB_PATH",))),
)  # fmt: skip

# Programs that keep something and are no databases: whoever mounts a volume there wants it kept.
_OTHERS: tuple[tuple[str, Keeps], ...] = (
    (r"(^|/)grafana(-oss|-enterprise)?$", _at("/var/lib/grafana", volume=False, by=("GF_PATHS_DATA",))),
    (r"(^|/)prometheus$", _at("/prometheus", by=("--storage.tsdb.path",))),
    (r"(^|/)alertmanager$", _at("/alertmanager", by=("--storage.path",))),
    (r"(^|/)pgadmin4$", _at("/var/lib/pgadmin")),
    (r"^registry$", _at("/var/lib/registry")),
    (r"^jenkins/", _at("/var/jenkins_home", by=("JENKINS_HOME",))),
    (r"^gitea/gitea$", _at("/data")),
    (r"(^|/)n8n$", _at("/home/node/.n8n", volume=False, by=("N8N_USER_FOLDER",))),
    (r"^vaultwarden/", _at("/data", volume=False, by=("DATA_FOLDER",))),
    (r"^(wordpress|nextcloud)$", _at("/var/www/html")),
    (r"^ghost$", _at("/var/lib/ghost/content")),
    (r"(^|/)uptime-kuma$", _at("/app/data", volume=False)),
    (r"eclipse-mosquitto$", _at("/mosquitto/data")),
)

IDLE = frozenset({"/data/configdb", "/logs", "/var/log", "/etc/kafka/secrets", "/var/lib/kafka/log", "/etc/influxdb2"})
"""`VOLUME`s of known images that hold nothing of value: of a config server of MongoDB, logs, settings."""

PORTS = {
    "postgres": 5432, "mysql": 3306, "mariadb": 3306, "redis": 6379, "mongo": 27017, "qdrant": 6333,
    "elasticsearch": 9200, "opensearch": 9200, "kafka": 9092, "rabbitmq": 5672, "zookeeper": 2181, "chroma": 8000,
    "clickhouse": 8123, "cassandra": 9042, "influxdb": 8086, "couchdb": 5984, "neo4j": 7687, "mssql": 1433,
    "meilisearch": 7700, "weaviate": 8080, "milvus": 19530, "etcd": 2379, "arangodb": 8529, "nats": 4222,
}  # fmt: skip
"""By kind of database, the port that its clients ask."""

SCHEMES = {
    "postgres": 5432, "postgresql": 5432, "mysql": 3306, "mariadb": 3306, "redis": 6379, "rediss": 6379,
    "valkey": 6379, "mongodb": 27017, "amqp": 5672, "amqps": 5671, "clickhouse": 9000, "neo4j": 7687, "bolt": 7687,
    "nats": 4222, "kafka": 9092, "http": 80, "https": 443,
}  # fmt: skip
"""By the first word of a URL, the port where it names none."""

HEALTH = {
    "postgres": """test: ["CMD-SHELL", "pg_isready -q -h 127.0.0.1 -U \\"$$POSTGRES_USER\\""]""",
    "mysql": """test: ["CMD-SHELL", "mysqladmin ping -h 127.0.0.1 --silent"]""",
    "mariadb": """test: ["CMD", "healthcheck.sh", "--connect", "--innodb_initialized"]""",
    "mongo": """test: ["CMD-SHELL", "mongosh --quiet --eval 'db.adminCommand({ping: 1}).ok' | grep -qx 1"]""",
    "redis": """test: ["CMD-SHELL", "redis-cli ping | grep -qx PONG"]""",
    "rabbitmq": """test: ["CMD", "rabbitmq-diagnostics", "-q", "check_running"]""",
    "qdrant": """test: ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/6333"]""",
}
"""By kind of database, a health check with programs that its official image has."""


def plain_name(name: str) -> str:
    """A name without what Docker Hub's own images may have before it."""
    return _LABELS.sub("", name)


def named(image: str) -> str:
    """The image's name as people know it: without registry, tag and digest."""
    path = split_name(plain_name(image.lower()))[0]
    return path.partition("/")[2] if of_registry(path) else path


def database(image: str) -> str:
    """The kind of database that an image is by its name, "" for any other."""
    name = named(image)
    if _NO_DATABASE.search(name):
        return ""
    kind = stopped_kind(name) or others.recognise(name, ())
    return "mariadb" if kind == "mysql" and "mariadb" in name else kind


def keeps(image: str) -> Keeps | None:
    """Where an image keeps data, None for one that nothing is known of."""
    name = named(image)
    if database(image) == "postgres" and re.search(r"(^|/)(postgres|postgis|pgvector|timescaledb)$", name):
        return _postgres(image)
    table = _DATABASES if database(image) else _OTHERS
    return next((one for pattern, one in table if re.search(pattern, name)), None)


def _postgres(image: str) -> Keeps:
    """Of the official image and those made on top of it: from version 18 on the volume is a folder higher, and the data
    are below it by version."""
    tag = image.split("@", 1)[0].rpartition(":")[2] if ":" in image else ""
    found = re.search(r"pg(\d+)", tag) or re.match(r"(\d+)", tag)
    version = int(found[1]) if found else 0
    if version >= 18:
        return Keeps(((f"/var/lib/postgresql/{version}/docker",),), ("/var/lib/postgresql",), ("PGDATA",))
    if version:
        return Keeps((("/var/lib/postgresql/data",),), ("/var/lib/postgresql/data",), ("PGDATA",))
    either = ("/var/lib/postgresql/data", "/var/lib/postgresql/18/docker")
    return Keeps((either,), ("/var/lib/postgresql/data",), ("PGDATA",))
