"""What git says of a project since its last release."""

from __future__ import annotations

import subprocess
from pathlib import Path

from opslib.deploy.diff import commits, new_migrations
from opslib.settings.model import Host
from opslib.target.connect import connect


def git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    return subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True, text=True).stdout


def test_commits_of_a_path(tmp_path: Path) -> None:
    root = tmp_path / "a 'b'"
    (root / "web app").mkdir(parents=True)
    git(root, "init", "-q")

    def commit(path: str, subject: str) -> str:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(subject)
        git(root, "add", "-A")
        git(root, "commit", "-qm", subject)
        return git(root, "rev-parse", "HEAD").strip()

    first = commit("web app/a", "first")
    commit("other", "elsewhere")
    last = commit("web app/a", "Mend 'it' $x")
    here = connect(Host(name="local", path=str(root)))
    found = commits(here, root, first, [str(root / "web app")])
    assert found == {"since": first[:12], "count": 1, "newest": [f"{last[:7]} Mend 'it' $x"]}
    assert (commits(here, root, first, ()) or {})["count"] == 2
    assert (commits(here, root, last, ()) or {}) == {"since": last[:12], "count": 0, "newest": []}
    assert commits(here, root, None, ()) is None
    assert commits(here, root, "0" * 40, ()) is None
    commit("web app/versions/1_a.py", "one")
    before = commit("migrations/0001.sql", "two")
    commit("web app/versions/2 'b'.py", "three")
    commit("db/V2__more.sql", "four")
    commit("web app/versions/1_a.py", "changed")
    assert new_migrations(here, root, before) == ["db/V2__more.sql", "web app/versions/2 'b'.py"]
    everything = ["db/V2__more.sql", "migrations/0001.sql", "web app/versions/1_a.py", "web app/versions/2 'b'.py"]
    assert new_migrations(here, root, None) == new_migrations(here, root, "0" * 40) == everything
