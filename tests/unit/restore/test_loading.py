"""How an artifact gets into PostgreSQL's loader: the command, and what the loader is told of its end."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest

from opslib.backup.pack import _INSIDE, beside
from opslib.backup.restore import postgres
from opslib.backup.restore.context import Context
from opslib.command import Secret
from opslib.engines.instance import Instance
from opslib.settings.model import Host
from opslib.target.local import Local

PG = Instance(
    kind="postgres", service="db", container="x-db-1", image="postgres:15", version="15", data="/var/lib/pg", pid=4711,
    user="999:999", port=5432, id="abc123", network=False, env={"PATH": "/bin", "PGPASSWORD": Secret("s3cret")},
)  # fmt: skip


def test_the_loader_is_the_engine_s_own_and_runs_where_the_artifact_is() -> None:
    ctx = Context(Local(Host(name="local", path="/srv/x")), "tools:1", "x")
    command = postgres.load_command(ctx, PG, "/srv/x/backups/ID", "f.zst", ["pg_restore", "-1"], database="-d x=y")
    (stage,) = command.stages
    words = ("tools:1", "bash", "-c", postgres._LOAD, "opslib", "/opslib-set/f.zst", "")
    inside = ("bash", "-c", _INSIDE, "opslib", "4711", "abc123", "999:999", "/bin", "pg_restore", "-1")
    assert stage.argv[stage.argv.index("tools:1") :] == (*words, *inside)
    assert " ".join(beside(PG)) in " ".join(stage.argv)
    assert dict(stage.env)["PGDATABASE"] == "-d x=y"
    assert "s3cret" not in command.masked()
    assert command.on_break is not None


@pytest.mark.parametrize(("cut", "end", "got"), [(0, "", b"rows"), (0, "commit;", b"rows\ncommit;\n")])
def test_what_is_whole_comes_to_its_end(tmp_path: Path, cut: int, end: str, got: bytes) -> None:
    assert _loaded(tmp_path, cut, end) == (0, got)


@pytest.mark.parametrize("end", ["", "commit;"])
def test_what_is_cut_fails_and_is_not_told_to_commit(tmp_path: Path, end: str) -> None:
    code, got = _loaded(tmp_path, 4, end)
    assert code != 0
    assert b"commit" not in got


def test_a_loader_that_fails_fails(tmp_path: Path) -> None:
    assert _loaded(tmp_path, 0, "", "sh", "-c", "cat >/dev/null; exit 7")[0] == 7


def _loaded(folder: Path, cut: int, end: str, *loader: str) -> tuple[int, bytes]:
    """The exit code, and what the loader was given, of an artifact that lacks its last bytes."""
    data = gzip.compress(b"rows")
    (folder / "f").write_bytes(data[: len(data) - cut])
    words = ["bash", "-c", postgres._LOAD, "opslib", str(folder / "f"), end, *(loader or ("cat",))]
    ran = subprocess.run(words, capture_output=True, timeout=30, check=False)
    return ran.returncode, ran.stdout
