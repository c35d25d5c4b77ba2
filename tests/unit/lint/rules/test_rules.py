"""All rules together: their pages, the examples, whatever Compose may say, and what must never be shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.compose.project import parse_project
from opslib.compose.stack import Stack
from opslib.findings import COSTS, Cost
from opslib.lint.model import Facts, ImageFacts, Model
from opslib.lint.rules import RULES
from tests.unit.compose.seen import container
from tests.unit.lint.rules.stacks import model, told

ROOT = Path(__file__).parents[4]
PAGES = ROOT / "docs" / "rules"
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/docker-compose.yml"))


def test_each_rule_has_its_page_and_its_row() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {"README", *(rule.id for rule in RULES)}
    rows = re.findall(
        r"(?m)^\| \[([\w-]+)\]\(\1\.md\) \| (.*?)( \(`--running`\))? \|$", (PAGES / "README.md").read_text()
    )
    wanted = [(rule.id, rule.title, bool(rule.running)) for cost in COSTS for rule in RULES if rule.cost == cost]
    assert [(id, title, bool(running)) for id, title, running in rows] == wanted
    for rule in RULES:
        text = (PAGES / f"{rule.id}.md").read_text()
        assert text.startswith(f"# {rule.id}\n*{rule.cost}*"), rule.id
        assert f"# opslib: ignore {rule.id} until " in text, rule.id


def test_ids_are_unique_and_costs_are_known() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES) > 30
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+|drift", rule.id) and rule.cost in get_args(Cost) for rule in RULES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_right(tmp_path: Path, name: str) -> None:
    """With every profile on; what Compose itself makes of them, host by host: tests/lab/test_lint_rules.py."""
    text = (ROOT / "examples" / name / "docker-compose.yml").read_text()
    required = re.findall(r"\$\{(\w+):\?", text)
    env = {key: f"{at}-kJx9aQLw82mZp0RtY" for at, key in enumerate(dict.fromkeys(required))}
    assert told(model(tmp_path, text, env), "loses data", "breaks", "exposes") == []


IMAGES = [
    "postgres:15",
    "mongo",
    "redis:7-alpine",
    "app",
    "qdrant/qdrant:latest",
    "nginx:1",
    "r:5000/x/mysql@sha256:00",
    "",
]
NAMES = st.sampled_from(["a", "db", "cache", "migrate", "api-1", "ü"])
SECRET = "sup3r-s3cret-v4lue"
VALUES = st.sampled_from([
    SECRET, f"redis://:{SECRET}@localhost:6379/0", f"postgres://u:{SECRET}@db/x?password={SECRET}", "", "localhost",
    "/run/secrets/x", "http://[::1]:9200", "localhost:99999999999", f"http://localhost:5432/{SECRET}", "//", "://", "$", "a\nb",
])  # fmt: skip
KEYS = st.sampled_from(
    ["POSTGRES_PASSWORD", "JWT_SECRET_KEY", "DB_HOST", "URL", "BROKER_URL", "PGDATA", "", "ü", "API_TOKEN"]
)
FOLDERS = st.sampled_from(
    ["/data", "/data/db", "/", "/var/lib/postgresql", "/var/lib/postgresql/data/", "/a.db", "/etc/x.conf", "x"]
)
MOUNTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["volume", "bind", "tmpfs", "npipe", "image"]), "target": FOLDERS},
    optional={"source": st.sampled_from(["data", "/srv/x.conf", "/etc/letsencrypt/live/x.com", "", "/srv/app.db"]),
              "read_only": st.booleans()},
)  # fmt: skip
WORDS = st.lists(st.sampled_from(["redis-server", "--save", "", "--requirepass", SECRET, "/run/secrets/x", "certbot", "--nginx",
                                  "sh -c 'x", "--dbpath=/x", "$(", "celery"]), max_size=5)  # fmt: skip
HEALTH = st.fixed_dictionaries({}, optional={
    "test": st.one_of(WORDS.map(lambda words: ["CMD", "curl", *words]), st.just(["CMD-SHELL", "curl 'x || `"]), st.just(["NONE"]), st.just(["CMD"])),
    "interval": st.sampled_from(["1s", "5m0s", "", "x", "99999h"]), "retries": st.integers(0, 10**6), "disable": st.booleans(),
    "start_period": st.sampled_from(["0s", "1m30s"]),
})  # fmt: skip
SERVICE = st.fixed_dictionaries({"image": st.sampled_from(IMAGES)}, optional={
    "build": st.just({"context": "."}), "command": st.one_of(st.none(), WORDS), "entrypoint": st.one_of(st.none(), WORDS),
    "environment": st.dictionaries(KEYS, st.one_of(st.none(), VALUES)),
    "volumes": st.lists(MOUNTS, max_size=4), "tmpfs": st.lists(FOLDERS, max_size=2),
    "ports": st.lists(st.fixed_dictionaries({"target": st.integers(1, 65535)}, optional={
        "published": st.sampled_from(["80", "8000-8001", "x-y", "", "5432"]), "host_ip": st.sampled_from(["", "::", "127.0.0.1"]),
    }), max_size=3),
    "depends_on": st.dictionaries(NAMES, st.fixed_dictionaries({"condition": st.sampled_from(
        ["service_started", "service_healthy", "service_completed_successfully"])}), max_size=3),
    "healthcheck": st.one_of(st.none(), HEALTH), "deploy": st.sampled_from([{}, {"replicas": 3}, {"replicas": 0}, {"resources": None}]),
    "networks": st.one_of(st.none(), st.dictionaries(NAMES, st.sampled_from([None, {"aliases": ["db", "x"]}]), max_size=2)),
    "network_mode": st.sampled_from(["host", "service:a", "none", ""]), "container_name": st.sampled_from(["db", "x"]),
    "logging": st.sampled_from([None, {}, {"driver": "json-file", "options": None}]), "expose": st.lists(st.sampled_from(["80", "1-2", "x/udp"])),
    "restart": st.sampled_from(["no", "always", ""]), "mem_limit": st.sampled_from(["1g", 5]),
})  # fmt: skip


@given(
    st.dictionaries(NAMES, SERVICE, max_size=4),
    st.dictionaries(
        st.sampled_from(["data", "more"]), st.sampled_from([None, {"name": "x"}, {"driver_opts": {"type": "tmpfs"}}])
    ),
    st.sampled_from([(), ("/data/db",), ("/var/lib/postgresql/data", "/x")]),
    st.one_of(st.none(), st.frozensets(st.sampled_from(["sh", "curl"]))),
    st.text(alphabet="{};upstream server a\n'\"#", max_size=60),
)
def test_no_rule_raises_or_tells_a_secret(
    services: dict[str, Any], volumes: dict[str, Any], own: tuple[str, ...], programs: frozenset[str] | None, text: str
) -> None:
    config = {"name": "shop", "services": services, "volumes": volumes}
    images = {image: ImageFacts(volumes=own, programs=programs, arch="arm64", id="sha256:2") for image in IMAGES}
    running = Stack("shop", tuple(container(name, id=name) for name in services))
    for facts in (Facts(), Facts(images=images, running=running, files={"nginx.conf": f"upstream x {{ {text} }}"}, host_arch="amd64",
                                 memory={"db": 7}, absent=frozenset({"/srv/x"}))):  # fmt: skip
        seen = Model(parse_project(config, root="/srv"), config, Path("/srv"), {"A": SECRET}, facts)
        for rule in RULES:
            for one in rule.check(seen):
                assert SECRET not in one.what + one.fix, rule.id
                assert one.what and one.fix and not one.what.endswith("."), rule.id
