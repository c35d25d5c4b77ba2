#!/usr/bin/python3.11
"""Qdrant of the lab: a stand-in for the server, with those of its REST calls that a small app and a backup need.

No gRPC, no filters, no cluster. QDRANT__SERVICE__API_KEY and QDRANT__SERVICE__HTTP_PORT are honoured.
"""

from __future__ import annotations

import hmac
import http.server
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

sys.path.insert(0, str(Path(__file__).resolve().parent / "lab"))
from store import VERSION, Refused, Store, score

ROOT = Path(__file__).resolve().parent
OPEN = ("/", "/healthz", "/readyz", "/livez")
# What the server adds to a collection that was made with nothing but its vectors.
DEFAULTS = {
    "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000, "max_indexing_threads": 0},
    "optimizer_config": {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "flush_interval_sec": 5},
    "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
    "quantization_config": None,
}
PARAMS = {"shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1, "on_disk_payload": True}
Json = dict[str, Any]
Route = Callable[["Handler", str, str], Any]


def main() -> None:
    if sys.argv[1:] == ["--version"]:
        print(f"qdrant {VERSION}\nThe lab's stand-in; not the Qdrant server.")
        return
    Handler.store = Store(ROOT)
    port = int(os.environ.get("QDRANT__SERVICE__HTTP_PORT") or 6333)
    server = Server(("::", port), Handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    print(f"The lab's stand-in for Qdrant {VERSION} listens on {port}", flush=True)
    server.serve_forever()


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = f"qdrant-lab/{VERSION}"
    timeout = 60
    store: Store

    def do_GET(self) -> None:
        self._began = time.monotonic()
        split = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True))
        self._unread = self.headers.get("Content-Length") not in (None, "0") or "Transfer-Encoding" in self.headers
        try:
            self._allow(split.path)
            for method, pattern, route in ROUTES:
                match = re.fullmatch(pattern, split.path)
                if match and method == self.command:
                    names = [urllib.parse.unquote(one) for one in match.groups()]
                    found = route(self, *[*names, "", ""][:2])
                    if found is not None:
                        self.answer(200, {"result": found, "status": "ok"})
                    return
            raise Refused(404, "")
        except Refused as error:
            self.answer(error.status, {"status": {"error": str(error)}})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.answer(400, {"status": {"error": f"Format error in JSON body: {type(error).__name__} {error}"}})

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def _allow(self, path: str) -> None:
        key = os.environ.get("QDRANT__SERVICE__API_KEY")
        if not key or path in OPEN:
            return
        given = self.headers.get("api-key") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not given:
            raise Refused(401, "Must provide an API key or an Authorization bearer token")
        if not hmac.compare_digest(given.encode(), key.encode()):
            raise Refused(401, "Invalid API key or JWT")

    def answer(self, status: int, body: Json | str) -> None:
        if isinstance(body, dict):
            body["time"] = round(time.monotonic() - self._began, 9)
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self._unread:  # a body that nobody read would be taken for the next request
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def copy_body(self, to: BinaryIO) -> None:
        """The request's body, with its length said beforehand or in chunks."""
        self._unread = False
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self._copy(to, size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            self._copy(to, int(self.headers.get("Content-Length") or 0))

    def _copy(self, to: BinaryIO, size: int) -> None:
        while size:
            data = self.rfile.read(min(size, 1 << 16))
            if not data:
                raise Refused(400, "Bad request: the body ended early")
            to.write(data)
            size -= len(data)

    def body(self) -> Json:
        with tempfile.TemporaryFile() as file:
            self.copy_body(file)
            file.seek(0)
            found = json.loads(file.read() or b"{}")
        if not isinstance(found, dict):
            raise Refused(400, "Format error in JSON body: expected a map")
        return found

    def log_message(self, format: str, *args: Any) -> None:
        print(f"{self.log_date_time_string()} {self.address_string()} {format % args}", flush=True)


def about(handler: Handler, *_: str) -> None:
    said = {"title": "qdrant - vector search engine", "version": VERSION, "commit": "lab-stand-in"}
    handler.answer(200, said)


def health(handler: Handler, *_: str) -> None:
    what = {"/healthz": "healthz check passed", "/livez": "livez check passed"}
    handler.answer(200, what.get(handler.path.partition("?")[0], "all shards are ready"))


def collections(handler: Handler, *_: str) -> Json:
    return {"collections": [{"name": name} for name in handler.store.names()]}


def create(handler: Handler, name: str, _: str) -> bool:
    body = handler.body()
    params = {key: body.get(key, default) for key, default in PARAMS.items()}
    params["vectors"] = body.get("vectors") or {}
    config = {"params": params, **{key: body.get(key) or default for key, default in DEFAULTS.items()}}
    handler.store.create(name, config)
    return True


def describe(handler: Handler, name: str, _: str) -> Json:
    config, indexes = handler.store.config(name)
    count = handler.store.count(name)
    return {
        "status": "green",
        "optimizer_status": "ok",
        "indexed_vectors_count": 0,
        "points_count": count,
        "segments_count": 1,
        "config": config,
        "payload_schema": {
            field: {"data_type": schema["type"] if isinstance(schema, dict) else schema, "points": count}
            for field, schema in indexes.items()
        },
    }


def exists(handler: Handler, name: str, _: str) -> Json:
    try:
        return {"exists": bool(handler.store.real(name))}
    except Refused:
        return {"exists": False}


def changed(does: Callable[[Handler, str, Json], None]) -> Route:
    """A route that changes points or indexes: all of them answer alike, and are done when they answer."""

    def route(handler: Handler, name: str, _: str) -> Json:
        does(handler, name, handler.body())
        return {"operation_id": time.monotonic_ns(), "status": "completed"}

    return route


def _points_of(body: Json) -> list[Json]:
    if "batch" not in body:
        return list(body["points"])
    batch = body["batch"]
    vectors, payloads = batch["vectors"], batch.get("payloads") or [None] * len(batch["ids"])
    if isinstance(vectors, dict):
        vectors = [dict(zip(vectors, one, strict=True)) for one in zip(*vectors.values(), strict=True)]
    return [
        {"id": one, "vector": vector, "payload": payload}
        for one, vector, payload in zip(batch["ids"], vectors, payloads, strict=True)
    ]


def _without_filter(body: Json) -> Json:
    if body.get("filter"):
        raise Refused(400, "Bad request: the lab's stand-in for Qdrant has no filters")
    return body


def _shown(point: Json, body: Json, payload: bool = True) -> Json:
    found = {"id": point["id"]}
    if body.get("with_payload", payload):
        found["payload"] = point["payload"]
    if body.get("with_vector", body.get("with_vectors", False)):
        found["vector"] = point["vector"]
    return found


def scroll(handler: Handler, name: str, _: str) -> Json:
    body = _without_filter(handler.body())
    limit = int(body.get("limit") or 10)
    points = handler.store.points(name, body.get("offset"), limit + 1)
    after = points[limit]["id"] if len(points) > limit else None
    return {"points": [_shown(one, body) for one in points[:limit]], "next_page_offset": after}


def count(handler: Handler, name: str, _: str) -> Json:
    _without_filter(handler.body())
    return {"count": handler.store.count(name)}


def retrieve(handler: Handler, name: str, _: str) -> list[Json]:
    body = handler.body()
    wanted = {str(one) for one in body["ids"]}
    return [_shown(one, body) for one in handler.store.points(name) if str(one["id"]) in wanted]


def point(handler: Handler, name: str, point_id: str) -> Json:
    for one in handler.store.points(name):
        if str(one["id"]) == point_id:
            return one
    raise Refused(404, f"Not found: Point with id {point_id} does not exists!")


def _nearest(handler: Handler, name: str, body: Json, vector: Any, using: str | None) -> list[Json]:
    vectors = handler.store.config(name)[0]["params"]["vectors"]
    distance = (vectors.get(using) if using else vectors)["distance"]
    found = []
    for one in handler.store.points(name):
        mine = one["vector"].get(using) if using else one["vector"]
        if mine:
            found.append({"version": 0, "score": score(distance, vector, mine), **_shown(one, body, payload=False)})
    found.sort(key=lambda one: one["score"], reverse=distance in ("Cosine", "Dot"))
    return found[: int(body.get("limit") or 10)]


def search(handler: Handler, name: str, _: str) -> list[Json]:
    body = _without_filter(handler.body())
    vector = body["vector"]
    if isinstance(vector, dict):
        return _nearest(handler, name, body, vector["vector"], vector["name"])
    return _nearest(handler, name, body, vector, None)


def query(handler: Handler, name: str, _: str) -> Json:
    body = _without_filter(handler.body())
    if not isinstance(body.get("query"), list):
        raise Refused(400, "Bad request: the lab's stand-in for Qdrant takes only a vector as query")
    return {"points": _nearest(handler, name, body, body["query"], body.get("using"))}


def change_aliases(handler: Handler, *_: str) -> bool:
    handler.store.change_aliases(handler.body()["actions"])
    return True


def download(handler: Handler, name: str, snapshot: str) -> None:
    path = handler.store.snapshot_path(name, snapshot)
    with path.open("rb") as file:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/octet-stream")
        handler.send_header("Content-Length", str(path.stat().st_size))
        handler.send_header("Content-Disposition", f'attachment; filename="{path.name}"')
        handler.end_headers()
        shutil.copyfileobj(file, handler.wfile)


def delete_snapshot(handler: Handler, name: str, snapshot: str) -> bool:
    handler.store.delete_snapshot(name, snapshot)
    return True


def upload(handler: Handler, name: str, _: str) -> bool:
    """The `snapshot` field of a multipart form, put in the collection's place."""
    boundary = re.search(r'boundary="?([^";]+)', handler.headers.get("Content-Type", ""))
    _check_priority(handler.query.get("priority"))
    if boundary is None:
        raise Refused(400, "Bad request: Content-Type is not multipart/form-data with a boundary")
    with tempfile.TemporaryDirectory(dir=ROOT / "snapshots") as folder:
        with tempfile.TemporaryFile(dir=folder) as file:
            handler.copy_body(file)
            file.seek(0)
            data = file.read()
        path = Path(folder) / "uploaded"
        path.write_bytes(_field(data, b"--" + boundary[1].encode(), b"snapshot"))
        handler.store.recover(name, path, handler.query.get("checksum"))
    return True


def _field(data: bytes, boundary: bytes, name: bytes) -> bytes:
    """One part's content."""
    start = 0
    while (start := data.find(boundary, start)) >= 0:
        head, found, _ = data[start : start + 4096].partition(b"\r\n\r\n")
        begin = start + len(head) + 4
        end = data.find(b"\r\n" + boundary, begin)
        if found and b'name="' + name + b'"' in head:
            if end < 0:
                raise Refused(400, "Bad request: the form ended early")
            return data[begin:end]
        start = max(end, start + 1)
    raise Refused(400, f"Bad request: Field is required: {name.decode()}")


def recover(handler: Handler, name: str, _: str) -> bool:
    body = handler.body()
    _check_priority(body.get("priority"))
    location = urllib.parse.urlsplit(body["location"])
    if location.scheme == "file":
        path = handler.store.allowed(urllib.parse.unquote(location.path))
        handler.store.recover(name, path, body.get("checksum"))
        return True
    headers = {"api-key": body["api_key"]} if body.get("api_key") else {}
    with tempfile.NamedTemporaryFile(dir=ROOT / "snapshots") as file:
        try:
            request = urllib.request.Request(body["location"], headers=headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                shutil.copyfileobj(answer, file)
        except OSError as error:
            raise Refused(400, f"Bad request: Failed to download snapshot: {error}") from None
        file.flush()
        handler.store.recover(name, Path(file.name), body.get("checksum"))
    return True


def _check_priority(priority: str | None) -> None:
    if priority not in (None, "snapshot", "replica", "no_sync"):
        raise Refused(
            400, f"Bad request: unknown variant `{priority}`, expected one of `no_sync`, `snapshot`, `replica`"
        )


C = r"/collections/([^/]+)"
ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("GET", "/", about),
    ("GET", "/(?:healthz|livez|readyz)", health),
    ("GET", "/collections", collections),
    ("POST", "/collections/aliases", change_aliases),
    ("GET", "/aliases", lambda handler, *_: {"aliases": handler.store.aliases()}),
    ("PUT", C, create),
    ("GET", C, describe),
    ("DELETE", C, lambda handler, name, _: handler.store.delete(name)),
    ("GET", f"{C}/exists", exists),
    ("GET", f"{C}/aliases", lambda handler, name, _: {"aliases": handler.store.aliases(handler.store.real(name))}),
    ("PUT", f"{C}/index", changed(lambda h, name, body: h.store.index(name, body["field_name"], body["field_schema"]))),
    ("DELETE", f"{C}/index/([^/]+)", lambda handler, name, field: not handler.store.index(name, field, None)),
    ("PUT", f"{C}/points", changed(lambda handler, name, body: handler.store.put(name, _points_of(body)))),
    ("POST", f"{C}/points/delete", changed(lambda handler, name, body: handler.store.remove(name, body["points"]))),
    ("POST", f"{C}/points/scroll", scroll),
    ("POST", f"{C}/points/count", count),
    ("POST", f"{C}/points/search", search),
    ("POST", f"{C}/points/query", query),
    ("POST", f"{C}/points", retrieve),
    ("GET", f"{C}/points/([^/]+)", point),
    ("POST", f"{C}/snapshots", lambda handler, name, _: handler.store.snapshot(name)),
    ("GET", f"{C}/snapshots", lambda handler, name, _: handler.store.snapshots(name)),
    ("POST", f"{C}/snapshots/upload", upload),
    ("PUT", f"{C}/snapshots/recover", recover),
    ("GET", f"{C}/snapshots/([^/]+)", download),
    ("DELETE", f"{C}/snapshots/([^/]+)", delete_snapshot),
)

if __name__ == "__main__":
    main()
