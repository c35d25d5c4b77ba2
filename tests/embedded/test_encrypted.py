"""Encrypted sets on this machine, without a Docker engine: made, verified, restored, undone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyrage
import pytest

from opslib.backup import keys, take, verify
from opslib.backup.embedded import Digesting
from opslib.backup.manifest import seal
from opslib.backup.restore.options import Options
from opslib.backup.restore.steps import RECOVERIES, steps
from opslib.backup.sealed import Sealing
from opslib.command import Secret
from opslib.errors import BadSettings
from opslib.run.fleet import carry_out, look_on
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.kinds import Files, Sqlite
from opslib.settings.model import Backup, Host
from opslib.target.connect import connect
from tests.embedded.test_restore import DB, fill, rows

PLAIN = b"nobody but the owner may read this " * 400
MINE, PUBLIC = keys.make()
OTHER, THEIRS = keys.make()


def identity(recipients: Sequence[str], what: str) -> Secret:
    return keys.fitting([MINE], recipients, what)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "it's $a"
    (root / "up").mkdir(parents=True)
    (root / "da ta").mkdir()
    (root / "up/secret").write_bytes(PLAIN)
    fill(root / DB, 5)
    return root


@pytest.fixture
def told() -> list[Any]:
    """Everything that was told of the work."""
    return []


@pytest.fixture
def place(root: Path, told: list[Any]) -> Iterator[Any]:
    """Makes a target that encrypts to these keys."""
    opened = []

    def at(encrypt_to: tuple[str, ...] | None = (PUBLIC, THEIRS)) -> Any:
        sources = (Sqlite(path=DB), Files(paths=("up",)))
        host = Host(name="local", path=str(root), backup=Backup(sources=sources, encrypt_to=encrypt_to))
        opened.append(connect(host, told.append))
        return opened[-1]

    yield at
    for one in opened:
        one.close()


def run(target: Any, what: Any) -> Record:
    return carry_out(Task("test", what, known={**take.RECOVERIES, **RECOVERIES}), [target])


def backup(target: Any) -> dict[str, Any]:
    record = run(target, lambda run: take.steps(run, take.Options()))
    assert record.ok, record.hosts[0].error
    return record.hosts[0].result


def restore(target: Any, file: str | None, **options: Any) -> Record:
    given = {"identity": identity, **options}
    return run(target, lambda run: steps(run, Options(file, root=Path(target.root), **given)))


def why(record: Record) -> str:
    assert not record.ok
    return str((record.hosts[0].error or {})["what"])


def in_clear(root: Path) -> list[str]:
    """The files below the sets that hold what only the owner may read."""
    marks = (PLAIN[:60], b"SQLite format 3")
    files = [path for path in (root / "backups").rglob("*") if path.is_file()]
    return [path.name for path in files if any(mark in path.read_bytes() for mark in marks)]


def test_there_and_back(place: Any, root: Path) -> None:
    target = place()
    made = backup(target)
    folder = Path(made["folder"])
    artifacts = [path.name for path in folder.iterdir() if path.name != "manifest.json"]
    assert len(artifacts) == 2 and all(name.endswith(".gz.age") for name in artifacts)
    assert in_clear(root) == []
    (root / "up/secret").write_bytes(b"lost")
    fill(root / DB, 99)
    record = restore(target, "latest")
    assert record.ok, record.hosts[0].error
    assert (root / "up/secret").read_bytes() == PLAIN
    assert rows(root / DB) == 5
    undone = restore(target, None)
    assert undone.ok, undone.hosts[0].error
    assert (root / "up/secret").read_bytes() == b"lost"
    assert rows(root / DB) == 99
    assert in_clear(root) == []
    assert [path.name for path in (root / ".opslib").iterdir() if path.suffix == ".key"] == []


def test_each_key_reads_it_and_no_other(place: Any, root: Path) -> None:
    target = place()
    backup(target)
    assert restore(target, "latest", identity=lambda to, what: keys.fitting([OTHER], to, what)).ok
    third, public = keys.make()
    said = why(restore(target, "latest", identity=lambda to, what: keys.fitting([third], to, what)))
    assert public in said and PUBLIC in said
    assert "no identity is there" in why(restore(target, "latest", identity=None))
    lying = why(restore(target, "latest", identity=lambda *_: third))  # nothing is overwritten by what it cannot read
    assert "age" in lying
    assert (root / "up/secret").read_bytes() == PLAIN


def verified(target: Any, **options: Any) -> dict[str, Any]:
    record = look_on("verify", [target], lambda run: verify.verify(run, **options))
    return {**record.hosts[0].result, "error": record.hosts[0].error}


def test_verified_with_and_without_the_key(place: Any, told: list[Any]) -> None:
    target = place()
    folder = Path(backup(target)["folder"])
    blind = verified(target)
    assert [one["content"] for one in blind["artifacts"]] == ["", ""]
    assert "contents not read" in str(told)
    assert all(one["content"] == "python" for one in verified(target, identity=identity)["artifacts"])
    # what is inside is broken, and digest and length are those of the manifest
    artifact = next(path for path in folder.iterdir() if path.name.startswith("sqlite"))
    data = bytearray(artifact.read_bytes())
    data[-1] ^= 1
    artifact.chmod(0o600)
    artifact.write_bytes(data)
    manifest = folder / "manifest.json"
    text = json.loads(manifest.read_text())
    for one in text["artifacts"]:
        if one["file"] == artifact.name:
            one["sha256"] = hashlib.sha256(data).hexdigest()
    manifest.chmod(0o600)
    manifest.write_bytes(seal(json.dumps(text, indent=2).encode() + b"\n"))
    found = verified(target, identity=identity)
    assert "decrypt" in str(found["error"])
    assert (folder / "damaged").exists()
    verified(target)
    assert (folder / "damaged").exists(), "who has not read the contents cannot say that they are well"


def test_no_set_in_clear_beside_encrypted_ones_by_mistake(place: Any, told: list[Any]) -> None:
    backup(place())
    said = why(run(place(None), lambda run: take.steps(run, take.Options())))
    assert f"the newest set is encrypted to {PUBLIC}, {THEIRS}" in said
    record = run(place(()), lambda run: take.steps(run, take.Options()))
    assert record.ok
    assert "from this set on sets are in clear" in str(told)
    told.clear()
    backup(place((THEIRS,)))
    assert "from this set on" not in str(told)


def write_all(sealing: Sealing, blocks: int) -> None:
    for _ in range(blocks):
        sealing.write(os.urandom(65536))
    sealing.finish()


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    out = Digesting(tmp_path / "x.age", 0)
    out.room = 200_000
    sealing = Sealing(out, [PUBLIC])
    with pytest.raises(OSError, match="full up to the reserve"):
        write_all(sealing, 100)


def test_an_identity_from_a_file(tmp_path: Path) -> None:
    text = f"# created: 2026\n# public key: {PUBLIC}\n{MINE.reveal()}\n\n{OTHER.reveal()}\n".encode()
    found = keys.from_text(text, "x")
    assert [one.reveal() for one in found] == [MINE.reveal(), OTHER.reveal()]
    assert keys.fitting(found, [THEIRS], "x").reveal() == OTHER.reveal()
    for bad in (b"", b"# nothing\n", PUBLIC.encode(), b"AGE-SECRET-KEY-1QQ\n", b"\xff\xfe", text + b"hello\n"):
        with pytest.raises(BadSettings, match="holds no identity of age"):
            keys.from_text(bad, "x")


def test_an_identity_with_a_passphrase() -> None:
    sealed = pyrage.passphrase.encrypt(MINE.reveal().encode(), "pass phrase")
    assert keys.from_text(sealed, "x", lambda _: "pass phrase")[0].reveal() == MINE.reveal()
    with pytest.raises(BadSettings, match="not its passphrase"):
        keys.from_text(sealed, "x", lambda _: "pass")
    with pytest.raises(BadSettings, match="nobody is there to type it"):
        keys.from_text(sealed, "x")
