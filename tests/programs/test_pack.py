"""What packs an artifact: its size is known, its digest taken, and what cannot be kept is said."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from opslib.backup.keep import PIECE
from opslib.backup.pack import _PACK, _PACK_SEALED, KEEP

SILENT = '#!/bin/sh\nexec {zstd} "$@" 2>/dev/null\n'
AGE = "#!/bin/sh\nprintf 'age-encryption.org/v1\\n-> X25519 x\\n--- x\\n'; exec cat\n"


@pytest.mark.skipif(shutil.which("zstd") is None, reason="no zstd here")
@pytest.mark.parametrize(
    ("script", "silent", "said"),
    [
        (_PACK, False, "packed"), (_PACK, True, "packed"), (_PACK_SEALED, False, "packed"),
        (_PACK_SEALED, True, "does not say how much it has compressed"),
    ],
)  # fmt: skip
def test_what_went_in_is_known_or_there_is_no_artifact(
    tmp_path: Path, script: str, silent: bool, said: str
) -> None:  # fmt: skip
    stage, programs = tmp_path / "stage", tmp_path / "bin"
    for folder in (stage, programs):
        folder.mkdir()
    (programs / "age").write_text(AGE)
    if silent:  # as one of another version might be
        (programs / "zstd").write_text(SILENT.format(zstd=shutil.which("zstd")))
    for program in programs.iterdir():
        program.chmod(0o755)
    text = script.replace("/stage", f"'{stage}'")
    environ = {"PATH": f"{programs}:{os.environ['PATH']}"}
    if script is _PACK_SEALED:
        environ["AGE_RECIPIENTS"] = "age1x"
    for printed in ("1234567", ""):
        words = ["bash", "-c", text, "opslib", f"f{len(printed)}", "1000", "printf", "%s", printed]
        done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
        told = done.stdout.split()
        if said != "packed":
            assert (done.returncode, said in done.stderr) == (1, True)
        elif printed:
            assert told[-4:-3] + told[-2:-1] == ["packed", "7"], done.stderr
        else:
            assert (done.returncode, "the dump is empty" in done.stderr) == (1, True)


def test_what_is_kept_is_digested(tmp_path: Path) -> None:
    data = b"x" * 3_000_001
    ran = kept(tmp_path / "f", data)
    assert (ran.returncode, ran.stdout.decode().strip()) == (0, hashlib.sha256(data).hexdigest())
    assert (tmp_path / "f").read_bytes() == data


def test_what_cannot_be_kept_is_said(tmp_path: Path) -> None:
    """Where there is a file already, and at the limit that keeps the disk's reserve."""
    (tmp_path / "f").touch()
    assert (kept(tmp_path / "f", b"x").returncode, kept(tmp_path / "f", b"x").stdout) == (1, b"")
    ran = kept(tmp_path / "g", b"x" * 3_000_001, "ulimit -f 1000;")
    assert (ran.returncode, ran.stderr.decode().strip()) == (
        1,
        f"{tmp_path}/g: File too large: the disk is full up to the reserve",
    )


def test_what_reads_back_as_something_else_is_refused(tmp_path: Path) -> None:
    """In its first piece and in its last, and when it is cut."""
    file, one = tmp_path / "f", b"x" * (1 << 20)
    for spoil in (lambda: os.pwrite(os.open(file, os.O_WRONLY), b"y", 1000), lambda: os.truncate(file, 1000)):
        file.unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", KEEP, str(file)], stdin=-1, stdout=-1, stderr=-1, bufsize=0
        ) as process:
            assert process.stdin is not None
            process.stdin.write(one)
            while not file.exists() or file.stat().st_size < len(one):
                assert process.poll() is None
            spoil()
            out, said = process.communicate(timeout=30)
        assert (process.returncode, out) == (3, b"")
        assert "reads back as something else" in said.decode()


def test_pieces_are_read_back_while_more_comes(tmp_path: Path) -> None:
    """And the whole of it is, wherever it ends."""
    piece = os.urandom(PIECE)
    for data in (b"", b"1", piece, piece + b"1", piece * 2 + b"12"):
        (tmp_path / "f").unlink(missing_ok=True)
        ran = kept(tmp_path / "f", data)
        assert (ran.returncode, ran.stdout.decode().strip()) == (0, hashlib.sha256(data).hexdigest()), ran.stderr
        assert (tmp_path / "f").stat().st_size == len(data)


def kept(file: Path, data: bytes, before: str = "") -> subprocess.CompletedProcess[bytes]:
    words = ["bash", "-c", f'{before} exec "$@"', "bash", sys.executable, "-c", KEEP, str(file)]
    return subprocess.run(words, input=data, capture_output=True, timeout=30, check=False)
