"""How an archive of MongoDB is put back, and what is said when it cannot be."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opslib.backup.mongo import _WITNESS, reader
from opslib.backup.mongo_replace import _dropping, _options
from opslib.engines.instance import Instance
from opslib.engines.mongo import WITH_PASSWORD, refused
from opslib.engines.mongo_inventory import contents, facts_of
from tests.programs.test_mongo_archive import WHOLE, beginning


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({"name": "", "source": "", "whole": True, "accounts": True, "replay": False}, []),
        ({"name": "", "source": "", "whole": True, "accounts": True, "replay": True}, ["--oplogReplay"]),
        ({"name": "", "source": "", "whole": True, "accounts": False, "replay": False},
         ["--nsExclude=admin.system.users", "--nsExclude=admin.system.roles"]),
        ({"name": "a", "source": "a", "whole": False, "accounts": True, "replay": False},
         ["--db=a", "--restoreDbUsersAndRoles"]),
        ({"name": "a*", "source": "a*", "whole": False, "accounts": False, "replay": False}, ["--nsInclude=a\\*.*"]),
        ({"name": "b", "source": "-a", "whole": False, "accounts": False, "replay": False},
         ["--nsInclude=-a.*", "--nsFrom=-a.*", "--nsTo=b.*"]),
    ],
)  # fmt: skip
def test_the_options_of_mongorestore(given: dict[str, Any], options: list[str]):
    assert _options(**given) == options


def test_a_database_of_which_nothing_is_kept_goes_whole():
    gone = ["a.x", "a.y", "b.new.x", "admin.mine"]
    assert _dropping(gone, {"b.old"}) == [
        'db.getSiblingDB("a").runCommand({"dropDatabase": 1})', 'db.getSiblingDB("b").runCommand({"drop": "new.x"})',
        'db.getSiblingDB("admin").runCommand({"drop": "mine"})',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "what", "following"),
    [
        ('Failed: error: (Unauthorized) not authorized on admin to execute command { find: "system.users", $db: 1 }',
         "user 'app' may not run find on database admin", '"backup"'),
        ('MongoServerError[Unauthorized]: not authorized on shop to execute command { "listCollections": 1 }',
         "may not run listCollections on database shop", "grantRolesToUser"),
        ('unable to authenticate using mechanism "SCRAM-SHA-256": (AuthenticationFailed) Authentication failed.',
         "does not take the password of user 'app'", "backup: sources:"),
        ("command listDatabases requires authentication", "asks for a password", "backup: sources:"),
        ("Failed: unexpected EOF", "unexpected EOF", "docker logs"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(said: str, what: str, following: str):
    at = Instance("mongo", "db", "p-db-1", "mongo:7", "7", "/data/db", 1, "999:999", 27017,
                  env={"MONGO_USER": "app", "MONGO_AUTH_DATABASE": "admin"})  # fmt: skip
    target: Any = SimpleNamespace(host=SimpleNamespace(name="prod"))
    error = refused(target, at, said)
    assert what in error.what
    assert following in str(error.next)


def witness(folder: Path, archive: bytes, code: int = 0) -> tuple[subprocess.CompletedProcess[bytes], str]:
    """The pipeline of a dump with a program in mongodump's place that says and writes this."""
    (folder / "archive").write_bytes(archive)
    said = r"printf 'now\tdone dumping `shop.orders` (400 documents)\nnow\t[###...]  shop.orders  1/4\n' >&2"
    program = f'{said}; cat "$1"; exit {code}'
    words = ["bash", "-c", 'exec 4>"$1"; shift; exec "$@"', "x", str(folder / "told"), "bash", "-c", _WITNESS, "x",
             reader(), "sh", "-c", program, "mongodump", str(folder / "archive")]  # fmt: skip
    done = subprocess.run(words, capture_output=True, check=False)
    return done, (folder / "told").read_text()


def test_a_dump_is_read_while_it_is_written(tmp_path: Path):
    done, told = witness(tmp_path, WHOLE)
    assert (done.returncode, done.stdout, done.stderr) == (0, WHOLE, b"")
    lines = told.splitlines()
    assert lines[-1] == "log now\tdone dumping `shop.orders` (400 documents)"
    seen = contents(lines[:-1])
    assert (seen.whole, seen.inventory.counts) == (True, {"shop.orders": 400, "shop.empty": 0})
    assert facts_of(seen, "")["users"] == 1


@pytest.mark.parametrize(("archive", "code"), [(WHOLE, 1), (WHOLE[:-3], 0), (b"", 0), (beginning()[:-1], 0)])
def test_a_dump_that_fails_or_is_cut_fails(tmp_path: Path, archive: bytes, code: int):
    done, told = witness(tmp_path, archive, code)
    assert done.returncode != 0
    assert b"done dumping" in done.stderr
    assert "log" not in told


def test_a_tool_gets_its_password_in_a_file_that_goes(tmp_path: Path):
    tool = tmp_path / "tool"
    tool.write_text('#!/bin/sh\ncat "${1#--config=}"; stat -c %a "${1#--config=}"; echo "$2 [$MONGO_CONFIG]"; exit 3\n')
    tool.chmod(0o755)
    env = {"PATH": "/usr/bin:/bin", "MONGO_CONFIG": 'password: "p\'$x"'}
    done = subprocess.run(["sh", "-c", WITH_PASSWORD, "sh", str(tool), "-x"], env=env, capture_output=True, check=False)
    assert (done.returncode, done.stdout.decode()) == (3, 'password: "p\'$x"\n600\n-x []\n')
    assert not list(Path("/dev/shm").glob("opslib-mongo.*"))
