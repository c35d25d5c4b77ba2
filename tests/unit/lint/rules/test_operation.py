"""Logs, restarts, limits, versions, names."""

from __future__ import annotations

from pathlib import Path

import pytest

from opslib.lint.model import Facts, ImageFacts
from opslib.lint.rule import REMOVE
from opslib.lint.rules.rolling import Upstream, upstreams
from tests.unit.lint.rules.stacks import found, model


def web(*lines: str, image: str = "app:1", more: str = "") -> str:
    return "\n".join(["services:", "  web:", f"    image: {image}", *(f"    {line}" for line in lines)]) + more


@pytest.mark.parametrize(
    "lines, wanted",
    [
        ([], 2),
        (["logging: {driver: json-file}"], 4),
        (["logging: {options: {max-file: '3'}}"], 4),
        (["logging: {options: {max-size: 10m}}"], 0),
        (["logging: {driver: local}"], 0),
        (["logging: {driver: journald}"], 0),
        (["logging: {driver: none}"], 0),
    ],
)
def test_logs_that_grow(tmp_path: Path, lines: list[str], wanted: int) -> None:
    told = found(model(tmp_path, web(*lines)), "no-log-rotation")
    assert [one.place.line for one in told] == ([wanted] if wanted else [])
    for one in told:
        assert (one.edit is None) is bool(lines)
    if not lines:
        assert told[0].edit and told[0].edit.path == ("services", "web", "logging")


@pytest.mark.parametrize(
    "lines, wanted",
    [
        ([], True),
        (["restart: always"], False),
        (["restart: 'no'"], False),
        (["restart: on-failure:3"], False),
        (["deploy: {restart_policy: {condition: any}}"], False),
        (["deploy: {restart_policy: {condition: none}}"], False),
    ],
)
def test_services_that_stay_down(tmp_path: Path, lines: list[str], wanted: bool) -> None:
    assert bool(found(model(tmp_path, web(*lines)), "no-restart-policy")) is wanted


def test_jobs_end_and_that_is_right(tmp_path: Path) -> None:
    text = """services:
  web: {image: app, restart: always, depends_on: {prepare: {condition: service_completed_successfully}}}
  prepare: {image: app}
  db-migrate: {image: app}
  init: {image: app, ports: ['80:80']}
"""
    assert [one.service for one in found(model(tmp_path, text), "no-restart-policy")] == ["init"]


def test_no_memory_limit_says_what_is_used_now(tmp_path: Path) -> None:
    (one,) = found(model(tmp_path, web(), facts=Facts(memory={"web": 312_000_000})), "no-memory-limit")
    assert "it uses 312 MB now" in one.what and one.fix == "mem_limit: 1024m"
    (one,) = found(model(tmp_path, web()), "no-memory-limit")
    assert "now" not in one.what
    for line in ("mem_limit: 1g", "deploy: {resources: {limits: {memory: 1G}}}"):
        assert found(model(tmp_path, web(line)), "no-memory-limit") == []


@pytest.mark.parametrize(
    "image, rule",
    [
        ("postgres", "database-latest"), ("qdrant/qdrant:latest", "database-latest"), ("nginx", "latest-tag"),
        ("grafana/grafana:main", "latest-tag"), ("postgres:15", ""), ("nginx:1", ""), ("reg:5000/nginx", "latest-tag"),
        ("nginx@sha256:" + "a" * 64, ""), ("nginx:latest@sha256:" + "a" * 64, ""),
    ],
)  # fmt: skip
def test_versions(tmp_path: Path, image: str, rule: str) -> None:
    seen = model(tmp_path, web(image=image))
    assert [name for name in ("database-latest", "latest-tag") for _ in found(seen, name)] == [rule][: bool(rule)]
    assert found(model(tmp_path, web("build: .", image="app:latest")), "latest-tag") == []
    shared = web("build: .", image="app", more="\n  worker: {image: app, pull_policy: never}\n")
    assert found(model(tmp_path, shared), "latest-tag") == [], "another service builds it"


def test_the_version_key(tmp_path: Path) -> None:
    (one,) = found(model(tmp_path, "version: '3.8'\n" + web()), "version-key")
    assert one.place.line == 1 and one.edit is not None and one.edit.value is REMOVE
    assert found(model(tmp_path, web()), "version-key") == []


def test_another_kind_of_processor(tmp_path: Path) -> None:
    facts = Facts(images={"app:1": ImageFacts(arch="arm64")}, host_arch="amd64")
    assert len(found(model(tmp_path, web(), facts=facts), "wrong-architecture")) == 1
    assert found(model(tmp_path, web("platform: linux/arm64"), facts=facts), "wrong-architecture") == []
    same = Facts(images={"app:1": ImageFacts(arch="amd64")}, host_arch="x86_64")
    assert found(model(tmp_path, web(), facts=same), "wrong-architecture") == []
    assert found(model(tmp_path, web()), "wrong-architecture") == []


def test_two_that_answer_to_one_name(tmp_path: Path) -> None:
    text = """services:
  db: {image: 'postgres:15', networks: [back]}
  old: {image: 'mysql:8', networks: {back: {aliases: [db, old-db]}}}
  blue: {image: 'app:1', networks: {back: {aliases: [app]}}}
  green: {image: 'app:1', networks: {back: {aliases: [app]}}}
  far: {image: 'mysql:8', networks: {front: {aliases: [db]}}}
  named: {image: 'app:2', container_name: old, networks: [back]}
networks: {back: , front: }
"""
    told = [(one.service, one.place.line) for one in found(model(tmp_path, text), "alias-collision")]
    assert told == [("old", 3), ("named", 7)]


@pytest.mark.parametrize(
    "lines, wanted",
    [
        (["deploy: {replicas: 3}", "ports: ['80:80']"], 1),
        (["scale: 2", "ports: ['80:80']"], 1),
        (["deploy: {replicas: 3}", "ports: ['8001-8003:80']"], 0),
        (["deploy: {replicas: 3}", "ports: ['8001-8002:80']"], 1),
        (["deploy: {replicas: 3}", "ports: ['80']"], 0),
        (["deploy: {replicas: 3, update_config: {order: start-first}}", "ports: ['80:80']"], 0),
        (["ports: ['80:80']"], 0),
    ],
)
def test_several_containers_and_one_port(tmp_path: Path, lines: list[str], wanted: int) -> None:
    assert len(found(model(tmp_path, web(*lines)), "replicas-host-port")) == wanted


def test_what_blocks_rolling(tmp_path: Path) -> None:
    api = web("build: .", "ports: ['127.0.0.1:8000:8000']", "container_name: shop-api")
    seen = model(tmp_path, api)
    assert [one.place.line for one in found(seen, "host-port")] == [5]
    (one,) = found(seen, "container-name")
    assert one.place.line == 6 and "without a gap" in one.what
    for other in (
        web("build: .", "ports: ['8000:8000']", "volumes: ['./data:/data']"),
        web("ports: ['80:80']", image="nginx:1"),
        web("build: .", "ports: ['80']"),
        web("ports: ['5432:5432']", image="postgres:15"),
    ):
        assert found(model(tmp_path, other), "host-port") == []
    (one,) = found(model(tmp_path, web("container_name: db", image="postgres:15")), "container-name")
    assert "without a gap" not in one.what


NGINX = """http {
  upstream embedding {
    least_conn;
    server embedding-service:3579 max_fails=3;
    server embedding-service:3579 max_fails=3;
    server embedding-service:3579 max_fails=3;
  }
  upstream two { server a:1; server b:1 backup; }
}
"""


def test_an_upstream_of_one_server_three_times(tmp_path: Path) -> None:
    assert upstreams(NGINX) == [Upstream("embedding", "embedding-service:3579", 3)]
    assert upstreams("upstream x { server a; server a; }")[0].times == 2, "a file of conf.d"
    (one,) = found(model(tmp_path, web(), facts=Facts(files={"nginx.conf": NGINX})), "identical-upstreams")
    assert (one.place.file, one.place.line) == ("nginx.conf", 4)


@pytest.mark.parametrize(
    "text", ["", "}", "upstream", "upstream {", "upstream x {" * 5000, "server a;" * 9, "\0'\"{upstream"]
)
def test_what_is_no_configuration_of_nginx(text: str) -> None:
    assert upstreams(text) == []
