"""Speaks HTTP with Qdrant from a container beside the server's, which has no program for it, and reads snapshots.

Run as `python3 -c TEXT WHAT …` with nothing but the standard library; the key is in QDRANT_API_KEY. COLLECTION is the
path of one, `/collections/NAME`, quoted as in an address.

    ready PORT                        succeeds when the server answers
    ask PORT                          requests on standard input, a JSON [method, path, body] a line; an answer a line
    snapshot PORT COLLECTION NOTES    a new snapshot on standard output, what is in it on descriptor 4; once it is made
                                      it says `begun` on descriptor 9
    upload PORT COLLECTION [SHA256]   the snapshot on standard input takes the collection's place
    read [SHA256]                     a snapshot on standard input is read to its end
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import sys
import tarfile
import uuid
from collections.abc import Callable, Iterator
from typing import IO, Any
from urllib.parse import quote

CHUNK = 1 << 20
ANSWER = 60.0  # seconds
LONG = 24 * 3600.0  # seconds that a snapshot may take, made or put back
TRIES = 3  # snapshots that are made until nobody wrote meanwhile


class Refused(Exception):
    """What the server said instead."""


def answer(port: str, method: str, path: str, body: Any = None, wait: float = ANSWER) -> tuple[int, Any]:
    """The status, and the result or what went wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=wait)
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if data else {}
    connection.request(method, path, data, {**headers, **_key()})
    found = _read(connection.getresponse())
    connection.close()
    return found


def call(port: str, method: str, path: str, body: Any = None, wait: float = ANSWER) -> Any:
    """The result; raises Refused."""
    status, result = answer(port, method, path, body, wait)
    if status >= 400:
        raise Refused(f"{method} {path}: {status} {result}")
    return result


def _key() -> dict[str, str]:
    key = os.environ.get("QDRANT_API_KEY")
    return {"api-key": key} if key else {}


def _read(found: http.client.HTTPResponse) -> tuple[int, Any]:
    text = found.read().decode(errors="replace")
    try:
        said = json.loads(text)
    except ValueError:
        said = text.strip()
    if found.status < 400:
        return found.status, said.get("result", said) if isinstance(said, dict) else said
    status = said.get("status") if isinstance(said, dict) else said
    return found.status, status.get("error") if isinstance(status, dict) else status


def ready(port: str) -> None:
    """Raises Refused where it still starts. Servers before 1.5 know no such path, and answer that."""
    status, said = answer(port, "GET", "/readyz")
    if status >= 500:
        raise Refused(f"{status} {said}")


def ask(port: str) -> None:
    """Answers in the order of the requests: {"status", "result"}, or {"status", "error"}."""
    for line in sys.stdin:
        method, path, *body = json.loads(line)
        status, result = answer(port, method, path, body[0] if body else None, LONG)
        print(json.dumps({"status": status, "error" if status >= 400 else "result": result}))


# -- snapshots


def snapshot(port: str, collection: str, notes: str) -> None:
    """Make one, send it on while its digest is compared, and delete it, also after a failure. The points are counted
    before and after: where they differ somebody writes, and another one is made. `notes` is a file that outlives this
    program when it is killed: the snapshots of that are deleted the next time."""
    forget(port, notes)
    try:
        for left in reversed(range(TRIES)):
            before = points(port, collection)
            made = call(port, "POST", f"{collection}/snapshots?wait=true", wait=LONG)
            path = f"{collection}/snapshots/{quote(made['name'], safe='')}"
            with open(notes, "a") as file:
                file.write(f"{path}\n")
            info, after = call(port, "GET", collection), points(port, collection)
            if before == after or not left:
                break
            forget(port, notes)
        aliases = {one["alias_name"]: one["collection_name"] for one in call(port, "GET", "/aliases")["aliases"]}
        os.write(9, b"begun\n")
        digest = download(port, path, made)
    finally:
        forget(port, notes)
    told = {"before": before, "after": after, "sha256": digest, "info": info, "aliases": aliases}
    os.write(4, f"{json.dumps(told)}\n".encode())


def points(port: str, collection: str) -> int:
    """The exact number of points now."""
    return int(call(port, "POST", f"{collection}/points/count", {"exact": True}, LONG)["count"])


def forget(port: str, notes: str) -> None:
    """Delete the snapshots that the notes name. One that cannot be deleted is said, and stays in the notes."""
    if not os.path.exists(notes):
        return
    with open(notes) as file:
        paths, left = file.read().splitlines(), []
    for path in paths:
        try:
            status, said = answer(port, "DELETE", f"{path}?wait=true")
        except (OSError, http.client.HTTPException) as error:
            status, said = 500, str(error)
        if status >= 400 and status != 404:
            left.append(path)
            print(f"{path} is left on the server until the next backup: {said}", file=sys.stderr)
    with open(notes, "w") as file:
        file.writelines(f"{path}\n" for path in left)
    if not left:
        os.unlink(notes)


def download(port: str, path: str, made: dict[str, Any]) -> str:
    """Copy a snapshot to standard output; its SHA-256, which is the one that the server tells where it tells one."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=LONG)
    connection.request("GET", path, headers=_key())
    found = connection.getresponse()
    if found.status != 200:
        raise Refused(f"GET {path}: {found.status} {_read(found)[1]}")
    digest, length = hashlib.sha256(), 0
    while chunk := found.read(CHUNK):
        digest.update(chunk)
        length += len(chunk)
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    if length != int(made.get("size") or length):
        raise Refused(f"the snapshot has {made['size']} bytes, and {length} came")
    if digest.hexdigest() != (made.get("checksum") or digest.hexdigest()).lower():
        raise Refused(f"the snapshot has the SHA-256 {made['checksum']}, and what came has {digest.hexdigest()}")
    return digest.hexdigest()


def upload(port: str, collection: str, checksum: str = "") -> None:
    """Send standard input as a form's file, piece by piece. The server compares the digest before it recovers."""
    boundary = uuid.uuid4().hex
    head = 'Content-Disposition: form-data; name="snapshot"; filename="opslib.snapshot"\r\n'
    head = f"--{boundary}\r\n{head}Content-Type: application/octet-stream\r\n\r\n"

    def form() -> Iterator[bytes]:
        yield head.encode()
        while chunk := sys.stdin.buffer.read(CHUNK):
            yield chunk
        yield f"\r\n--{boundary}--\r\n".encode()

    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=LONG)
    path = f"{collection}/snapshots/upload?wait=true&priority=snapshot" + (f"&checksum={checksum}" if checksum else "")
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Transfer-Encoding": "chunked", **_key()}
    try:
        connection.request("POST", path, form(), headers, encode_chunked=True)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it refused before it had read everything: what it says is there to be read
    status, said = _read(connection.getresponse())
    if status >= 400:
        raise Refused(f"{status} {said}")


class Counted:
    """A stream that is digested while it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.digest = stream, hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.digest.update(data)
        return data


def read(checksum: str = "") -> None:
    """A snapshot is a tar archive."""
    stream = Counted(sys.stdin.buffer)
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as tar:  # type: ignore[call-overload]
            members = sum(1 for _ in tar)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise Refused(f"it is no whole tar archive: {error}") from None
    while stream.read(CHUNK):
        pass
    if not members:
        raise Refused("it is an empty tar archive")
    if checksum and stream.digest.hexdigest() != checksum.lower():
        raise Refused(f"its SHA-256 is {stream.digest.hexdigest()}, and the server said {checksum}")


def main(what: str, *words: str) -> None:
    known: dict[str, Callable[..., None]] = {
        "ready": ready, "ask": ask, "snapshot": snapshot, "upload": upload, "read": read,
    }  # fmt: skip
    try:
        known[what](*words)
    except Refused as error:
        sys.exit(str(error))
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"Qdrant does not answer: {type(error).__name__} {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
