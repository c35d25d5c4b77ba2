"""A folder of mongodump printed as the archive that it might have been, and read as one."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from opslib.engines.mongo_bson import program
from tests.programs.test_mongo_archive import META, ORDERS, USERS

ARCHIVE, FOLDER = program("mongo_archive"), program("mongo_folder")
LONG = "é" * 120  # escaped longer than a file's name may be
SHORTENED = "%C3%A9" * 34 + "%C3%" + "%24" + "a" * 27
FILES = {
    "shop/orders.bson": b"".join(ORDERS),
    "shop/orders.metadata.json": json.dumps({**META, "collectionName": "orders", "type": "collection"}).encode(),
    "shop/a%2Fb %25.bson": b"",
    "shop/a%2Fb %25.metadata.json": json.dumps(META).encode(),
    "shop/few.metadata.json": json.dumps({"options": {"viewOn": "orders", "pipeline": []}, "indexes": []}).encode(),
    "shop/system.buckets.w.bson": ORDERS[1],
    "shop/w.metadata.json": json.dumps({"options": {"timeseries": {"timeField": "t"}}, "indexes": []}).encode(),
    f"shop/{SHORTENED}.bson": ORDERS[0],
    f"shop/{SHORTENED}.metadata.json": json.dumps({**META, "collectionName": LONG}).encode(),
    "shop/$admin.system.users.bson": USERS[0],
    "shop/$admin.system.users.metadata.json": json.dumps({**META, "collectionName": "system.users"}).encode(),
    "shop/system.indexes.bson": ORDERS[0],
    "admin/system.users.bson": b"".join(USERS),
    "oplog.bson": b"",
    "prelude.json": b'{"ServerVersion":"7.0.1","ToolVersion":"100.16.0"}',
}
HOLDS = {
    ("shop", "orders"): 400, ("shop", "a/b %"): 0, ("shop", "system.buckets.w"): 1, ("shop", LONG): 1,
    ("shop", "$admin.system.users"): 1, ("admin", "system.users"): 1,
}  # fmt: skip


def written(top: Path, files: dict[str, bytes] = FILES, *, packed: bool = False) -> Path:
    for name, data in files.items():
        path = top / (f"{name}.gz" if packed else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(data) if packed else data)
    return top


def tarred(folder: Path, path: Path, mode: str, name: str) -> Path:
    with tarfile.open(path, mode) as tar:
        tar.add(folder, name)
    return path


def read(path: Path, root: str = "", database: str = "") -> tuple[list[Any], str]:
    """What the reader of archives says of it, and what the program complained of."""
    made = subprocess.run([sys.executable, "-IS", "-c", FOLDER, path, root, database], capture_output=True, check=False)
    if made.returncode:
        return [], made.stderr.decode()
    said = subprocess.run([sys.executable, "-IS", "-c", ARCHIVE], input=made.stdout, capture_output=True, check=True)
    return [json.loads(line) for line in said.stdout.splitlines()], ""


def documents(said: list[Any]) -> dict[tuple[str, str], int]:
    return {(one["documents"][0], one["documents"][1]): one["documents"][2] for one in said if "documents" in one}


def test_everything_is_in_it(tmp_path: Path) -> None:
    said, error = read(written(tmp_path))
    assert error == ""
    assert said[0] == {"archive": {"server": "7.0.1", "tool": "100.16.0"}}
    assert documents(said) == HOLDS
    kinds = {one["collection"][1]: one["collection"][2] for one in said if "collection" in one}
    assert (kinds["few"], kinds["w"], kinds["orders"]) == ("view", "timeseries", "collection")
    assert said[-2:] == [{"oplog": 0, "moving": []}, {"whole": True}]  # mongorestore waits for the oplog


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("root", ["dump", "./dump", "", "."])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_however_it_is_packed(tmp_path: Path, packed: bool, root: str, mode: str) -> None:
    folder = written(tmp_path / "dump", packed=packed)
    said, error = read(tarred(folder, tmp_path / "x", mode, root or "."), root)
    assert (error, documents(said)) == ("", HOLDS)


def test_the_folder_of_one_database(tmp_path: Path) -> None:
    written(tmp_path)
    said, _ = read(tmp_path / "shop", database="sh'op")
    assert documents(said) == {
        ("sh'op", name): number for (database, name), number in HOLDS.items() if database != "admin"
    }
    assert read(tmp_path, "shop", "sh'op")[0] == said


def test_a_large_collection_comes_in_blocks(tmp_path: Path) -> None:
    files = {**FILES, "shop/orders.bson": b"".join(ORDERS) * 200}
    assert documents(read(written(tmp_path, files))[0])["shop", "orders"] == 80_000


def test_a_collection_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole, ends = FILES["shop/orders.bson"], set()
    for document in ORDERS:
        ends.add(len(document) + max(ends, default=0))
    for cut in random.Random(3).sample(sorted(set(range(1, len(whole))) - ends), 8):
        written(tmp_path, {"shop/orders.bson": whole[:cut], "shop/orders.metadata.json": b"{}"})
        assert "shop/orders.bson: " in read(tmp_path)[1]


@pytest.mark.parametrize(
    "files, said",
    [
        ({"shop/orders.bson": b""}, "shop/orders: its .metadata.json is missing"),
        ({"shop/orders.metadata.json": b"{}"}, "shop/orders: its .bson is missing"),
        ({"shop/orders.metadata.json": b"{"}, "shop/orders: it is no JSON"),
        ({"shop/orders.metadata.json": b"[]"}, "shop/orders: it is no object"),
        ({"shop/notes.txt": b""}, "shop/notes.txt: mongodump writes no such file"),
        ({"shop/deep/a.bson": b""}, "shop/deep/a.bson: mongodump writes no such file"),
        ({"shop/a.bson": b"", "shop/a.bson.gz": gzip.compress(b"")}, "it is there twice"),
        ({"shop/a.bson.gz": b"no", "shop/a.metadata.json": b"{}"}, "shop/a.bson.gz: it does not unpack"),
        ({"shop/a.bson": b"\xff" * 4, "shop/a.metadata.json": b"{}"}, "shop/a.bson: -1 is no length"),
        ({"shop/a.bson": ORDERS[0] + b"\0" * 20, "shop/a.metadata.json": b"{}"}, "shop/a.bson: 0 is no length"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    assert said in read(written(tmp_path, files))[1]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_of_it_that_is_cut(tmp_path: Path, mode: str) -> None:
    path = tarred(written(tmp_path / "d"), tmp_path / "x", mode, "d")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged" in read(path, "d")[1]
