"""What is not recognised is said, with what was seen and what to do; nothing raises anything else, and nothing hangs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import socket
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.backup.formats.look import HEAD, read_report
from opslib.backup.formats.recognise import KINDS, NotRecognised, recognise

Refused = Callable[[str | bytes | Path], str]


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "an empty file | the backup that wrote it has failed"),
        (gzip.compress(b""), "an empty file (20 bytes, packed with gzip)"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image (16 bytes)"),
        (b"<!DOCTYPE html>\n<html><body>404", "HTML"),
        (b'<?xml version="1.0"?>', "XML"),
        (b'{"message": "not found"}', "JSON"),
        (b"PK\x03\x04\x14\0", "a zip archive (6 bytes) | unpack it"),
        (b"age-encryption.org/v1\n-> X25519 x\n", "encrypted with age"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "encrypted with age"),
        (b"-----BEGIN PGP MESSAGE-----\n", "encrypted with GnuPG"),
        (gzip.compress(b"Salted__" * 2), "encrypted with OpenSSL (30 bytes, packed with gzip)"),
        (gzip.compress(gzip.compress(b"x")), "gzip inside gzip"),
        (gzip.compress(b"\x28\xb5\x2f\xfdxxxx"), "zstd inside gzip"),
        (lzma.compress(b"-- PostgreSQL database dump\n"), "packed with xz, 84 bytes | unpack it first: xz -d"),
        (bz2.compress(b"-- PostgreSQL database dump\n"), "packed with bzip2"),
        (gzip.compress(b"x" * 99)[:10], "does not unpack"),
        (gzip.compress(os.urandom(9000).hex().encode())[:6000], "it is damaged or cut off"),
        ("CREATE TABLE t (a int);\n".encode("utf-16"), "text in UTF-16"),
        (b"\0" * 10240, "nothing but zero bytes"),
        (b" \n\n", "nothing but blanks"),
        (b"hello\nworld", 'text that begins with "hello"'),
        (b"caf\xe9 'x\n", "text that begins with \"caf. 'x\""),
        (b"\x01\x02ab\0", 'binary data that begins with "..ab."'),
        (b"\x16\0\0\0\x07_id\0" + b"1" * 12 + b"\0", "one collection's BSON"),
        (b"*2\r\n$6\r\nSELECT\r\n", "an append-only file of Redis"),
        (b"mysqldump: [Warning] Using a password on the command line interface can be insecure.\n-- MySQL dump",
         "begins with a message of"),
        (b"pg_dump: error: connection to server failed\n", 'message of "pg_dump: error: connection to server failed"'),
        (b"Error response from daemon: No such container: db\n", 'text that begins with "Error response'),
        (b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n", "the text of a SQLite database"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:x\n", "a Git LFS pointer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_said(refused: Refused, tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "dump.sql").write_bytes(data)
    assert said in refused(tmp_path / "dump.sql")


def test_the_dump_of_a_whole_server_is_refused_with_advice(refused: Refused, samples: Path, tmp_path: Path) -> None:
    said = refused(samples / "pg-all.sql")
    assert "whole PostgreSQL server (pg_dumpall)" in said and "from its own pg_dump" in said
    (tmp_path / "cut").write_bytes((samples / "pg-all.sql").read_bytes()[:3000])
    assert "pg_dumpall" in refused(tmp_path / "cut")


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as out:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    "files, said",
    [
        ({"manifest.json": b'[{"Config":"x"}]', "oci-layout": b"{}"}, "a Docker image"),
        ({"segments/6e3f9c2a-1b7d-4c55-9c1e-8b0f5a2d7e11.tar": b"", "replica_state.json": b"{}"}, "one shard"),
        (
            {f"{name}/manifest.json": b'{"version": 1, "id": "x", "opslib": "0.1"}' for name in "ab"},
            "an archive of 2 sets: a, b | unpack it",
        ),
    ],
)
def test_archives_that_are_no_volume(refused: Refused, tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    assert said in refused(archive(tmp_path / "x", files))


def test_folders(refused: Refused, tmp_path: Path) -> None:
    assert "it is an empty folder" in refused(tmp_path)
    for name in ("a", "b \udce9", "c\nd"):
        (tmp_path / name).write_text("")
    (tmp_path / "e").mkdir()
    assert "it is a folder with 4 entries: a, b \\udce9, c\\nd, e |" in refused(tmp_path)
    (tmp_path / "PG_VERSION").write_text("15")
    (tmp_path / "z").write_text("")
    assert "6 entries: PG_VERSION, a, b \\udce9, c\\nd, e, …, the data folder of postgres" in refused(tmp_path)


def test_a_folder_of_sets_is_not_one_of_them(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/manifest.json").write_text('{"version": 1, "id": "x", "opslib": "0.1"}')
    assert "a folder with 1 entry: a" in refused(tmp_path)


def test_what_is_no_file_is_not_opened(refused: Refused, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "a FIFO, not a file" in refused(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        assert "a socket, not a file" in refused(tmp_path / "s")
    assert "a device, not a file" in refused("/dev/zero")
    assert "not there" in refused(tmp_path / "missing")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert "not there" in refused(tmp_path / "dangling")


def test_a_folder_with_a_fifo_called_like_a_manifest(refused: Refused, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.json")
    assert "a folder with 1 entry: manifest.json" in refused(tmp_path)


@pytest.mark.parametrize(
    "report, said",
    [
        ("kind file\nsize 5\nunreadable\n", "a file of 5 bytes that may not be read"),
        ("kind folder\nunreadable\n", "a folder that may not be read"),
        ("kind file\nsize 5\npacked zstd\nlacks zstd\n", "there is no zstd to unpack it"),
        ("", "not there"),
    ],
)
def test_what_could_not_be_looked_at(report: str, said: str) -> None:
    with pytest.raises(NotRecognised, match=said):
        recognise(report, "it")


# -- whatever comes

BEGINNINGS = st.sampled_from(
    [b"", b"PGDMP\x01\x0e\0\x04\x08\x01", b"REDIS0011\xfa", b"VALKEY080\xfa", b"SQLite format 3\0", b"\x81\x99\xe2\x6d",
     b"-- MySQL dump ", b"-- PostgreSQL database dump\n", b"-- phpMyAdmin SQL Dump\n", b"{", b"*1\r\n$", b"\xff\xfe"]
)  # fmt: skip
BYTES = st.builds(lambda start, rest: start + rest, BEGINNINGS, st.binary(max_size=HEAD))


def recognised(report: str) -> None:
    with suppress(NotRecognised):
        assert recognise(report, "it").kind in KINDS


@settings(deadline=None)
@given(head=BYTES, tail=st.binary(max_size=200), packed=st.sampled_from(["", "gzip", "zstd"]))
def test_random_bytes_are_recognised_or_said(head: bytes, tail: bytes, packed: str) -> None:
    layer = f"packed {packed}\n" if packed else ""
    recognised(f"kind file\nsize {len(head)}\n{layer}head {head.hex()}\ntail {tail.hex()}\n")


@settings(deadline=None)
@given(
    kind=st.sampled_from(["file", "folder"]),
    names=st.lists(
        st.one_of(
            st.binary(max_size=30), st.sampled_from([b"toc.dat", b"a/b.bson", b"a/b.metadata.json", b"/", b"./", b"."])
        )
    ),
    inner=st.dictionaries(
        st.sampled_from([b"toc.dat", b"./manifest.json", b"prelude.json", b"a/prelude.json.gz", b"config.json"]), BYTES
    ),
)
def test_random_names_are_recognised_or_said(kind: str, names: list[bytes], inner: dict[bytes, bytes]) -> None:
    head = (b"x" * 257 + b"ustar").hex()
    lines = [f"kind {kind}", "size 1", f"head {head}", *(f"hexed {name.hex()}" for name in names)]
    recognised("\n".join([*lines, *(f"inner {name.hex()} {data.hex()}" for name, data in inner.items())]))


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_report(text: str) -> None:
    read_report(text)
    recognised(text)
    recognised(f"kind file\nhead {text}\nname {text}\ninner {text}\nentries {text}")
