"""What the rules know from a real engine, and what they say of the examples as Compose itself resolves them."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.command import command
from opslib.compose.project import Project, compose_command, parse_project
from opslib.compose.wanted import resolved
from opslib.lint import written
from opslib.lint.facts import gather
from opslib.lint.model import Model
from opslib.settings.model import Host
from opslib.target.base import Target
from opslib.target.local import Local
from tests.conftest import ROOT
from tests.unit.lint.rules.stacks import found, told

pytestmark = pytest.mark.lab

STACK = """services:
  web:
    image: ${IMAGES}busybox:1
    command: [sh, -c, "exec sleep 1000"]
    init: true
    stop_grace_period: 1s
    environment: {MODE: old}
    volumes: ["./site.conf:/site.conf:ro", "data:/data"]
    healthcheck: {test: "curl -f http://localhost || exit 1", interval: 1s, retries: 1}
  db:
    image: ${IMAGES}redis:7
    stop_grace_period: 1s
volumes: {data: }
"""
HOSTS = [
    ("productdemo", ("docker-compose.yml", "docker-compose.dev.yml")),
    ("productdemo", ("docker-compose.yml", "docker-compose.prod.yml")),
    ("productdemo", ("docker-stack.yml",)),
    ("rag-engine-mini", ("docker-compose.yml",)),
    ("research-dashboard", ("docker-compose.yml",)),
    ("vocabulo", ("docker-compose.yml",)),
]


class Small:
    """A stack on this machine that runs."""

    def __init__(self, folder: Path, images: str) -> None:
        self.folder, self.name = folder, f"rules-{uuid.uuid4().hex[:8]}"
        self.target: Target = Local(Host(name="local", path=str(folder)))
        (folder / ".env").write_text(f"IMAGES={images}\n")
        (folder / "site.conf").write_text("upstream api { server api:1; server api:1; }\n")

    def write(self, text: str) -> None:
        (self.folder / "compose.yml").write_text(text)

    def compose(self, *words: str) -> None:
        self.target.run(
            compose_command(self.target.host, str(self.folder), self.name, ["compose.yml"], ".env", *words, limit=120)
        )

    def model(self, *, running: bool = True) -> Model:
        return model(self.target, self.folder, self.name, ("compose.yml",), running=running)


def model(target: Target, folder: Path, name: str, files: tuple[str, ...], *, running: bool = False) -> Model:
    config, hashes = resolved(target, name, files, ".env")
    project: Project = parse_project(config, root=str(folder), files=files, hashes=hashes)
    facts = gather(target, project, folder, running=running)
    return Model(project, config, folder, {}, facts, written.read(folder, files))


@pytest.fixture(scope="module")
def small(lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    made = Small(tmp_path_factory.mktemp("rules"), lab["images_prefix"])
    made.write(STACK)
    made.compose("up", "--detach")
    yield made
    made.compose("down", "--volumes", "--timeout", "1")
    made.target.close()


def test_what_is_known_of_images_and_of_what_runs(small: Small) -> None:
    seen = small.model(running=False)
    facts, image = seen.facts, seen.project.services["db"].image
    assert (facts.running, facts.memory, facts.absent) == (None, {}, frozenset())
    assert facts.images[image].volumes == ("/data",)
    assert facts.images[image].programs is None
    assert facts.host_arch == facts.images[image].arch != ""
    assert list(facts.files) == ["site.conf"]
    assert [one.place.file for one in found(seen, "identical-upstreams")] == ["site.conf"]

    seen = small.model()
    facts, image = seen.facts, seen.project.services["web"].image
    ids = [one.id for one in facts.running.running] if facts.running else []
    used = small.target.run(
        command("docker", "stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", *ids)
    ).lines
    counted = used != ["0B / 0B 0"] * 2  # an engine that gets no figures at all ("no metrics received" in its log)
    assert len(used) == 2 and facts.memory.keys() == ({"web", "db"} if counted else set())
    assert min(facts.memory.values(), default=10_001) > 10_000
    assert facts.images[image].programs == {"sh", "wget"}
    (one,) = found(seen, "health-program-missing")
    assert one.fix == "call wget, which is there"
    assert found(seen, "drift") == found(seen, "image-outdated") == found(seen, "mounted-path-gone") == []
    assert {one.service for one in found(seen, "root-user")} == {"web"}
    assert {one.service for one in found(seen, "writable-root")} == {"web", "db"}


def test_what_changed_since(small: Small) -> None:
    small.write(STACK.replace("MODE: old", "MODE: new"))
    (small.folder / "site.conf").rename(small.folder / "other.conf")
    try:
        seen = small.model()
    finally:
        (small.folder / "other.conf").rename(small.folder / "site.conf")
        small.write(STACK)
    assert [one.what for one in found(seen, "drift")] == [
        "web is not as its file says: it runs with the variable MODE other than in the file"
    ]
    assert [(one.service, one.place.line) for one in found(seen, "mounted-path-gone")] == [("web", 8)]


def test_where_no_engine_answers_nothing_is_known(small: Small) -> None:
    away = Local(Host(name="local", path=str(small.folder), docker=("env", "DOCKER_HOST=unix:///nowhere", "docker")))
    facts = gather(away, small.model(running=False).project, small.folder)
    assert (facts.images, facts.host_arch, list(facts.files)) == ({}, "", ["site.conf"])


@pytest.mark.parametrize("name, files", HOSTS, ids=["-".join([name, *files[1:]]) for name, files in HOSTS])
def test_the_examples_are_right(lab: dict[str, Any], tmp_path: Path, name: str, files: tuple[str, ...]) -> None:
    """As Compose resolves them for each host."""
    folder = shutil.copytree(ROOT / "examples" / name, tmp_path / name)
    names = sorted({key for file in files for key in re.findall(r"\$\{(\w+):?\?", (folder / file).read_text())})
    lines = [f"{key}={at}-kJx9aQLw82mZp0RtY" for at, key in enumerate([*names, "PGADMIN_DEFAULT_PASSWORD"])]
    secrets = [
        "POSTGRES_PASSWORD=1-kJx9aQLw82mZp0RtZ",
        "REDIS_PASSWORD=2-kJx9aQLw82mZp0RtZ",
        "API_KEY=3-kJx9aQLw82mZp0RtZ",
    ]
    (folder / ".env").write_text(
        "\n".join([*lines, *secrets, f"IMAGES={lab['images_prefix']}", "COMPOSE_PROFILES=admin", ""])
    )
    target = Local(Host(name="local", path=str(folder)))
    assert told(model(target, folder, "x", files), "loses data", "breaks", "exposes") == []
