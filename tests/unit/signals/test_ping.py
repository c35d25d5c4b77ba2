import socket
import threading
import time

import pytest

from opslib.command import Secret
from opslib.signals import ping as module
from opslib.signals.ping import TRIES, address, ping


@pytest.mark.parametrize(
    ("url", "ending", "there"),
    [
        ("https://hc/u", "0", "https://hc/u"),
        ("https://hc/u", "start", "https://hc/u/start"),
        ("https://hc/u/", "130", "https://hc/u/130"),
        ("https://hc:8/k/slug?create=1", "1", "https://hc:8/k/slug/1?create=1"),
    ],
)
def test_the_address(url, ending, there):
    assert address(url, ending) == there


def test_the_text_is_posted(listener):
    assert ping(Secret(f"http://{listener.address}/u"), "1", "what\nfür é") == ""
    assert listener.heard == [("/u/1", "what\nfür é")]


@pytest.mark.parametrize(("status", "tries"), [(500, TRIES), (429, TRIES), (404, 1)])
def test_what_may_pass_is_tried_again(listener, status, tries, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    listener.answer = lambda path: status
    assert ping(Secret(f"http://{listener.address}/secret"), "0") == f"127.0.0.1 answers {status}"
    assert len(listener.heard) == tries


def test_a_second_try_that_works_is_enough(listener, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    listener.answer = lambda path: 200 if len(listener.heard) > 1 else 503
    assert ping(Secret(f"http://{listener.address}/u"), "0") == ""


def test_nobody_there(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    why = ping(Secret(f"http://127.0.0.1:{port}/secret"), "0")
    assert "Connection refused" in why
    assert "secret" not in why


def test_who_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    monkeypatch.setattr(module, "_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        why = ping(Secret(f"http://127.0.0.1:{server.getsockname()[1]}/secret"), "0")
    assert "timed out" in why
    assert "secret" not in why
    assert time.monotonic() - began < 5


def test_who_speaks_no_http(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak():
            for _ in range(TRIES):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"220 mail.example.com secret\r\n")

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        why = ping(Secret(f"http://127.0.0.1:{server.getsockname()[1]}/secret"), "0")
        thread.join(5)
    assert why == "127.0.0.1: BadStatusLine"
