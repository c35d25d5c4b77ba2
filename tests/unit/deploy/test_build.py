"""What is said and refused before a build, which images count as the same after it, what git says of a folder."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from opslib.compose.project import Project, parse_project
from opslib.deploy import pins, preflight, sources
from opslib.deploy.advice import advise, weigh
from opslib.deploy.build import chosen
from opslib.deploy.sizes import limit_of
from opslib.deploy.staged import _files
from opslib.errors import BadSettings, OpsError
from opslib.events import Event, Note
from opslib.images.info import ImageInfo
from opslib.images.revision import Revision
from opslib.run.step import Run
from opslib.settings.model import Build, Host
from opslib.state.releases import Pin, Release
from opslib.target.connect import connect


def project(root: Path, **services: Any) -> Project:
    built = {"api": {"build": {"context": str(root / "api"), "dockerfile": "Dockerfile"}}, "db": {"image": "pg:15"}}
    return parse_project({"name": "p", "services": {**built, **services}}, root=str(root))


def notes(root: Path, wanted: Project, services: list[str], revision: Revision | None = None) -> list[tuple[str, bool]]:
    events: list[Event] = []
    target = connect(Host(name="h", path=str(root)), events.append)
    advise(Run("1", "build", target, ()), wanted, services, revision)
    return [(event.text, event.warning) for event in events if isinstance(event, Note)]


def test_a_context_is_weighed_with_what_is_ignored_left_out(tmp_path: Path) -> None:
    api = tmp_path / "api"
    (api / ".git").mkdir(parents=True)
    for name, size in (("Dockerfile", 10), ("big", 3_000_000), ("small", 5), (".git/pack", 2_000_000), ("x.log", 9)):
        (api / name).write_bytes(b"x" * size)
    one = weigh(api, api / "Dockerfile")
    assert (one.bytes, one.ignores, one.too_big) == (5_000_024, False, False)
    assert one.biggest[:2] == (("big", 3_000_000), (".git/pack", 2_000_000))
    (api / ".dockerignore").write_text(".git\n*.log\n")
    assert (weigh(api, api / "Dockerfile").bytes, weigh(api, api / "Dockerfile").ignores) == (3_000_015 + 11, True)
    (api / "huge").touch()
    with (api / "huge").open("r+b") as file:
        file.truncate(200_000_000)
    assert weigh(api, api / "Dockerfile").too_big


def test_what_is_said_before_a_build(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api/Dockerfile").write_text("FROM x\n")
    said = notes(tmp_path, project(tmp_path), ["api"], Revision("a" * 40, 0, dirty=True))
    assert [warning for _, warning in said] == [True, False]
    assert "19700101-000000.aaaaaaa.dirty" in said[0][0]
    assert said[1][0].endswith("has 7 B and no .dockerignore; biggest: Dockerfile 7 B")
    (tmp_path / "api/.dockerignore").write_text("x\n")
    assert notes(tmp_path, project(tmp_path), ["api"], Revision("a" * 40, 0)) == []
    with (tmp_path / "api/dump.sql").open("wb") as file:
        file.truncate(150_000_000)
    ((text, warning),) = notes(tmp_path, project(tmp_path), ["api"])
    assert warning
    assert "has 150 MB; biggest: dump.sql 150 MB," in text


def test_a_password_in_an_arg_is_named_and_not_told(tmp_path: Path) -> None:
    build = {"context": "https://example.com/x.git", "args": {"NPM_TOKEN": "hunter2", "COLOR": "blue"}}
    ((text, warning),) = notes(tmp_path, project(tmp_path, web={"build": build}), ["web"])
    assert warning
    assert text.startswith("build arg NPM_TOKEN of web: ")
    assert "hunter2" not in text


def test_which_services_are_built(tmp_path: Path) -> None:
    one = project(tmp_path)
    assert chosen(one, (), "h") == chosen(one, ("api",), "h") == ["api"]
    with pytest.raises(BadSettings, match="'db' has no `build:`"):
        chosen(one, ("db",), "h")
    with pytest.raises(BadSettings, match="did you mean 'api'"):
        chosen(one, ("apj",), "h")


def test_limits(tmp_path: Path) -> None:
    services = project(tmp_path).services
    limits = Build(size_limit={"api": 5, "*": 9})
    assert limit_of("api", services["api"], limits) == 5
    assert limit_of("db", services["db"], limits) is None  # nobody here makes it smaller
    assert limit_of("db", services["db"], Build(size_limit={"db": 7})) == 7
    assert limit_of("api", services["api"], Build(size_limit={"*": 9})) == 9


def test_an_image_that_only_another_commit_made_is_the_same(tmp_path: Path) -> None:
    last = Release(id="R1", at="t", by="me", project="p", outcome="good", images={"api": Pin("web", "w1", "web:R1")})
    there = {"web:R1": ImageInfo("w1", ("l",), "same", 1, "amd64"), "web": ImageInfo("w2", ("l",), "same", 1, "amd64")}
    kept = pins.kept_of("web", last, there)
    assert kept is not None
    assert pins.pin("web", there, kept, "R2", {}) == kept
    other = {**there, "web": ImageInfo("w2", ("l",), "other", 1, "amd64")}
    assert pins.pin("web", other, kept, "R2", {}).tag == "web:opslib-R2"


def test_an_image_for_another_processor_is_refused(tmp_path: Path) -> None:
    one = project(tmp_path)
    preflight.refuse_other_platform(one, ["api"], "linux/amd64", "amd64", "h")
    with pytest.raises(OpsError, match=r"api would be built for linux/arm64, and the server is linux/amd64") as caught:
        preflight.refuse_other_platform(one, ["api"], "linux/arm64", "amd64", "h")
    assert "platform: linux/amd64" in (caught.value.next or "")
    emulated = project(tmp_path, api={"build": {"context": "."}, "platform": "linux/arm64"})
    preflight.refuse_other_platform(emulated, ["api"], "linux/arm64", "amd64", "h")


def test_what_a_build_on_a_server_is_sent(tmp_path: Path) -> None:
    for path in ("api/src/a", "api/x.log", "lib/b", "keys/token", "docker/Dockerfile"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    (tmp_path / "api/.dockerignore").write_text("*.log\n.dockerignore\n")
    config: dict[str, Any] = {
        "name": "p",
        "services": {"api": {"build": {
            "context": str(tmp_path / "api"), "dockerfile": "../docker/Dockerfile", "secrets": [{"source": "token"}],
            "additional_contexts": {"lib": str(tmp_path / "lib"), "base": "docker-image://x"},
        }}},
        "secrets": {"token": {"file": str(tmp_path / "keys/token")}},
    }  # fmt: skip
    one = parse_project(config, root=str(tmp_path))
    sent = set(_files(one, "api", tmp_path))
    assert sent == {"api/src/a", "api/.dockerignore", "lib/b", "keys/token", "docker/Dockerfile"}
    with pytest.raises(BadSettings, match="not below"):
        list(_files(one, "api", tmp_path / "api"))


def test_git_tells_the_commit_its_time_and_where_it_is_from(tmp_path: Path) -> None:
    here = connect(Host(name="local", path=str(tmp_path)))

    def git(*words: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        env = {"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": "2026-11-29T22:34:31Z", "HOME": str(tmp_path)}
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, env=env, capture_output=True)

    assert sources.git(here, tmp_path) is None
    git("init", "-q")
    before = sources.git(here, tmp_path)
    assert before is not None
    assert before.revision is None
    (tmp_path / "a b").write_text("1")
    git("add", "-A")
    git("commit", "-qm", "one")
    found = sources.git(here, tmp_path)
    assert found is not None
    assert (found.tracked, found.dirty, found.source) == (("a b",), False, None)
    assert found.revision is not None
    assert found.revision.version == f"20261129-223431.{str(found.commit)[:7]}"
    git("remote", "add", "origin", "https://example.com/x.git")
    (tmp_path / "a b").write_text("2")
    again = sources.git(here, tmp_path)
    assert again is not None
    assert again.revision == Revision(str(found.commit), found.revision.time, True, "https://example.com/x.git")
