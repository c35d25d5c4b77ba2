"""Databases that opslib has no dump for yet: recognised so that nobody believes them backed up."""

from __future__ import annotations

import re
from collections.abc import Iterable

_IMAGES = re.compile(
    r"(?:^|[/_-])(mongo|mysql|mariadb|percona|kafka|redpanda|zookeeper|qdrant|elasticsearch|opensearch|chroma|rabbitmq"
    r"|influxdb|clickhouse|cassandra|scylla|couchdb|couchbase|neo4j|milvus|weaviate|etcd|cockroach|mssql|arangodb"
    r"|meilisearch|typesense|nats|timescaledb-ha)(?:[-_/:@]|db|dockerhub|-server|$)"
)
_PROCESSES = {
    "mongod": "mongo", "mysqld": "mysql", "mariadbd": "mariadb", "beam.smp": "rabbitmq", "qdrant": "qdrant",
    "influxd": "influxdb", "etcd": "etcd", "neo4j": "neo4j", "weaviate": "weaviate", "milvus": "milvus",
    "meilisearch": "meilisearch", "nats-server": "nats",
}  # fmt: skip

MARKERS = {
    "PG_VERSION": "postgres", "appendonlydir": "redis", "dump.rdb": "redis", "appendonly.aof": "redis",
    "WiredTiger": "mongo", "ibdata1": "mysql", "meta.properties": "kafka", "raft_state.json": "qdrant",
    "chroma.sqlite3": "chroma",
}  # fmt: skip
"""Names in a data folder, or one or two levels below, that tell whose it is."""

_TOOLS = re.compile(r"exporter|express|admin|commander|insight|backup|bouncer|[-_]ui\b|manager|connect")


def recognise(image: str, processes: Iterable[str]) -> str:
    """The database's name by its image or its processes, "" for anything else."""
    for process in processes:
        if process in _PROCESSES:
            return _PROCESSES[process]
        if process.startswith("clickhouse"):
            return "clickhouse"
    name = image.rsplit("@", 1)[0].lower()
    found = _IMAGES.search(name)
    return found[1] if found and not _TOOLS.search(name) else ""


def looks_like(image: str, kind: str) -> bool:
    """Whether a container that does not run is one of ours, by its image: it cannot be looked into."""
    words = {"postgres": r"postgres|postgis|pgvector|timescale", "redis": r"redis|valkey"}[kind]
    name = image.rsplit("@", 1)[0].rsplit("/", 1)[-1].split(":")[0].lower()
    return bool(re.search(words, name)) and not _TOOLS.search(name)
