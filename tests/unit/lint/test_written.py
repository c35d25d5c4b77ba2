"""Where an entry of the resolved stack is written."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.lint.written import Written, read

BASE = """\
x-logging: &logging
  driver: json-file
  options: {max-size: 10m}
x-both: &both
  restart: always
  environment: &env
    TZ: UTC
services:
  db:
    <<: *both
    image: postgres:16
    logging: *logging
    ports:
      - "5432:5432"
      - 127.0.0.1:${ADMIN_PORT}:5433/tcp
      - target: 9000
        published: "9001"
    volumes:
      - data:/var/lib/postgresql/data
      - ./init:/docker-entrypoint-initdb.d:ro
      - type: tmpfs
        target: /tmp
    environment:
      - POSTGRES_PASSWORD=${DB_PASSWORD:?set it}
      - POSTGRES_USER=app
      - TOKEN
    command: ["postgres", "-c", "max_connections=${MOST:-100}"]
  web:
    extends: {file: base/common.yml, service: app}
    build: .
    depends_on: [db]
    env_file:
      - web.env
      - path: local.env
        required: false
volumes:
  data:
"""
OVER = """\
services:
  db:
    image: postgres:17
    ports:
      - "6432:5434"
    volumes:
      - ./more:/more
  web:
    environment:
      URL: http://${HOST}:80
      DEBUG:
"""
COMMON = """\
services:
  app:
    restart: unless-stopped
    ports: ["80:80"]
    extends: {service: root}
  root:
    user: "1000"
"""
CONFIG: dict[str, Any] = {
    "services": {
        "db": {
            "image": "postgres:17",
            "ports": [
                {"target": 5434, "published": "6432"},
                {"target": 5432, "published": "5432", "mode": "ingress", "protocol": "tcp"},
                {"target": 5433, "published": "7777", "host_ip": "127.0.0.1"},
                {"target": 9000, "published": "9001"},
            ],
            "volumes": [
                {"type": "bind", "source": "/p/init", "target": "/docker-entrypoint-initdb.d"},
                {"type": "volume", "source": "data", "target": "/var/lib/postgresql/data"},
                {"type": "bind", "source": "/p/more", "target": "/more"},
                {"type": "tmpfs", "target": "/tmp"},
            ],
            "environment": {"POSTGRES_PASSWORD": "x", "POSTGRES_USER": "app", "TOKEN": "y", "TZ": "UTC"},
            "command": ["postgres", "-c", "max_connections=100"],
        },
        "web": {
            "build": {"context": "/p", "dockerfile": "Dockerfile"},
            "environment": {"URL": "http://x:80", "FROM_FILE": "1"},
        },
    }
}


@pytest.fixture
def written(tmp_path: Path) -> Written:
    (tmp_path / "base").mkdir()
    (tmp_path / "compose.yml").write_text(BASE)
    (tmp_path / "over.yml").write_text(OVER)
    (tmp_path / "base/common.yml").write_text(COMMON)
    return read(tmp_path, ["compose.yml", "over.yml"])


def line(text: str, file: str) -> int:
    """The number of the one line of a file that has this in it."""
    (found,) = (number for number, one in enumerate(file.split("\n"), 1) if text in one)
    return found


@pytest.mark.parametrize(
    "path, file, text",
    [
        (("services", "db", "image"), "over.yml", "postgres:17"),
        (("services", "db", "restart"), "compose.yml", "restart: always"),
        (("services", "db", "logging"), "compose.yml", "logging: *logging"),
        (("services", "db", "logging", "options", "max-size"), "compose.yml", "max-size"),
        (("services", "db", "ports", 0), "over.yml", "6432:5434"),
        (("services", "db", "ports", 1), "compose.yml", "5432:5432"),
        (("services", "db", "ports", 1, "published"), "compose.yml", "5432:5432"),
        (("services", "db", "ports", 2), "compose.yml", "ADMIN_PORT"),
        (("services", "db", "ports", 3), "compose.yml", "target: 9000"),
        (("services", "db", "ports", 3, "published"), "compose.yml", "9001"),
        (("services", "db", "volumes", 0), "compose.yml", "./init:"),
        (("services", "db", "volumes", 1), "compose.yml", "data:/var"),
        (("services", "db", "volumes", 2), "over.yml", "./more:"),
        (("services", "db", "volumes", 3), "compose.yml", "type: tmpfs"),
        (("services", "db", "environment", "POSTGRES_PASSWORD"), "compose.yml", "POSTGRES_PASSWORD"),
        (("services", "db", "environment", "TOKEN"), "compose.yml", "- TOKEN"),
        (("services", "db", "command", 2), "compose.yml", "max_connections"),
        (("services", "web", "restart"), "base/common.yml", "unless-stopped"),
        (("services", "web", "user"), "base/common.yml", '"1000"'),
        (("services", "web", "environment", "URL"), "over.yml", "URL:"),
        # not written as such: the nearest above it that is
        (("services", "db", "healthcheck", "test"), "over.yml", "  db:"),
        (("services", "db", "environment", "NEVER"), "compose.yml", "environment:\n"),
        (("services", "web", "build", "context"), "compose.yml", "build: ."),
        (("services", "web", "environment", "FROM_FILE"), "over.yml", "environment:"),
        (("services", "gone"), "over.yml", "services:"),
        (("volumes", "data"), "compose.yml", "  data:"),
    ],
)  # fmt: skip
def test_an_entry_is_found_in_the_last_file_that_sets_it(
    written: Written, path: tuple[str | int, ...], file: str, text: str
) -> None:
    texts = {"compose.yml": BASE, "over.yml": OVER, "base/common.yml": COMMON}
    wanted = BASE.split("\n").index("    environment:") + 1 if text == "environment:\n" else line(text, texts[file])
    assert written.place(path, CONFIG) == (file, wanted)


@pytest.mark.parametrize(
    "path, names",
    [
        (("services", "db", "environment", "POSTGRES_PASSWORD"), {"DB_PASSWORD"}),
        (("services", "db", "environment", "POSTGRES_USER"), set()),
        (("services", "db", "environment", "TOKEN"), {"TOKEN"}),
        (("services", "web", "environment", "URL"), {"HOST"}),
        (("services", "web", "environment", "DEBUG"), {"DEBUG"}),
        (("services", "web", "environment", "FROM_FILE"), set()),
        (("services", "db", "ports", 2), {"ADMIN_PORT"}),
        (("services", "db", "command"), {"MOST"}),
        (("services", "db", "nothing"), set()),
    ],
)
def test_the_variables_of_an_entry(written: Written, path: tuple[str | int, ...], names: set[str]) -> None:
    assert written.uses(path, CONFIG) == names


def test_whether_an_entry_is_written_at_all(written: Written) -> None:
    assert written.find(("services", "db", "environment", "TOKEN"), CONFIG).exact
    assert not written.find(("services", "web", "environment", "FROM_FILE"), CONFIG).exact


def test_services_env_files_and_variables(written: Written) -> None:
    assert written.services() == ["db", "web"]
    assert written.env_files("web") == [("", "web.env")]
    assert {(one.name, one.how) for one in written.variables()} == {
        ("ADMIN_PORT", ""), ("DB_PASSWORD", ":?"), ("MOST", ":-"), ("HOST", "")
    }  # fmt: skip


def test_included_files_count_less_than_what_includes_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "compose.yml").write_text(
        "include: [sub/one.yml, {path: [sub/two.yml]}]\nservices: {web: {image: a}}\n"
    )
    (tmp_path / "sub/one.yml").write_text("services:\n  db:\n    image: b\n")
    (tmp_path / "sub/two.yml").write_text("services:\n  web:\n    image: c\n    user: d\n")
    written = read(tmp_path, ["compose.yml"])
    assert written.place(("services", "web", "image"), {}) == ("compose.yml", 2)
    assert written.place(("services", "web", "user"), {}) == ("sub/two.yml", 4)
    assert written.place(("services", "db", "image"), {}) == ("sub/one.yml", 3)


def test_tags_of_compose_and_several_documents(tmp_path: Path) -> None:
    text = "services:\n  web:\n    ports: !override\n      - 80:80\n    user: !reset null\n---\nservices:\n  web:\n    image: x\n"
    (tmp_path / "compose.yml").write_text(text)
    written = read(tmp_path, ["compose.yml"])
    assert not written.unread
    config = {"services": {"web": {"ports": [{"target": 80, "published": "80"}]}}}
    assert written.place(("services", "web", "ports", 0), config) == ("compose.yml", 4)
    assert written.place(("services", "web", "image"), config) == ("compose.yml", 9)


BOMBS = {
    "aliases": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40)) + "services: {x: *a39}\n",
    "merges": "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40)) + "services:\n  x:\n    <<: *a39\n",
    "a long chain": "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  <<: *a{n - 1}\n" for n in range(1, 3000)) + "services:\n  x:\n    <<: *a2999\n",
    "extends itself": "services:\n  x: {extends: y}\n  y: {extends: {service: x}}\n",
    "includes itself": "include: [compose.yml]\nservices: {x: {}}\n",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_and_circles_take_no_time(tmp_path: Path, name: str) -> None:
    (tmp_path / "compose.yml").write_text(BOMBS[name])
    began = time.monotonic()
    written = read(tmp_path, ["compose.yml"])
    assert not written.unread
    assert bool(written.bombs) == (name in ("aliases", "merges"))
    written.place(("services", "x", "never"), {})
    written.uses(("services", "x"), {})
    list(written.variables())
    assert time.monotonic() - began < 5


def test_what_cannot_be_read_is_told_and_ends_nothing(tmp_path: Path) -> None:
    for name, text in {"a.yml": "a: [", "b.yml": "x: " + "[" * 100_000, "c.yml": "a\0b", "d.yml": "a: &x [*x]"}.items():
        (tmp_path / name).write_text(text)
    written = read(tmp_path, ["a.yml", "b.yml", "c.yml", "d.yml", "gone.yml"])
    assert set(written.unread) == {"a.yml", "b.yml", "c.yml", "d.yml"}
    assert written.unread["a.yml"].startswith("a.yml:")
    assert written.place(("services", "x"), {}) == ("gone.yml", 0)


def test_thousands_of_services(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text(
        "services:\n" + "".join(f"  s{n}:\n    image: a\n    ports: ['{n}:80']\n" for n in range(3000))
    )
    written = read(tmp_path, ["compose.yml"])
    config = {"services": {f"s{n}": {"ports": [{"target": 80, "published": str(n)}]} for n in range(3000)}}
    began = time.monotonic()
    places = [written.place(("services", f"s{n}", "ports", 0), config) for n in range(3000)]
    assert places[-1] == ("compose.yml", 9001)
    assert time.monotonic() - began < 5


NODES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 99999) | st.text("ab:$-{}/=0189", max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["services", "x", "<<", "extends", "file", "service", "include", "path", "env_file", "ports", "target"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    written=NODES,
    config=NODES,
    path=st.lists(st.sampled_from(["services", "x", "ports", "target", 0, 1, -1]), max_size=5),
)
def test_any_file_any_config_any_path(
    tmp_path_factory: pytest.TempPathFactory, written: Any, config: Any, path: list[str | int]
) -> None:
    import json

    folder = tmp_path_factory.mktemp("any")
    (folder / "compose.yml").write_text(json.dumps({"services": written}))
    found = read(folder, ["compose.yml"])
    resolved = {"services": config}
    file, number = found.place(("services", *path), resolved)
    assert file == "compose.yml"
    assert number >= (0 if found.unread else 1)
    found.uses(("services", *path), resolved)
    found.services()
    for name in found.services():
        found.env_files(name)


@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "compose.yml").write_bytes(data)
    read(folder, ["compose.yml"]).place(("services", "x", 0), {})
