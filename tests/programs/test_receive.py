"""The registry that the engine here pushes to: what it asks, sends, and is told."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from opslib.images.pushed import Pushed
from opslib.images.receive import Receiver
from opslib.images.saved import NotUnderstood
from tests.unit.images.archives import PACKS, config_of, digest, info_of

LAYERS = (b"base" * 1000, b"app" * 200_000)
THERE = "sha256:" + "1" * 64


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with Receiver(0, tmp_path, lambda blob: blob == THERE) as found:
        yield found


@pytest.fixture
def engine(receiver: Receiver) -> Iterator[http.client.HTTPConnection]:
    found = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)
    yield found
    found.close()


def ask(
    engine: http.client.HTTPConnection, method: str, path: str, body: object = None, **more: object
) -> tuple[int, dict[str, str]]:
    engine.request(method, path, body, **more)  # type: ignore[arg-type]
    answer = engine.getresponse()
    answer.read()
    return answer.status, dict(answer.getheaders())


def push(engine: http.client.HTTPConnection, data: bytes, *, chunked: bool) -> int:
    """A blob as the classic store pushes it, in chunks, or as containerd does, at once."""
    code, told = ask(engine, "POST", "/v2/opslib/blobs/uploads/")
    assert code == 202
    location = told["Location"]
    end = f"?digest={digest(data)}"
    if not chunked:
        return ask(engine, "PUT", location + end.replace(":", "%3A"), data)[0]
    blocks = iter([data[:1000], data[1000:]])
    code, told = ask(engine, "PATCH", location, blocks, encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert (code, told["Range"]) == (202, f"0-{len(data) - 1}")
    return ask(engine, "PUT", told["Location"] + end)[0]


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("chunked", [True, False])
def test_an_image_is_taken(
    receiver: Receiver, engine: http.client.HTTPConnection, tmp_path: Path, pack: str, chunked: bool
) -> None:
    blobs = [PACKS[pack](one) for one in LAYERS]
    assert ask(engine, "GET", "/v2/")[0] == 200
    for data in (*blobs, config_of(LAYERS)):
        assert ask(engine, "HEAD", f"/v2/opslib/blobs/{digest(data)}")[0] == 404
        assert push(engine, data, chunked=chunked) == 201
        assert ask(engine, "HEAD", f"/v2/opslib/blobs/{digest(data)}")[0] == 200
    assert ask(engine, "HEAD", "/v2/opslib/manifests/1")[0] == 404
    other = json.dumps({"config": {"digest": digest(b"an attestation")}, "layers": []}).encode()
    manifest = json.dumps(
        {"config": {"digest": digest(config_of(LAYERS))}, "layers": [{"digest": digest(one)} for one in blobs]}
    ).encode()
    for one in (other, manifest):
        code, told = ask(engine, "PUT", "/v2/opslib/manifests/1", one)
        assert (code, told["Docker-Content-Digest"]) == (201, f"sha256:{hashlib.sha256(one).hexdigest()}")
    image = info_of(LAYERS)
    pushed = Pushed(tmp_path, receiver.manifests, image)
    assert pushed.config == config_of(LAYERS)
    assert [b"".join(pushed.layer(one)) for one in image.diff_ids] == list(LAYERS)
    assert [pushed.size(one) for one in image.diff_ids] == [len(one) for one in LAYERS]
    with pytest.raises(NotUnderstood):
        Pushed(tmp_path, receiver.manifests, info_of(LAYERS[:1]))


def test_what_is_there_need_not_come(engine: http.client.HTTPConnection) -> None:
    assert ask(engine, "HEAD", f"/v2/opslib/blobs/{THERE}")[0] == 200


def test_a_damaged_blob_is_refused(engine: http.client.HTTPConnection, tmp_path: Path) -> None:
    location = ask(engine, "POST", "/v2/opslib/blobs/uploads/")[1]["Location"]
    assert ask(engine, "PUT", f"{location}?digest={THERE}", b"something else")[0] == 400
    assert ask(engine, "PUT", f"/v2/opslib/blobs/uploads/../../x?digest={THERE}", b"x")[0] == 404
    assert not list(tmp_path.iterdir())


def test_who_greets_in_tls_is_told_at_once(receiver: Receiver) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as line:
        line.sendall(b"\x16\x03\x01\x02\x00")
        assert line.recv(100).startswith(b"HTTP/1.0 400")
