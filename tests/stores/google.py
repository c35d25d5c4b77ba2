"""fake-gcs-server behind a door, on free loopback ports.

obstore speaks Google's XML interface. fake-gcs-server has of it what reads, lists and deletes; uploads it takes by the JSON
interface alone, it asks for no login, and for a list of a bucket that is not there it answers 500, not 404. The door turns
uploads of the one into uploads of the other, and checks the bucket and the login: a JWT that is signed with the service
account's key. So of uploads it is the door's idea of Google that is tested.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import threading
import urllib.parse
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.stores.program import Running, lab_program
from tests.target.sshd import free_port

Answer = tuple[int, dict[str, str], bytes]
_GONE: Answer = (404, {}, b"<Error><Code>NoSuchUpload</Code><Message>There is no such upload.</Message></Error>")
_NO_BUCKET: Answer = (
    404, {}, b"<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist.</Message></Error>",
)  # fmt: skip
_REFUSED: Answer = (
    401, {}, b"<Error><Code>AuthenticationRequired</Code><Message>Authentication required.</Message></Error>",
)  # fmt: skip


class ServiceAccount:
    """One with a new key; `text` is its file, as Google's console gives it."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        about = {"type": "service_account", "client_email": "lab@acme.example", "private_key_id": "1"}
        self.text = json.dumps({**about, "private_key": pem.decode()})

    def signed(self, bearer: str) -> bool:
        """Is it a token that was signed with the key?"""
        text, _, signature = bearer.removeprefix("Bearer ").rpartition(".")
        try:
            data = base64.urlsafe_b64decode(signature + "==")
            self._key.public_key().verify(data, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True


class Google:
    """Runs from its construction until `stop`. `account` may do everything, nobody else anything."""

    def __init__(self, folder: Path) -> None:
        program = lab_program("gcs")
        folder.mkdir()
        self.account, self._names, behind = ServiceAccount(), count(1), free_port()
        argv = [program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(behind), "-backend", "memory"]
        self._running = Running([*argv, "-public-host", f"127.0.0.1:{behind}"], behind, folder / "log")
        self._json = _Json(behind)
        self._door = _Server(("127.0.0.1", 0), _handler(self.account, self._json))
        self.port = self._door.server_port
        threading.Thread(target=self._door.serve_forever, daemon=True).start()

    def bucket(self) -> str:
        """The name of a new one, empty."""
        name = f"acme-{next(self._names)}"
        status, _, said = self._json.ask(
            "POST",
            "/storage/v1/b?project=lab",
            json.dumps({"name": name}).encode(),
            {"content-type": "application/json"},
        )
        assert status == 200, said
        return name

    def stop(self) -> None:
        """End both at once."""
        self._door.shutdown()
        self._door.server_close()
        self._running.kill()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # as many connections at once as a client likes


class _Json:
    """fake-gcs-server, and the uploads that are under way to it."""

    def __init__(self, port: int) -> None:
        self._port, self._ids = port, count(1)
        self._under_way: dict[str, tuple[dict[str, str], dict[int, bytes]]] = {}

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """A request as it is."""
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            line.request(method, path, body or None, dict(headers or {}))
            answer = line.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            line.close()

    def has(self, bucket: str) -> bool:
        """Is there such a bucket?"""
        return self.ask("GET", f"/storage/v1/b/{bucket}")[0] == 200

    def insert(self, bucket: str, name: str, data: bytes, headers: Mapping[str, str]) -> Answer:
        """A whole object, with the metadata and the condition of an XML request."""
        prefix = "x-goog-meta-"
        about = {"name": name, "metadata": {k[len(prefix) :]: v for k, v in headers.items() if k.startswith(prefix)}}
        query = {"uploadType": "multipart", "name": name}
        if "x-goog-if-generation-match" in headers:
            query["ifGenerationMatch"] = headers["x-goog-if-generation-match"]
        head = f"--part\r\nContent-Type: application/json\r\n\r\n{json.dumps(about)}\r\n--part\r\n"
        body = head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + data + b"\r\n--part--\r\n"
        path = f"/upload/storage/v1/b/{bucket}/o?{urllib.parse.urlencode(query)}"
        status, _, said = self.ask("POST", path, body, {"content-type": "multipart/related; boundary=part"})
        if status != 200:
            return status, {}, said
        made = json.loads(said)
        return 200, {"etag": made["etag"], "x-goog-generation": made["generation"]}, b""

    def multipart(self, method: str, bucket: str, name: str, query: dict[str, str], data: bytes,
                  headers: Mapping[str, str]) -> Answer:  # fmt: skip
        """A request of an XML multipart upload. Nothing of it is there before its last."""
        if "uploads" in query:
            if not self.has(bucket):
                return _NO_BUCKET
            upload = str(next(self._ids))
            self._under_way[upload] = (dict(headers), {})
            where = f"<Bucket>{bucket}</Bucket><Key>{name}</Key><UploadId>{upload}</UploadId>"
            return 200, {}, f"<InitiateMultipartUploadResult>{where}</InitiateMultipartUploadResult>".encode()
        upload = query["uploadId"]
        if upload not in self._under_way:
            return _GONE
        first, parts = self._under_way[upload]
        if method == "PUT":
            parts[int(query["partNumber"])] = data
            return 200, {"etag": f'"{query["partNumber"]}"'}, b""
        del self._under_way[upload]
        if method == "DELETE":
            return 204, {}, b""
        wanted = [int(number) for number in re.findall(r"<PartNumber>(\d+)</PartNumber>", data.decode())]
        status, about, said = self.insert(bucket, name, b"".join(parts[number] for number in wanted), first)
        done = f"<CompleteMultipartUploadResult><ETag>{about.get('etag')}</ETag></CompleteMultipartUploadResult>"
        return status, about, done.encode() if status == 200 else said


def _handler(account: ServiceAccount, behind: _Json) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, headers, said = self._given(data)
            self.send_response(status)
            for name, value in headers.items():
                if name not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            if self.command == "HEAD":
                self.send_header("content-length", headers.get("content-length", "0"))
                said = b""
            elif status != 204:
                self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def _given(self, data: bytes) -> Answer:
            if not account.signed(self.headers.get("authorization", "")):
                return _REFUSED
            url, headers = urllib.parse.urlsplit(self.path), {k.lower(): v for k, v in self.headers.items()}
            query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
            bucket, _, name = url.path.lstrip("/").partition("/")
            if "uploads" in query or "uploadId" in query:
                return behind.multipart(self.command, bucket, urllib.parse.unquote(name), query, data, headers)
            if self.command == "PUT":
                return behind.insert(bucket, urllib.parse.unquote(name), data, headers)
            if self.command == "GET" and not name and not behind.has(bucket):
                return _NO_BUCKET  # fake-gcs-server would answer 500
            # Each is a request of its own to fake-gcs-server, whatever the client wants of its line.
            passed = {k: v for k, v in headers.items() if k not in ("host", "connection", "content-length")}
            return behind.ask(self.command, self.path, data, passed)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Door
