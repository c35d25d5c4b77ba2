"""Just so much of an image registry that the engine here can push to it. Before it sends a layer it asks whether that
is there, so that only new ones are read, where `docker image save` writes the whole image each time."""

from __future__ import annotations

import hashlib
import re
import socket
import socketserver
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType

from opslib.target.transfer import sha256

BLOCK = 256 * 1024
_TLS = b"\x16"  # what the greeting of TLS begins with, which an engine tries first
_UPLOAD = re.compile(r"/v2/[^?]+/blobs/uploads/([0-9a-f]{32})(?:\?|\Z)")


class Receiver:
    """A registry on `port` of the loopback (0: any), as a context manager. `has` says of a blob's digest that it need
    not come; those that do are files in `folder` afterwards, called by the hex digits of their digests, and checked.
    Raises OSError where the port is taken."""

    def __init__(self, port: int, folder: Path, has: Callable[[str], bool]) -> None:
        self.folder, self.has = folder, has
        self.manifests: list[bytes] = []
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.receiver = self
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    receiver: Receiver

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that breaks off is the engine's to notice."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        if self.connection.recv(1, socket.MSG_PEEK) == _TLS:
            self.connection.sendall(b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\n")
            self.connection.recv(BLOCK)  # closed with something unread, the answer might be lost
            return
        super().handle()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self) -> None:
        _, found, digest = self.path.partition("/blobs/")
        there = found and (self._part(digest[7:]).exists() or self.server.receiver.has(digest))
        self._answer(200 if there else 404, {"Docker-Content-Digest": digest} if there else {})

    def do_POST(self) -> None:
        for _ in self._body():
            pass
        self._goes_on(uuid.uuid4().hex)

    def do_PATCH(self) -> None:
        upload = self._upload()
        if upload is not None:
            self._append(upload)
            self._goes_on(upload)

    def do_PUT(self) -> None:
        if "/manifests/" in self.path:
            manifest = b"".join(self._body())
            self.server.receiver.manifests.append(manifest)
            self._answer(201, {"Docker-Content-Digest": f"sha256:{hashlib.sha256(manifest).hexdigest()}"})
            return
        upload = self._upload()
        if upload is None:
            return
        self._append(upload)
        digest = re.sub("(?i)%3a", ":", self.path.partition("digest=")[2].partition("&")[0])
        whole = sha256(self._part(upload))
        if f"sha256:{whole}" != digest:
            self._part(upload).unlink()
            self._answer(400)
            return
        self._part(upload).rename(self._part(whole))
        self._answer(201, {"Docker-Content-Digest": digest})

    def _upload(self) -> str | None:
        found = _UPLOAD.match(self.path)
        if found is None:
            self._answer(404)
        return found and found[1]

    def _part(self, name: str) -> Path:
        return self.server.receiver.folder / name

    def _append(self, upload: str) -> None:
        with open(self._part(upload), "ab") as file:
            file.writelines(self._body())

    def _goes_on(self, upload: str) -> None:
        location = re.sub(r"/uploads/.*", f"/uploads/{upload}", self.path)
        part = self._part(upload)
        last = max(part.stat().st_size - 1, 0) if part.exists() else 0
        self._answer(202, {"Location": location, "Range": f"0-{last}", "Docker-Upload-UUID": upload})

    def _body(self) -> Iterator[bytes]:
        """What the request brings, with a length or in chunks."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield from self._blocks(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            yield from self._blocks(int(self.headers.get("Content-Length") or 0))

    def _blocks(self, left: int) -> Iterator[bytes]:
        while left:
            block = self.rfile.read(min(left, BLOCK))
            if not block:
                raise ConnectionError("the engine went away")
            left -= len(block)
            yield block

    def _answer(self, code: int, headers: Mapping[str, str] = {}) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Length", "0")
        self.end_headers()
