"""Variables of services."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lint.rules.stacks import found, model

OTHERS = """
  db: {image: 'postgres:15'}
  cache: {image: 'redis:7'}
  search: {image: 'elasticsearch:8.8.0'}
  auth-api: {image: auth, expose: ['9000']}
  front: {image: front, ports: ['3000:3000']}
"""


def api(*variables: str, more: str = "") -> str:
    lines = "".join(f"\n      {one}" for one in variables)
    return f"services:\n  api:\n    image: app\n    ports: ['8000:8000']\n    environment:{lines}{more}{OTHERS}"


@pytest.mark.parametrize(
    "variable, service",
    [
        ("DATABASE_URL: postgres://app:x@localhost:5432/app", "db"),
        ("DATABASE_URL: postgresql+asyncpg://app:x@127.0.0.1/app", "db"),
        ("REDIS_URL: redis://localhost:6379/0", "cache"),
        ("CACHE: redis://localhost", "cache"),
        ("ELASTIC_URL: http://localhost:9200", "search"),
        ("AUTH_API_URL: http://localhost:9000/v1", "auth-api"),
        ("PGHOST: localhost", "db"),
        ("POSTGRES_HOST: 127.0.0.1", "db"),
        ("DB_HOST: localhost", "db"),
        ("REDIS_HOST: localhost", "cache"),
        ("SEARCH_AT: localhost:9200", "search"),
    ],
)
def test_localhost_where_a_service_is_meant(tmp_path: Path, variable: str, service: str) -> None:
    (one,) = found(model(tmp_path, api(variable)), "localhost-to-service")
    assert service in one.what and (one.service, one.place.line) == ("api", 6)
    assert service in one.fix and "app:x" not in one.fix + one.what


@pytest.mark.parametrize(
    "variable",
    [
        "SELF_URL: http://localhost:8000/health",
        "APP_URL: http://localhost:3000",
        "NEXT_PUBLIC_AUTH_API_URL: http://localhost:9000",
        "CORS_ORIGINS: http://localhost:9200",
        "DATABASE_URL: postgres://app@db:5432/app",
        "DATABASE_URL: postgres://app@localhost.example.com:5432/app",
        "DATABASE_URL: mysql://app@localhost:3306/app",
        "MONGO_HOST: localhost",
        "HOST: localhost",
        "OTHER: http://localhost:7777",
        "SQLITE_URL: sqlite:///data.db",
        "HOST_OF_NOTHING: 127.0.0.1",
    ],
)
def test_addresses_that_may_be_right(tmp_path: Path, variable: str) -> None:
    assert found(model(tmp_path, api(variable)), "localhost-to-service") == []


def test_a_database_may_call_itself_localhost_and_so_may_who_shares_its_network(tmp_path: Path) -> None:
    own = api("A: b").replace("{image: 'postgres:15'}", "{image: 'postgres:15', environment: {PGHOST: localhost}}")
    assert found(model(tmp_path, own), "localhost-to-service") == []
    for mode in ("host", "service:db"):
        text = api("DB_HOST: localhost").replace("    ports: ['8000:8000']", f"    network_mode: {mode}")
        assert found(model(tmp_path, text), "localhost-to-service") == []


def test_the_path_of_a_secret_as_its_value(tmp_path: Path) -> None:
    text = api("POSTGRES_PASSWORD: /run/secrets/pg", "REDIS_PASSWORD_FILE: /run/secrets/r", "KEY_PATH: /run/secrets/k")
    (one,) = found(model(tmp_path, text), "secret-path-as-value")
    assert one.place.line == 6
    own = text.replace("    image: app\n", "    image: app\n    build: .\n")
    assert found(model(tmp_path, own), "secret-path-as-value") == [], "a program of one's own may read it"
    for command in (
        "redis-server --requirepass /run/secrets/redis_password",
        "['redis-server', '--requirepass', '/run/secrets/redis_password']",
        "['sh', '-c', 'exec redis-server --masterauth=/run/secrets/redis_password']",
    ):
        text = api("A: b").replace("{image: 'redis:7'}", f"{{image: 'redis:7', command: {command}}}")
        (one,) = found(model(tmp_path, text), "secret-path-as-value")
        assert one.service == "cache" and "/run/secrets/redis_password" in one.what
    for command in (
        "['sh', '-c', 'redis-server --requirepass \"$$(cat /run/secrets/redis_password)\"']",
        "server --password-file /run/secrets/p --tls-key /run/secrets/key",
    ):
        text = api("A: b").replace("{image: 'redis:7'}", f"{{image: 'redis:7', command: {command}}}")
        assert found(model(tmp_path, text), "secret-path-as-value") == []


@pytest.mark.parametrize(
    "variable, env, wanted",
    [
        ("POSTGRES_PASSWORD: root", {}, True),
        ("POSTGRES_PASSWORD: ${POSTGRES_PASSWORD}", {"POSTGRES_PASSWORD": "root"}, False),
        ("POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?set it}", {"POSTGRES_PASSWORD": "root"}, False),
        ("JWT_SECRET_KEY: ${JWT_SECRET_KEY:-supersecretkey}", {}, True),
        ("JWT_SECRET_KEY: ${JWT_SECRET_KEY:-supersecretkey}", {"JWT_SECRET_KEY": "kJx9aQLw82mZp0"}, False),
        ("JWT_SECRET_KEY: ${JWT_SECRET_KEY:-}", {}, False),
        ("GF_SECURITY_ADMIN_PASSWORD: admin", {}, True),
        ("DATABASE_URL: postgres://user:pass@db/app", {}, True),
        ("DATABASE_URL: postgres://user:pass@${DB_HOST:-db}/app", {}, True),
        ("DATABASE_URL: 'postgres://user:${DB_PASSWORD}@db/app'", {"DB_PASSWORD": "pass1234"}, False),
        ("DATABASE_URL: 'postgres://user:${DB_PASSWORD:-pass1234}@db/app'", {}, True),
        ("DATABASE_URL: '${DATABASE_URL:-postgres://user:pass@db/app}'", {}, True),
        ("DATABASE_URL: '${DATABASE_URL}'", {"DATABASE_URL": "postgres://user:pass@db/app"}, False),
        ("DATABASE_URL: postgres://db/app", {}, False),
        ("ALLOW_EMPTY_PASSWORD: 'yes'", {}, False),
        ("PASSWORD_FILE: /run/secrets/x", {}, False),
        ("DB_PASSWORD: /run/secrets/x", {}, False),
        ("ACCESS_TOKEN_EXPIRE_MINUTES: '30'", {}, False),
        ("MAX_TOKENS: '4096'", {}, False),
        ("POSTGRES_HOST_AUTH_METHOD: trust", {}, False),
        ("NEXT_PUBLIC_MAPS_API_KEY: AIzaSyD-abc", {}, False),
        ("KEYBOARD: qwerty", {}, False),
    ],
)
def test_a_password_that_everybody_can_read(tmp_path: Path, variable: str, env: dict[str, str], wanted: bool) -> None:
    seen = model(tmp_path, api(variable), env)
    told = found(seen, "literal-password")
    assert [one.place.line for one in told] == [6] * wanted
    for one in told:
        assert not any(
            secret in one.what + one.fix for secret in ("root", "supersecret", "pass1234", ":pass@", "admin")
        )


def test_a_password_in_a_command(tmp_path: Path) -> None:
    for command, wanted in (
        ("'redis-server --requirepass hunter2'", 1),
        ("['redis-server', '--requirepass', hunter2]", 1),
        ("'redis-server --requirepass ${REDIS_PASSWORD}'", 0),
        ("['sh', '-c', 'redis-server --requirepass \"$$REDIS_PASSWORD\"']", 0),
        ("redis-server --requirepass /run/secrets/x", 0),
        ("redis-server --appendonly yes", 0),
    ):
        text = api("A: b").replace("{image: 'redis:7'}", f"{{image: 'redis:7', command: {command}}}")
        told = found(model(tmp_path, text, {"REDIS_PASSWORD": "kJx9aQLw82mZp0"}), "literal-password")
        assert [one.service for one in told] == ["cache"] * wanted, command
        assert "hunter2" not in repr(told)


@pytest.mark.parametrize(
    "port, wanted",
    [
        ("'5432:5432'", 1), ("'0.0.0.0:15432:5432'", 1), ("'127.0.0.1:5432:5432'", 0), ("'10.0.0.5:5432:5432'", 0),
        ("'5432'", 0), ("{target: 5432, published: '5432', mode: host}", 1),
    ],
)  # fmt: skip
def test_a_database_that_everybody_reaches(tmp_path: Path, port: str, wanted: int) -> None:
    text = api("A: b").replace("{image: 'postgres:15'}", f"\n    image: postgres:15\n    ports:\n      - {port}")
    told = found(model(tmp_path, text), "published-database")
    assert [(one.service, one.place.line) for one in told] == [("db", 10)] * wanted


GOOD = "kJx9aQLw82mZp0RtY"


@pytest.mark.parametrize(
    "lines, env, wanted",
    [
        ({"db": "POSTGRES_PASSWORD: ${A}", "cache": "REDIS_PASSWORD: ${B}"}, {"A": GOOD, "B": GOOD}, 1),
        ({"db": "POSTGRES_PASSWORD: ${A}", "cache": "REDIS_PASSWORD: ${A}"}, {"A": GOOD}, 1),
        ({"db": "POSTGRES_PASSWORD: ${A}", "cache": "REDIS_PASSWORD: ${B}"}, {"A": GOOD, "B": "other0123456"}, 0),
        ({"db": "POSTGRES_PASSWORD: ${A}", "front": "PGPASSWORD: ${A}"}, {"A": GOOD}, 0),
        ({"db": "POSTGRES_PASSWORD: ${A}", "front": "JWT_SECRET_KEY: ${A}"}, {"A": GOOD}, 1),
        ({"front": "JWT_SECRET_KEY: ${A}", "auth-api": "JWT_SECRET_KEY: ${A}"}, {"A": GOOD}, 0),
        ({"search": "ELASTIC_API_KEY: ${A}", "front": "SEARCH_API_KEY: ${A}"}, {"A": GOOD}, 0),
        (
            {"front": "JWT_SECRET_KEY: ${A}", "db": "JWT_SECRET_KEY: ${A}", "cache": "APP_PASSWORD: ${A}"},
            {"A": GOOD},
            0,
        ),
        ({"db": "POSTGRES_PASSWORD: ''", "cache": "REDIS_PASSWORD: ''"}, {}, 0),
    ],
)
def test_one_password_for_two_doors(tmp_path: Path, lines: dict[str, str], env: dict[str, str], wanted: int) -> None:
    text = api("A: b")
    for name, line in lines.items():
        text = text.replace(
            f"\n  {name}: {{",
            f"\n  {name}: {{environment: {{{line.replace('${', '$')[:-1] if line.endswith('}') else line}}}, ",
        )
    told = found(model(tmp_path, text, env), "same-password")
    assert len(told) == wanted
    assert GOOD not in repr(told)


def test_a_variable_that_is_passed_on_is_written_nowhere(tmp_path: Path) -> None:
    text = (
        "services:\n  db:\n    image: postgres:15\n    environment:\n      - POSTGRES_PASSWORD\n      - DB_TOKEN=abc\n"
    )
    seen = model(tmp_path, text, {"POSTGRES_PASSWORD": "hunter2x"})
    assert [one.place.line for one in found(seen, "literal-password")] == [6]
