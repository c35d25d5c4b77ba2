"""What a drill compares beside the counts, and what it must not take for a difference."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from opslib.backup import mysql_dump
from opslib.backup.drill.compare import _FILE, _TREE, differences
from opslib.backup.manifest import Artifact, Fingerprint, Manifest, decode, encode
from opslib.engines import postgres_fingerprint

ONE = Fingerprint(contents={"a": "1", "b": "2"}, definitions={"indexes": "x", "tables": "y"}, left_out=("big",))


def test_what_differs_is_named() -> None:
    assert differences(ONE, ONE) == []
    other = Fingerprint(contents={"a": "1", "b": "3"}, definitions={"indexes": "z", "tables": "y", "triggers": "t"})
    assert differences(ONE, other) == ["b: other contents", "indexes: other definitions", "triggers: other definitions"]
    assert differences(other, ONE)[-1] == "triggers: other definitions"


def test_what_could_not_be_hashed_is_no_difference() -> None:
    assert differences(ONE, Fingerprint(contents={"a": "1"}, definitions={})) == []
    assert differences(Fingerprint(), ONE) == []


def test_a_manifest_keeps_it_and_an_older_one_has_none() -> None:
    kept = Artifact(file="x.zst", kind="postgres", name="x", bytes=1, raw_bytes=1, sha256="0" * 64, fingerprint=ONE)
    manifest = Manifest(id="S", created="now", host="h", project="p", by="me", opslib="0", seconds=1, artifacts=(kept,))
    assert decode(encode(manifest), "X").artifacts[0].fingerprint == ONE
    older = {**json.loads(encode(manifest)), "version": 1}
    del older["artifacts"][0]["fingerprint"]
    assert decode(json.dumps(older).encode(), "X").artifacts[0].fingerprint is None


def test_the_sql_asks_for_the_tables_that_the_set_has() -> None:
    asked = postgres_fingerprint.sql(['"it\'s".t', "public.a"])
    assert """json_array_elements_text('["\\"it''s\\".t", "public.a"]')""" in asked
    assert "WHICH" not in asked + postgres_fingerprint.sql()


def test_what_postgresql_printed() -> None:
    lines = ['{"definitions" : "indexes", "is" : "x"}', '{"contents" : "a", "is" : "1"}', '{"left_out" : "big"}']
    found = postgres_fingerprint.printed(lines)
    assert (found.contents, found.definitions, found.left_out) == ({"a": "1"}, {"indexes": "x"}, ["big"])


def test_what_the_counter_of_mysql_printed() -> None:
    lines = ['["`a`", 3]', '["views", 1]', '{"rows": {"`a`": 5, "`v`": 6}, "tables": {"`a`": 7, "`v`": 8}}']
    assert mysql_dump.counts(lines) == {"`a`": 3, "views": 1}
    assert mysql_dump.fingerprint(lines, ["v"]) == Fingerprint(
        contents={"`a`": "5"}, definitions={"`a`": "7", "`v`": "8"}, left_out=("`v`",)
    )
    assert mysql_dump.fingerprint(['["`a`", 3]']) is None


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder and, beside it, an archive of it."""
    folder = tmp_path / "it's"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_text("one")
    (folder / "sub/b c").write_text("two")
    (folder / "link").symlink_to("a")
    os.link(folder / "a", folder / "hard")
    subprocess.run(
        ["tar", "-C", folder, "--numeric-owner", "--format=posix", "-cf", tmp_path / "x.tar", "."], check=True
    )
    return folder


def said(text: str, *words: object) -> list[str]:
    done = subprocess.run(["bash", "-c", text, "x", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_byte_of_a_folder_is_compared(tree: Path) -> None:
    archive = tree.parent / "x.tar"
    os.utime(tree / "sub", (1, 1))
    assert said(_TREE, tree, archive) == []
    (tree / "sub/b c").write_text("TWO")
    (tree / "hard").unlink()
    (tree / "hard").write_text("one")
    (tree / "link").unlink()
    assert [line.partition(": ")[2] for line in said(_TREE, tree, archive) if "b c" in line] == ["Contents differ"]
    assert len(said(_TREE, tree, archive)) == 3


def test_an_archive_that_cannot_be_read_is_no_comparison(tree: Path) -> None:
    archive = tree.parent / "x.tar"
    archive.write_bytes(archive.read_bytes()[:700])
    done = subprocess.run(["bash", "-c", _TREE, "x", tree, archive], capture_output=True, check=False)
    assert done.returncode == 1


def test_every_byte_of_a_file_is_compared(tree: Path) -> None:
    assert said(_FILE, tree, tree / "a", "hard") == []
    assert said(_FILE, tree, tree / "a", "sub/b c") == ["sub/b c: Contents differ"]
