"""Files put in place and back on this machine: the bash text itself, with hard names, cut off anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opslib.command import bash
from opslib.compose.project import Project
from opslib.deploy import place, switch
from opslib.deploy.files import There
from opslib.errors import OpsError
from opslib.migrate import run as migration
from opslib.migrate.tools import commands
from opslib.settings.model import Host, Migrate
from opslib.target.base import Target
from opslib.target.connect import connect

NAMES = ["plain", "a dir/b", "-dash", "é $x 'q'", 'new\nline/"deep"/er', "back\\slash"]


@pytest.fixture
def target(tmp_path: Path) -> Target:
    (tmp_path / "root").mkdir()
    return connect(Host(name="local", path=str(tmp_path / "root")))


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in root.rglob("*")
        if path.is_file() and ".opslib" not in path.parts
    }


def send(target: Target, tmp_path: Path, names: list[str], remove: list[str]) -> str:
    source = tmp_path / "source"
    source.write_text("new")
    stage = f"{target.state}/staging/run"
    files: dict[str, tuple[int, Path | bytes]] = dict.fromkeys(names, (493, source))
    sha = "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"
    place.send(target, stage, files, write=names, remove=remove, digests=dict.fromkeys(names, sha))
    return stage


def test_apply_and_back(target: Target, tmp_path: Path) -> None:
    root = Path(target.root)
    for name in (NAMES[0], NAMES[2], "goes/away"):
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text("old")
        (root / name).chmod(0o600)
    (root / "data").mkdir()
    before = tree(root)
    stage = send(target, tmp_path, NAMES, ["goes/away"])
    assert tree(root) == before
    place.back(target, stage)
    assert tree(root) == before
    place.apply(target, stage)
    assert tree(root) == dict.fromkeys(NAMES, (b"new", 493))
    assert not (root / "goes").exists()
    for _ in range(2):
        place.back(target, stage)
        assert tree(root) == before
    assert sorted(os.listdir(root)) == sorted(["plain", "-dash", "goes", "data", ".opslib"])


def test_what_arrives_damaged_is_refused(target: Target, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("other")
    with pytest.raises(OpsError, match="FAILED"):
        place.send(target, f"{target.state}/staging/run", {"f": (0o644, tmp_path / "f")}, digests={"f": "0" * 64})


def test_an_empty_and_a_long_file(target: Target, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(os.urandom(700_000))
    stage = f"{target.state}/staging/run"
    place.send(target, stage, {"empty": (0o600, b""), "big": (0o640, big), "x" * 180: (0o644, b"long name")})
    assert (Path(stage) / "new/big").read_bytes() == big.read_bytes()
    assert (Path(stage) / "new/empty").read_bytes() == b""
    assert (Path(stage) / "new" / ("x" * 180)).read_bytes() == b"long name"
    assert oct(Path(stage).stat().st_mode & 0o777) == "0o700"


def test_there(target: Target) -> None:
    root = Path(target.root)
    for name in NAMES:
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text("new")
    (root / NAMES[0]).chmod(0o755)
    (root / "folder").mkdir()
    found = place.there(target, target.root, [*NAMES, "absent", "folder"])
    sha = "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"
    assert found[NAMES[0]] == There(sha, True)
    assert all(found[name] == There(sha) for name in NAMES[1:])
    assert "absent" not in found
    assert found["folder"].sha256 == ""
    assert place.there(target, target.root, []) == {}


def test_cut_off_in_the_middle_it_still_goes_back(target: Target, tmp_path: Path) -> None:
    """Killed after each single rename: `back` must find the old files whatever was done."""
    root = Path(target.root)
    for count in range(len(NAMES) + 1):
        target.run(bash('cd -- "$1" && rm -rf -- ./* .opslib/staging', target.root))
        for name in NAMES[:3]:
            (root / name).parent.mkdir(exist_ok=True, parents=True)
            (root / name).write_text("old")
        before = tree(root)
        stage = send(target, tmp_path, NAMES, [])
        script = f'n=0; mv() {{ ((n++ < {count})) || kill -9 $$; command mv "$@"; }}\n'
        stages = place._place(target.root, stage, "apply").stages[0].argv
        target.run(bash(script + stages[2], *stages[4:]), check=False)
        place.back(target, stage)
        assert tree(root) == before, count


def test_the_watchdogs_script_is_bash_without_secrets() -> None:
    host = Host(name="h", path="/srv/a b", docker=("sudo", "-n", "docker"))
    project = Project("shop", {}, root="/srv/a b", files=("/srv/a b/.opslib/releases/R1/stack.yml",))
    text = switch.back_script(host, "/srv/a b", project, "/srv/a b/.opslib/staging/R2")
    up = (
        "sudo -n docker compose --project-name shop --project-directory '/srv/a b' "
        "--file '/srv/a b/.opslib/releases/R1/stack.yml' --ansi never up --detach --no-build --remove-orphans --"
    )
    assert text.count(up) == 2
    assert "'/srv/a b' '/srv/a b/.opslib/staging/R2' back || exit" in text
    some = switch.back_script(host, "/srv/a b", project, None, ["api", "web"])
    assert some.count("up --detach --no-build --no-deps --remove-orphans -- api web") == 2
    target = connect(Host(name="local", path="/"))
    target.run(bash('bash -n <<<"$1"', text))


def test_migration_commands() -> None:
    host = Host(name="h", path="/srv")
    project = Project("shop", {}, root="/srv", files=("s.yml",))
    spec = Migrate(service="api", up=("alembic", "upgrade", "head"), status=("alembic", "current"), timeout=7)
    run = (
        "docker compose --project-name shop --project-directory /srv --file /srv/s.yml --ansi never run --rm --no-deps"
    )
    found = migration.migrate_command(host, project, spec, "n", commands(spec).up)
    assert found.masked() == f"bash -c 'exec \"$@\" 2>&1' opslib {run} --no-TTY --name n -- api alembic upgrade head"
    assert found.limit == 7
    assert found.on_break is not None
    assert found.on_break.masked() == "docker rm -f n"
    assert (
        migration.status_command(host, project, spec, "n").masked() == f"{run} --no-TTY --name n -- api alembic current"
    )
