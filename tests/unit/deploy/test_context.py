"""When a build is needed: the digest of its context, and what the ignore file leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

from opslib.compose.references import compose_files, project_name
from opslib.deploy.context import Ignore, build_key, files_in
from opslib.errors import BadSettings


@pytest.mark.parametrize(
    "text, path, ignored",
    [
        ("node_modules", "node_modules/a/b", True),
        ("node_modules", "sub/node_modules/a", False),
        ("**/node_modules", "sub/node_modules/a", True),
        ("**/node_modules", "node_modules/a", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "docs/x/README.md", True),
        ("*.md\n!README.md", "README.md", False),
        ("*\n!src", "src/a", False),
        ("*\n!src", "other/a", True),
        ("# note\n\n/build/", "build/x", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].txt", "b.txt", True),
        ("foo", "foobar", False),
        ("docs/**/draft", "docs/draft", True),
        ("docs/**/draft", "docs/a/b/draft/x", True),
        (".", "anything", True),
    ],
)
def test_ignore(text: str, path: str, ignored: bool) -> None:
    assert Ignore(text).ignores(path) is ignored


def make(root: Path) -> dict[str, object]:
    folder = root / "app"
    (folder / "src").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM x")
    (folder / "src/a.py").write_text("a")
    (folder / "junk.log").write_text("1")
    (folder / ".dockerignore").write_text("*.log\n")
    return {"context": str(folder), "dockerfile": "Dockerfile", "args": {"A": "1"}}


def test_the_key_changes_with_what_counts(tmp_path: Path) -> None:
    build = make(tmp_path)
    key = build_key(build, tmp_path, None)
    assert key == build_key(build, tmp_path, None)
    (tmp_path / "app/junk.log").write_text("2")
    assert key == build_key(build, tmp_path, None)
    seen = {key, build_key(build, tmp_path, "linux/arm64"), build_key({**build, "args": {"A": "2"}}, tmp_path, None)}
    (tmp_path / "app/src/a.py").write_text("b")
    seen.add(build_key(build, tmp_path, None))
    (tmp_path / "app/src/a.py").chmod(0o755)
    seen.add(build_key(build, tmp_path, None))
    (tmp_path / "app/src/link").symlink_to("a.py")
    seen.add(build_key(build, tmp_path, None))
    (tmp_path / "app/Dockerfile").write_text("FROM y")
    seen.add(build_key(build, tmp_path, None))
    assert len(seen) == 7
    assert build_key({"context": "https://example.com/x.git"}, tmp_path, None) == ""


def test_the_key_does_not_know_where_the_project_is(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = make(tmp_path / "one"), make(tmp_path / "two")
    assert build_key(first, tmp_path / "one", None) == build_key(second, tmp_path / "two", None)


def test_files_in_a_folder(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "app/.git").mkdir()
    (tmp_path / "app/.git/config").write_text("x")
    found = set(files_in(tmp_path / "app", Ignore("*.log")))
    assert found == {"Dockerfile", "src/a.py", ".dockerignore"}


def test_what_compose_files_refer_to(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(
        "name: shop\ninclude: [b.yml, {path: c.yml, env_file: inc.env}]\nservices:\n"
        "  web: {env_file: [web.env, {path: absent.env, required: false}], extends: {file: d.yml, service: x}}\n"
        "  db: {ports: !reset [], env_file: ../outside.env}\n  x: {env_file: '${VAR}.env'}\n"
        "secrets: {pw: {file: ./pw.txt}}\nconfigs: {c: {content: x}}\n"
    )
    for name in ("b.yml", "c.yml", "d.yml"):
        (tmp_path / name).write_text("services: {x: {env_file: deep.env}}\n")
    for name in ("inc.env", "web.env", "deep.env", "pw.txt"):
        (tmp_path / name).write_text("A=1\n")
    found = compose_files(tmp_path, ("a.yml",))
    assert set(found.files) == {"a.yml", "b.yml", "c.yml", "d.yml", "inc.env", "web.env", "deep.env", "pw.txt"}
    assert found.absent == ("absent.env",)
    assert set(found.private) == {"inc.env", "web.env", "deep.env", "absent.env", "pw.txt"}
    assert project_name(tmp_path, ("a.yml", "b.yml")) == "shop"
    with pytest.raises(BadSettings, match="no compose file"):
        compose_files(tmp_path, ("none.yml",))
    (tmp_path / "bad.yml").write_text("a: [1\nb: 2\n")
    with pytest.raises(BadSettings, match=r"bad.yml:\d"):
        compose_files(tmp_path, ("bad.yml",))
