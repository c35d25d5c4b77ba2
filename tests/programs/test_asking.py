"""The asking script itself, on this machine: HTTP and TCP against real sockets, commands through a stand-in for docker."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from opslib.compose.checks import Answer, Check, CommandCheck, HttpCheck, TcpCheck
from opslib.compose.health import parse_poll, poll_command
from opslib.compose.script import read_all
from opslib.settings.model import Host
from opslib.target.connect import connect

# `docker exec -e MARK CONTAINER COMMAND…` runs the command here; everything else finds nothing.
DOCKER = """#!/bin/bash
[[ $1 == exec ]] || exit 0
shift; [[ $1 != -e ]] || { export "$2"; shift 2; }; shift; exec "$@"
"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, text = {"/ok": (200, b"all \0is 'well' $x\n"), "/moved": (302, b""), "/silent": (0, b"")}.get(
            self.path, (404, b"no")
        )
        if not status:
            self.wfile.write(b"what?")
            return
        self.send_response(status)
        self.send_header("X-Ready", "very much")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    stand_in = tmp_path / "docker"
    stand_in.write_text(DOCKER)
    stand_in.chmod(0o755)
    return Host(name="local", path=str(tmp_path), docker=(str(stand_in),))


def ask(host: Host, *asked: tuple[Check, list[tuple[str, int]]]) -> list[Answer]:
    named = [(f"c{at}", check, tuple(where)) for at, (check, where) in enumerate(asked)]
    answers = parse_poll(read_all(connect(host), poll_command(host, "p", named)))[2]
    return [answers[name] for name, _, _ in named]


def closed() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_http_and_tcp(host: Host, port: int) -> None:
    here, nowhere = [("127.0.0.1", port)], [("127.0.0.1", closed())]

    def http(path: str, header: tuple[str, str] | None = None, body: str = "") -> Check:
        return HttpCheck("localhost", port, path, header=header, body=body)

    assert ask(
        host,
        (http("/ok"), here), (http("/moved"), here), (http("/x"), [*nowhere, *here]), (http("/silent"), here),
        (http("/ok"), nowhere), (http("/ok", ("x-ready", "much"), "'well' $x"), here),
        (http("/ok", ("x-ready", "little")), here), (http("/ok", ("x-other", "")), here),
        (http("/ok", ("x-ready", "")), here), (http("/ok", None, "ill"), here),
        (TcpCheck("localhost", port), here), (TcpCheck("localhost", 1), nowhere),
    ) == [
        Answer(0, 200), Answer(0, 302), Answer(0, 404), Answer(9), Answer(7), Answer(0, 200),
        Answer(0, 200, False), Answer(0, 200, False), Answer(0, 200), Answer(0, 200, True, False),
        Answer(), Answer(7),
    ]  # fmt: skip


def test_commands(host: Host) -> None:
    words = ("sh", "-c", "echo \"$1\"; echo 'it''s' over; exit 3", "sh", "a 'b' $c")
    good, bad = ask(host, (CommandCheck(("true",)), []), (CommandCheck(words), []))
    assert (good, bad) == (Answer(), Answer(3, said="a 'b' $c its over"))
