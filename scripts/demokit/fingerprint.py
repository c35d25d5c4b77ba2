"""Runs in the api container of rag-engine-mini: what every part of its data holds, as one JSON object.

    docker exec -i opslib-demo-api-1 python - <scripts/demokit/fingerprint.py

Each part is the number of its lines and the SHA-256 of all of them: every row of every table, every entry of every key
in Redis but Celery's notes on its workers, every point of every collection in Qdrant with its vector and payload, every
row of the SQLite file, every upload with its owner, mode and digest.
"""

import hashlib
import json
import sqlite3

from app import audit, searches, store, vectors

parts = {}


def part(name, read):
    """Note a part; one that cannot be read is noted too."""
    try:
        lines = sorted(str(line) for line in read())
    except Exception as error:
        parts[name] = {"lines": 0, "error": str(error).strip() or type(error).__name__}
        return
    parts[name] = {"lines": len(lines), "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def postgres(query):
    with store.connect() as db:
        return [row["line"] for row in db.execute(query).fetchall()]


def redis():
    read = {
        "string": lambda key: [searches.client.get(key)],
        "hash": lambda key: searches.client.hgetall(key).items(),
        "list": lambda key: enumerate(searches.client.lrange(key, 0, -1)),
        "set": searches.client.smembers,
        "zset": lambda key: searches.client.zrange(key, 0, -1, withscores=True),
    }
    for key in searches.client.scan_iter():
        # what Celery notes of its running workers changes by itself: names of containers, times, a mutex that expires
        if not key.startswith("_kombu.") and searches.client.ttl(key) == -1:
            yield from (json.dumps([key, entry]) for entry in read[searches.client.type(key)](key))


def collections():
    return sorted(one["name"] for one in vectors.ask("GET", "/collections")["collections"])


def points(collection):
    body = {"limit": 1000, "with_payload": True, "with_vector": True, "offset": None}
    while True:
        page = vectors.ask("POST", f"/collections/{collection}/points/scroll", body)
        yield from (json.dumps(point, sort_keys=True) for point in page["points"])
        if (body := {**body, "offset": page["next_page_offset"]})["offset"] is None:
            return


def settings():
    for name in collections():
        yield json.dumps([name, vectors.ask("GET", f"/collections/{name}")["config"]["params"]], sort_keys=True)


def uploads():
    for path in store.UPLOADS.rglob("*"):
        about = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        yield f"{path} {about.st_uid}:{about.st_gid} {about.st_mode:o} {int(about.st_mtime)} {digest}"


for table in postgres("SELECT tablename AS line FROM pg_tables WHERE schemaname = 'public'"):
    part(f"table {table}", lambda table=table: postgres(f'SELECT t::text AS line FROM "{table}" t'))
part("sequences", lambda: postgres("SELECT sequencename || ' ' || last_value AS line FROM pg_sequences"))
part("indexes", lambda: postgres("SELECT indexdef AS line FROM pg_indexes WHERE schemaname = 'public'"))
part("redis", redis)
part("collections", settings)
for collection in collections():
    part(f"points {collection}", lambda collection=collection: points(collection))
part("sqlite audit.db", lambda: sqlite3.connect(f"file:{audit.FILE}?mode=ro", uri=True).iterdump())
part("uploads", uploads)
print(json.dumps(parts, indent=1))
