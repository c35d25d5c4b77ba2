"""The lab's slow line: what passes is whole, counted, and takes its time."""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    from labkit.line import Line

    return Line


@pytest.fixture
def echo() -> Any:
    """A port that sends back what it gets, up to the end."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def there_and_back(port: int, data: bytes) -> tuple[bytes, float]:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
        back = b""
        while len(back) < len(data):
            back += connection.recv(65536)
    return back, time.monotonic() - began


def test_a_rate_and_a_delay(line: Any, echo: int) -> None:
    data = bytes(range(256)) * 1000
    with line(echo, rate=1e6, delay=0.2) as slow:
        back, took = there_and_back(slow.port, data)
        assert back == data
        assert took >= 0.2 + len(data) / 1e6
        assert slow.passed == 2 * len(data)


def test_without_them_it_only_counts(line: Any, echo: int) -> None:
    with line(echo) as quick:
        assert there_and_back(quick.port, b"x" * 3_000_000)[0] == b"x" * 3_000_000
        assert quick.passed == 6_000_000
