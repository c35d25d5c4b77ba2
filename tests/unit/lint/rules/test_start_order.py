"""Who waits for whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from opslib.lint.model import Facts, ImageFacts
from opslib.lint.rules.start_order import programs
from tests.unit.lint.rules.stacks import found, model, told

STACK = """services:
  api:
    image: app
    depends_on: [db, cache, init]
  db:
    image: postgres:15
    volumes: ['data:/var/lib/postgresql/data']
    healthcheck: {test: pg_isready, start_period: 30s}
  cache: {image: 'memcached:1'}
  init: {image: app}
volumes: {data: }
"""


def test_what_does_not_wait_for_a_health_check_that_is_there(tmp_path: Path) -> None:
    (one,) = found(model(tmp_path, STACK), "depends-without-health")
    assert (one.service, one.place.line) == ("api", 4)
    assert "db has a process" in one.what and "db: {condition: service_healthy}" in one.fix
    assert one.edit is not None
    assert (one.edit.file, one.edit.path) == ("compose.yml", ("services", "api", "depends_on"))
    assert one.edit.value == {
        "db": {"condition": "service_healthy"}, "cache": {"condition": "service_started"},
        "init": {"condition": "service_started"},
    }  # fmt: skip
    waits = STACK.replace("[db, cache, init]", "{db: {condition: service_healthy}}")
    assert found(model(tmp_path, waits), "depends-without-health") == []


def test_a_health_check_of_the_image_counts(tmp_path: Path) -> None:
    facts = Facts(images={"memcached:1": ImageFacts(healthcheck=("CMD", "true")), "app": ImageFacts()})
    (one,) = found(model(tmp_path, STACK, facts=facts), "depends-without-health")
    assert "db, cache have a process" in one.what
    assert [one.service for one in found(model(tmp_path, STACK, facts=facts), "health-missing")] == ["api"]
    assert found(model(tmp_path, STACK), "health-missing") == [], "nobody knows what the images bring"


def test_other_ways_of_writing_it_are_told_and_not_changed(tmp_path: Path) -> None:
    anchored = STACK.replace("    depends_on: [db, cache, init]\n", "    <<: *app\n").replace(
        "services:", "x-app: &app {depends_on: [db]}\nservices:"
    )
    (one,) = found(model(tmp_path, anchored), "depends-without-health")
    assert (one.place.line, one.edit) == (1, None)
    restarts = STACK.replace("[db, cache, init]", "{db: {condition: service_started, restart: true}}")
    (one,) = found(model(tmp_path, restarts), "depends-without-health")
    assert one.edit and one.edit.value == {"db": {"condition": "service_healthy", "restart": True}}


def test_a_database_that_nobody_can_wait_for(tmp_path: Path) -> None:
    bare = STACK.replace("    healthcheck: {test: pg_isready, start_period: 30s}\n", "")
    (one,) = found(model(tmp_path, bare), "database-without-health")
    assert (one.service, one.place.line) == ("db", 5) and "pg_isready" in one.fix and "api depends on db" in one.what
    assert found(model(tmp_path, STACK), "database-without-health") == []
    alone = bare.replace("    depends_on: [db, cache, init]\n", "")
    assert found(model(tmp_path, alone), "database-without-health") == []
    off = STACK.replace("{test: pg_isready, start_period: 30s}", "{disable: true}")
    assert len(found(model(tmp_path, off), "database-without-health")) == 1


@pytest.mark.parametrize(
    "test, wanted",
    [
        (["CMD", "curl", "-f", "http://localhost"], ["curl"]),
        (["CMD-SHELL", "curl -f http://localhost || exit 1"], ["sh", "curl"]),
        ('PASS="$P" redis-cli ping | grep -qx PONG', ["sh", "redis-cli", "grep"]),
        (["CMD-SHELL", "test -n \"$(find /tmp -newermt '20 seconds ago')\""], ["sh"]),
        (["CMD-SHELL", "[ -f /tmp/ok ] && wget -q -O /dev/null http://x; true"], ["sh", "wget"]),
        (["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/80"], ["bash"]),
        (["CMD", "/healthcheck.sh"], ["/healthcheck.sh"]),
        (["CMD", "./healthcheck"], []),
        (["CMD-SHELL", "if curl x; then echo 'a"], ["sh"]),
        (["NONE"], []),
        ([], []),
        (["CMD"], []),
    ],
)
def test_programs_of_a_health_check(test: object, wanted: list[str]) -> None:
    assert list(programs(test)) == wanted


def test_a_program_that_is_not_in_the_image(tmp_path: Path) -> None:
    text = STACK.replace("pg_isready,", "'curl -f http://localhost || exit 1',")
    there = Facts(images={"postgres:15": ImageFacts(programs=frozenset({"sh", "bash"}))})
    (one,) = found(model(tmp_path, text, facts=there), "health-program-missing")
    assert "calls curl, which is not in postgres:15" in one.what and one.fix.startswith("call bash")
    assert one.place.line == 8
    for facts in (Facts(), Facts(images={"postgres:15": ImageFacts()}),
                  Facts(images={"postgres:15": ImageFacts(programs=frozenset({"sh", "curl"}))})):  # fmt: skip
        assert found(model(tmp_path, text, facts=facts), "health-program-missing") == []
    for test, wanted in (
        ("curl x || wget x || exit 1", 0), ("curl x || wget x", 0), ("curl x || true", 0), ("curl x || exit 1", 1),
        ("curl x || nc x", 1), ("wget x && curl x", 1), ("curl x | grep y", 1), ("wget x | jq y || exit 1", 1),
    ):  # fmt: skip
        facts = Facts(images={"postgres:15": ImageFacts(programs=frozenset({"sh", "wget", "grep"}))})
        seen = model(tmp_path, STACK.replace("test: pg_isready,", f"test: '{test}',"), facts=facts)
        assert len(found(seen, "health-program-missing")) == wanted, test
    own = Facts(images={"memcached:1": ImageFacts(healthcheck=("CMD", "nc"), programs=frozenset())})
    assert [one.service for one in found(model(tmp_path, STACK, facts=own), "health-program-missing")] == ["cache"]


@pytest.mark.parametrize(
    "check, rules",
    [
        ("test: pg_isready", []),
        ("test: pg_isready, interval: 1s, retries: 3", ["health-hasty"]),
        ("test: pg_isready, interval: 1s, retries: 3, start_period: 60s", []),
        ("test: pg_isready, interval: 5m", ["health-slow"]),
        ("test: pg_isready, interval: 1m30s, retries: 10", ["health-slow"]),
        ("test: pg_isready, interval: 10s, retries: 5, start_period: 20m", []),
        ("disable: true, interval: 5m", []),
    ],
)
def test_too_much_and_too_little_patience(tmp_path: Path, check: str, rules: list[str]) -> None:
    seen = model(tmp_path, STACK.replace("test: pg_isready, start_period: 30s", check))
    assert [rule for rule in ("health-hasty", "health-slow") for _ in found(seen, rule)] == rules


def test_a_stack_that_is_right(tmp_path: Path) -> None:
    right = """services:
  api:
    image: app
    restart: always
    depends_on: {db: {condition: service_healthy}, init: {condition: service_completed_successfully}}
    logging: &log {options: {max-size: 1m}}
  init: {image: app, logging: *log}
  db:
    image: postgres:15
    restart: always
    logging: *log
    volumes: ['data:/var/lib/postgresql/data']
    healthcheck: {test: pg_isready, interval: 5s, retries: 5, start_period: 60s}
volumes: {data: }
"""
    assert told(model(tmp_path, right), "loses data", "breaks", "exposes") == []
