"""Databases that opslib has no dump for yet: recognised so that nobody believes them backed up."""

from __future__ import annotations

import re
from collections.abc import Iterable

_IMAGES = re.compile(
    r"(?:^|[/_-])(mongo|mysql|mariadb|percona|kafka|redpanda|zookeeper|qdrant|elasticsearch|opensearch|chroma|rabbitmq"
    r"|influxdb|clickhouse|cassandra|scylla|couchdb|couchbase|neo4j|milvus|weaviate|etcd|cockroach|mssql|arangodb"
    r"|meilisearch|typesense|nats|timescaledb-ha)(?:[-_/:@]|db|dockerhub|-server|$)"
)
PROCESSES = {
    "mongod": "mongo", "mysqld": "mysql", "mariadbd": "mariadb", "beam.smp": "rabbitmq",
    "influxd": "influxdb", "etcd": "etcd", "neo4j": "neo4j", "weaviate": "weaviate", "milvus": "milvus",
    "meilisearch": "meilisearch", "nats-server": "nats",
}  # fmt: skip

MARKERS = {
    "meta.properties": "kafka",
    "chroma.sqlite3": "chroma",
}  # fmt: skip
"""Names in a data folder, or one or two levels below, that tell whose it is."""

_TOOLS = re.compile(r"exporter|express|admin|commander|insight|backup|bouncer|[-_]ui\b|manager|connect")


def recognise(image: str, processes: Iterable[str]) -> str:
    """The database's name by its image or its processes, "" for anything else."""
    for process in processes:
        if process in PROCESSES:
            return PROCESSES[process]
        if process.startswith("clickhouse"):
            return "clickhouse"
    name = image.rsplit("@", 1)[0].lower()
    found = _IMAGES.search(name)
    return found[1] if found and not is_tool(name) else ""


def is_tool(name: str) -> bool:
    """Whether an image with a database's name is a tool for it: an exporter, an administration page."""
    return bool(_TOOLS.search(name))
