"""A person's own way with Qdrant: `qdrant_client.py CONTAINER fill SIZE | dump FILE | load FILE | wait`."""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DIMENSIONS = 128
POINT = DIMENSIONS * 4 + 100  # bytes, as numbers of 4 bytes and a payload
BATCH = 500
CHUNK = 1 << 20
COLLECTION = "/collections/bench"


def main(container: str, what: str, more: str = "") -> None:
    find = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    address = subprocess.run(
        ["docker", "inspect", "-f", find, container], capture_output=True, text=True, check=True
    ).stdout.strip()
    server = http.client.HTTPConnection(address, 6333, timeout=3600)
    if what == "fill":
        fill(server, int(more) // POINT)
    elif what == "dump":
        dump(server, Path(more))
    elif what == "load":
        load(server, Path(more))
    else:
        wait(server)


def ask(server: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> Any:
    server.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    answer = server.getresponse()
    said = answer.read()
    if answer.status >= 400:
        sys.exit(f"{method} {path}: {answer.status} {said[:500]!r}")
    return json.loads(said)["result"]


def fill(server: http.client.HTTPConnection, count: int) -> None:
    chance = random.Random(1)
    ask(server, "PUT", COLLECTION, {"vectors": {"size": DIMENSIONS, "distance": "Cosine"}})
    for start in range(0, count, BATCH):
        points = [
            {
                "id": number,
                "vector": [round(chance.uniform(-1, 1), 6) for _ in range(DIMENSIONS)],
                "payload": {"document": number // 7, "title": f"Note {number // 7:06}", "kind": number % 5},
            }
            for number in range(start, min(start + BATCH, count))
        ]
        ask(server, "PUT", f"{COLLECTION}/points?wait=true", {"points": points})


def dump(server: http.client.HTTPConnection, file: Path) -> None:
    made = ask(server, "POST", f"{COLLECTION}/snapshots?wait=true")["name"]
    server.request("GET", f"{COLLECTION}/snapshots/{made}")
    answer = server.getresponse()
    with file.open("wb") as out:
        while data := answer.read(CHUNK):
            out.write(data)
    ask(server, "DELETE", f"{COLLECTION}/snapshots/{made}")


def load(server: http.client.HTTPConnection, file: Path) -> None:
    head = b'--bench\r\nContent-Disposition: form-data; name="snapshot"; filename="bench"\r\n\r\n'
    tail = b"\r\n--bench--\r\n"

    def form() -> Iterator[bytes]:
        yield head
        with file.open("rb") as data:
            while chunk := data.read(CHUNK):
                yield chunk
        yield tail

    length = len(head) + file.stat().st_size + len(tail)
    headers = {"Content-Type": "multipart/form-data; boundary=bench", "Content-Length": str(length)}
    server.request("POST", f"{COLLECTION}/snapshots/upload?wait=true&priority=snapshot", form(), headers)
    answer = server.getresponse()
    if answer.status >= 400:
        sys.exit(f"upload: {answer.status} {answer.read(500)!r}")


def wait(server: http.client.HTTPConnection) -> None:
    """Until the collection is there again."""
    give_up = time.monotonic() + 60
    while True:
        try:
            server.request("GET", COLLECTION)
            answer = server.getresponse()
            answer.read()
            if answer.status == 200:
                return
        except OSError:
            if time.monotonic() > give_up:
                raise
        server.close()
        time.sleep(0.05)


main(*sys.argv[1:])
