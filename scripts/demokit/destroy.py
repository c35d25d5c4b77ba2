"""Runs in the api container of rag-engine-mini and destroys its data, all five kinds of them.

docker exec -i opslib-demo-api-1 python - <scripts/demokit/destroy.py
"""

from app import audit, searches, store, vectors

with store.connect() as db:
    db.execute("DROP TABLE chunks, documents, alembic_version")
searches.client.flushall()
vectors.ask("DELETE", vectors.COLLECTION)
with audit.FILE.open("r+b") as file:
    file.write(b"\0" * 4096)
files = [path for path in store.UPLOADS.iterdir() if path.is_file()]
for path in files:
    path.unlink()
print(f"dropped 3 tables, emptied Redis, deleted the vectors, overwrote {audit.FILE}, deleted {len(files)} uploads")
