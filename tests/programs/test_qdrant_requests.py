"""The program that makes requests of Qdrant, against a local server that answers as Qdrant does."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from opslib.engines import qdrant


def snapshot_of(text: bytes = b"points") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        info = tarfile.TarInfo("0/points")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return file.getvalue()


class Fake:
    """Answers as Qdrant does. `counts` are the points at each count, the last one for ever."""

    def __init__(self) -> None:
        self.data, self.checksum, self.send = snapshot_of(), "", len(snapshot_of())
        self.counts, self.there, self.asked, self.uploaded = [3], set[str](), list[str](), b""
        self.key, self.refuse = "", False
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                fake.answer(self)

            do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,)).start()

    def answer(self, to: Any) -> None:
        self.asked.append(f"{to.command} {to.path}")
        path = to.path.partition("?")[0]
        if to.headers.get("api-key", "") != self.key:
            return self.say(to, 401, b"Invalid API key")
        if path.endswith("/upload"):
            return self.upload(to)
        to.rfile.read(int(to.headers.get("Content-Length") or 0))
        name = f"s{len(self.asked)}.snapshot"
        if path.endswith("/count"):
            return self.result(to, {"count": self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]})
        if path.endswith("/snapshots"):
            self.there.add(name)
            checksum = self.checksum or hashlib.sha256(self.data).hexdigest()
            return self.result(to, {"name": name, "size": len(self.data), "checksum": checksum})
        if "/snapshots/" in path and to.command == "DELETE":
            self.there.discard(path.rsplit("/", 1)[1])
            return self.result(to, True)
        if "/snapshots/" in path:
            return self.say(to, 200, self.data[: self.send], close=self.send < len(self.data))
        if path == "/missing":
            return self.say(to, 404, b'{"status": {"error": "Not found"}}')
        aliases = [{"alias_name": "p", "collection_name": "docs"}]
        return self.result(to, {"aliases": aliases} if path == "/aliases" else {"status": "green"})

    def upload(self, to: Any) -> None:
        if self.refuse:
            to.close_connection = True
            return self.say(to, 400, b'{"status": {"error": "Wrong input: not compatible"}}')
        while size := int(to.rfile.readline(), 16):
            self.uploaded += to.rfile.read(size)
            to.rfile.readline()
        to.rfile.readline()
        return self.result(to, True)

    def result(self, to: Any, what: Any) -> None:
        self.say(to, 200, json.dumps({"result": what, "status": "ok"}).encode())

    def say(self, to: Any, status: int, body: bytes, *, close: bool = False) -> None:
        to.send_response(status)
        to.send_header("Content-Length", str(len(self.data) if close else len(body)))
        to.end_headers()
        to.wfile.write(body)
        to.close_connection |= close


@pytest.fixture
def fake() -> Iterator[Fake]:
    found = Fake()
    yield found
    found.server.shutdown()
    found.server.server_close()


Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def run(fake: Fake, tmp_path: Path) -> Run:
    """Run the program as a container does; descriptor 4 goes to the file `told`, 9 to `now`."""

    def call(what: str, *words: str, feed: bytes = b"", key: str = "") -> subprocess.CompletedProcess[bytes]:
        port = [] if what == "read" else [str(fake.server.server_address[1])]
        program = ["python3", "-c", qdrant.program(), what, *port, *words]
        shell = ["bash", "-c", 'exec 4>"$0/told" 9>"$0/now"; exec "$@"', str(tmp_path), *program]
        env = {"PATH": "/usr/bin:/bin", **({"QDRANT_API_KEY": key} if key else {})}
        return subprocess.run(shell, input=feed, capture_output=True, env=env, timeout=60)

    return call


def test_answers_come_in_order_and_errors_with_the_server_s_words(run: Run, fake: Fake) -> None:
    fake.key = "k é".encode().decode("latin-1")
    feed = b'["GET", "/aliases"]\n["GET", "/missing"]\n["POST", "/x/count", {"exact": true}]\n'
    said = [json.loads(line) for line in run("ask", feed=feed, key=fake.key).stdout.splitlines()]
    assert said[1:] == [{"status": 404, "error": "Not found"}, {"status": 200, "result": {"count": 3}}]
    assert json.loads(run("ask", feed=feed).stdout.splitlines()[0]) == {"status": 401, "error": "Invalid API key"}


def test_a_snapshot_is_copied_and_deleted(run: Run, fake: Fake, tmp_path: Path) -> None:
    made = run("snapshot", "/collections/docs", str(tmp_path / "notes"))
    assert (made.returncode, made.stdout, made.stderr) == (0, fake.data, b"")
    told = json.loads((tmp_path / "told").read_text())
    assert told == {
        "before": 3, "after": 3, "sha256": hashlib.sha256(fake.data).hexdigest(), "info": {"status": "green"},
        "aliases": {"p": "docs"},
    }  # fmt: skip
    assert not fake.there
    assert not (tmp_path / "notes").exists()
    assert (tmp_path / "now").read_text() == "begun\n"


@pytest.mark.parametrize("counts, snapshots", [([1, 2, 2], 2), ([1, 2, 3, 4, 5, 6], 3)])
def test_while_somebody_writes_another_one_is_made(
    run: Run, fake: Fake, tmp_path: Path, counts: list[int], snapshots: int
) -> None:
    fake.counts = list(counts)
    assert run("snapshot", "/collections/docs", str(tmp_path / "notes")).returncode == 0
    assert len([one for one in fake.asked if one.startswith("POST") and "/snapshots" in one]) == snapshots
    told = json.loads((tmp_path / "told").read_text())
    assert (told["before"] == told["after"]) == (snapshots == 2)
    assert not fake.there


@pytest.mark.parametrize("wrong", ["digest", "cut"])
def test_what_comes_must_be_what_the_server_made_and_is_deleted_there_all_the_same(
    run: Run, fake: Fake, tmp_path: Path, wrong: str
) -> None:
    if wrong == "digest":
        fake.checksum = "0" * 64
    else:
        fake.send -= 100
    made = run("snapshot", "/collections/docs", str(tmp_path / "notes"))
    assert made.returncode == 1
    assert (b"has the SHA-256 000" if wrong == "digest" else b"bytes, and") in made.stderr
    assert not fake.there
    assert not (tmp_path / "told").read_text()


def test_what_a_killed_program_left_is_deleted_first(run: Run, fake: Fake, tmp_path: Path) -> None:
    fake.there.add("old.snapshot")
    (tmp_path / "notes").write_text("/collections/docs/snapshots/old.snapshot\n")
    assert run("snapshot", "/collections/docs", str(tmp_path / "notes")).returncode == 0
    assert not fake.there
    assert fake.asked[0] == "DELETE /collections/docs/snapshots/old.snapshot?wait=true"


def test_an_upload_is_a_form_that_came_in_pieces(run: Run, fake: Fake) -> None:
    data = snapshot_of(b"x" * 3_000_000)
    assert run("upload", "/collections/docs", "ab" * 32, feed=data).returncode == 0
    assert fake.asked == [f"POST /collections/docs/snapshots/upload?wait=true&priority=snapshot&checksum={'ab' * 32}"]
    head, _, rest = fake.uploaded.partition(b"\r\n\r\n")
    assert b'name="snapshot"' in head
    assert rest.startswith(data)
    assert rest[len(data) :] == b"\r\n" + head.split(b"\r\n")[0] + b"--\r\n"


def test_an_upload_that_is_refused_early_tells_why(run: Run, fake: Fake) -> None:
    fake.refuse = True
    said = run("upload", "/collections/docs", feed=bytes(1000))
    assert (said.returncode, said.stderr) == (1, b"400 Wrong input: not compatible\n")


def test_a_snapshot_is_read_to_its_end(run: Run) -> None:
    data = snapshot_of(b"x" * 100_000)
    digest = hashlib.sha256(data).hexdigest()
    assert run("read", digest, feed=data).returncode == 0
    assert run("read", "", feed=data).returncode == 0
    assert b"SHA-256" in run("read", digest, feed=data.replace(b"x" * 9, b"y" * 9, 1)).stderr
    assert b"no whole tar" in run("read", "", feed=data[:60_000]).stderr
    assert b"no whole tar" in run("read", "", feed=b"").stderr
    assert b"empty tar" in run("read", "", feed=bytes(10240)).stderr


def test_nobody_answers(run: Run, fake: Fake) -> None:
    fake.server.shutdown()
    fake.server.server_close()
    said = run("ready")
    assert said.returncode == 1
    assert said.stderr.startswith(b"Qdrant does not answer: ConnectionRefusedError")
