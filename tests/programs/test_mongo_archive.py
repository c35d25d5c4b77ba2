"""The reader of mongodump's archives: what it says of a whole one, and that it refuses every other."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opslib.engines import mongo_archive
from opslib.engines.mongo_archive import takes
from opslib.engines.mongo_bson import Bad, Stream, fields, load_crc64, program

crc64 = load_crc64()
PROGRAM = program("mongo_archive")
END = b"\xff\xff\xff\xff"


def bson(**values: Any) -> bytes:
    """A document of the types that the tests need."""
    body = b"".join(_field(name.encode() + b"\0", value) for name, value in values.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _field(name: bytes, value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\x08" + name + bytes([value])
    if isinstance(value, int):
        return b"\x12" + name + struct.pack("<q", value)
    if isinstance(value, str):
        return b"\x02" + name + struct.pack("<i", len(value.encode()) + 1) + value.encode() + b"\0"
    if isinstance(value, list):
        return b"\x04" + name + bson(**{str(number): one for number, one in enumerate(value)})
    return b"\x03" + name + bson(**value)


def block(database: str, collection: str, *documents: bytes) -> bytes:
    return bson(db=database, collection=collection, EOF=False, CRC=0) + b"".join(documents) + END


def end(database: str, collection: str, *documents: bytes) -> bytes:
    data = b"".join(documents)
    crc = crc64(data, len(data), 0)
    return bson(db=database, collection=collection, EOF=True, CRC=crc - (1 << 64) if crc >> 63 else crc) + END


def beginning(*collections: tuple[str, str, str, dict[str, Any]]) -> bytes:
    said = [
        bson(db=db, collection=name, metadata=json.dumps(meta) if meta else "", size=0, type=kind)
        for db, name, kind, meta in collections
    ]
    header = bson(concurrent_collections=4, version="0.1", server_version="7.0.1", tool_version="100.16.0")
    return struct.pack("<I", 0x6DE29981) + header + b"".join(said) + END


ORDERS = [bson(n=number, text="é" * (number % 40)) for number in range(400)]
USERS = [bson(_id="admin.root", user="root", db="admin")]
META = {"options": {}, "indexes": [{"v": 2, "key": {"_id": 1}, "name": "_id_"}]}
HEAD = beginning(
    ("shop", "orders", "collection", META), ("shop", "empty", "collection", META),
    ("shop", "few", "view", {"options": {"viewOn": "orders", "pipeline": []}, "indexes": []}),
    ("admin", "system.users", "", {}),
)  # fmt: skip
BODY = (
    block("shop", "orders", *ORDERS[:150]) + block("admin", "system.users", *USERS)
    + end("shop", "empty") + block("shop", "orders", *ORDERS[150:])
    + end("admin", "system.users", *USERS) + end("shop", "orders", *ORDERS)
)  # fmt: skip
WHOLE = HEAD + BODY


def read(data: bytes, *words: str, environ: dict[str, str] | None = None) -> tuple[int, list[Any], str]:
    """What the program says, run as it is run on a server."""
    done = subprocess.run(
        [sys.executable, "-IS", "-c", PROGRAM, *words], input=data, capture_output=True, check=False, env=environ or {}
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def reading(data: bytes) -> list[Any]:
    """The same in this process."""
    import io

    said: list[Any] = []
    mongo_archive.Archive(Stream(io.BytesIO(data), None), said.append).read()
    return said


def test_the_check_sum_is_that_of_go():
    """hash/crc64 with the ECMA table; the vector is that of the catalogue of CRCs for CRC-64/XZ."""
    assert crc64(b"123456789", 9, 0) == 0x995DC9BBDF1939FA
    assert crc64(b"6789", 4, crc64(b"12345", 5, 0)) == 0x995DC9BBDF1939FA


def test_a_whole_archive():
    code, said, error = read(WHOLE)
    assert (code, error) == (0, "")
    assert said[0] == {"archive": {"server": "7.0.1", "tool": "100.16.0"}}
    assert said[1] == {"collection": ["shop", "orders", "collection", json.dumps(META)]}
    assert said[3]["collection"][2] == "view"
    assert said[5:] == [
        {"documents": ["shop", "empty", 0]}, {"documents": ["admin", "system.users", 1]},
        {"documents": ["shop", "orders", 400]}, {"whole": True},
    ]  # fmt: skip


def test_it_is_passed_on_as_it_is(tmp_path: Path):
    told = tmp_path / "told"
    script = 'exec 4>"$1"; exec "$2" -c "$3" pass'
    words = ["bash", "-c", script, "test", str(told), sys.executable, PROGRAM]
    done = subprocess.run(words, input=WHOLE, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, WHOLE)
    assert json.loads(told.read_text().splitlines()[-1]) == {"whole": True}
    cut = subprocess.run(words, input=WHOLE[:-1], capture_output=True, check=False)
    assert (cut.returncode, b"cut" in cut.stderr) == (1, True)


def test_cut_anywhere_it_is_refused():
    cuts = [*range(60), *random.Random(1).sample(range(60, len(WHOLE)), 150), len(WHOLE) - 1, len(WHOLE) - 4]
    cuts += [len(HEAD), len(WHOLE) - len(end("shop", "orders", *ORDERS))]
    for cut in cuts:
        with pytest.raises(Bad):
            reading(WHOLE[:cut])


def test_a_bit_flipped_anywhere_behind_the_list_is_refused():
    chance = random.Random(2)
    for _ in range(300):
        data = bytearray(WHOLE)
        data[chance.randrange(len(HEAD), len(WHOLE))] ^= 1 << chance.randrange(8)
        with pytest.raises(Bad):
            reading(bytes(data))


def test_a_bit_flipped_in_the_list_gives_a_reason_or_nothing():
    """The format has no check sum for it; a set has its digest."""
    refused = 0
    for number in range(0, len(HEAD) * 8, 3):  # two bits or three of each byte
        data = bytearray(WHOLE)
        data[number // 8] ^= 1 << number % 8
        try:
            reading(bytes(data))
        except Bad:
            refused += 1
    assert refused > len(HEAD) // 3


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut"), (b"PK\3\4" + bytes(100), "does not begin"), (WHOLE + b"\0", "cut"), (WHOLE + bytes(8), "length"),
        (WHOLE + WHOLE, "no length of a document"), (HEAD, "the end of admin.system.users"),
        (WHOLE + block("shop", "orders", ORDERS[0]), "goes on after its end"),
        (HEAD + block("shop", "unknown", ORDERS[0]), "does not list"),
        (HEAD + bson(db="shop", collection="orders", EOF=True, CRC=0) + ORDERS[0] + END, "follow the end"),
        (HEAD + bson(db="shop", collection="orders", EOF=False, CRC=7) + END, "head of a block"),
        (HEAD + bson(db="shop", collection="orders"), "head of a block"),
        (HEAD + struct.pack("<i", 17 << 20), "no length"), (HEAD + struct.pack("<i", -2), "no length"),
        (beginning(("a", "b", "", {}), ("a", "b", "", {})), "listed twice"),
    ],
)  # fmt: skip
def test_what_is_no_archive_is_refused_with_a_reason(data: bytes, why: str):
    code, said, error = read(data)
    assert code == 1
    assert why in error
    assert "Traceback" not in error
    assert {"whole": True} not in said


def test_hostile_lengths_inside_a_document_are_refused():
    chance = random.Random(3)
    document = bson(a="text", b={"c": [1, 2, "x"]}, d=True, e=5)
    for _ in range(3000):
        data = bytearray(document)
        data[chance.randrange(4, len(data) - 1)] = chance.randrange(256)
        try:
            list(fields(bytes(data)))
        except Bad:
            pass
    nested = b"\x05\0\0\0\0"
    for _ in range(400):
        nested = struct.pack("<i", len(nested) + 7) + b"\x03\0" + nested + b"\0"
    with pytest.raises(Bad):
        list(fields(nested))


def test_the_oplog_says_whose_numbers_it_may_change():
    entries = [
        bson(op="i", ns="shop.orders", o={"_id": 1}), bson(op="n", ns="", o={"msg": "periodic noop"}),
        bson(op="c", ns="admin.$cmd", o={"applyOps": [{"op": "d", "ns": "blog.posts", "o": {"_id": 1}}]}),
        bson(op="c", ns="shop.$cmd", o={"create": "new"}), bson(op="c", ns="other.$cmd", o={"dropDatabase": 1}),
        bson(op="c", ns="shop.$cmd", o={"createIndexes": "orders"}),
    ]  # fmt: skip
    head = beginning(("", "oplog", "", {}))
    said = reading(head + block("", "oplog", *entries) + end("", "oplog", *entries))
    assert said[-2] == {"oplog": 6, "moving": ["blog.posts", "other.", "shop.new", "shop.orders"]}


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_whether_an_account_takes_a_password(mechanism: str):
    digest = "sha1" if mechanism == "SCRAM-SHA-1" else "sha256"
    text = hashlib.md5("root:mongo:p'ü".encode()).hexdigest() if digest == "sha1" else "p'ü"
    salted = hashlib.pbkdf2_hmac(digest, text.encode(), b"salt of some", 1000)
    stored = hashlib.new(digest, hmac.digest(salted, b"Client Key", digest)).digest()
    credentials = {mechanism: {"iterationCount": 1000, "salt": base64.b64encode(b"salt of some").decode(),
                               "storedKey": base64.b64encode(stored).decode()}}  # fmt: skip
    assert takes(credentials, "root", "p'ü")
    assert not takes(credentials, "root", "p'u")
    assert not takes({mechanism: {"iterationCount": "x"}}, "root", "p'ü")
    user = bson(user="root", db="admin", credentials=credentials)
    data = beginning(("admin", "system.users", "", {})) + block("admin", "system.users", user)
    data += end("admin", "system.users", user)
    for password, source, answer in (("p'ü", "admin", "same"), ("x", "admin", "other"), ("p'ü", "shop", "absent")):
        environ = {"MONGO_USER": "root", "MONGO_PASSWORD": password, "MONGO_AUTH_DATABASE": source, "LANG": "C.UTF-8"}
        assert {"login": answer} in read(data, environ=environ)[1]
