"""PostgreSQL 15 and 17: what one may take of the other's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from opslib.backup import sets
from opslib.command import command
from opslib.target.transfer import put_bytes
from tests.conftest import missing
from tests.lab.postgres_stack import APP, RICH, SWAPPED
from tests.lab.restore_stack import Trial, ident
from tests.lab.test_restore import artifacts, refused, worked

pytestmark = pytest.mark.lab

COMPOSE = """
services:
  db:
    image: %s
    environment: {POSTGRES_USER: "-own er ü", POSTGRES_PASSWORD: "x", POSTGRES_DB: first}
    healthcheck: {test: [CMD, pg_isready, -q, -h, 127.0.0.1], interval: 30s, start_period: 99s, start_interval: 1s}
    volumes: ["pg:/var/lib/postgresql/data"]
  app:
    image: %s
    entrypoint: [sleep, "100000"]
    init: true
    depends_on: {db: {condition: service_healthy}}
volumes: {pg: {}}
"""
HELD = "select md5(string_agg(t::text, ',' order by id)) from people t; select n from mv; select md5(lo_get(4243));"


@pytest.fixture
def both(lab: dict[str, Any]) -> Iterator[list[Trial]]:
    """A server of each version, each in a project of its own."""
    found = []
    try:
        for tag in ("15", "17"):
            image = f"{lab['images_prefix']}postgres:{tag}"
            if image not in lab["images"]:
                missing(f"the lab has no {image}: run scripts/lab up")
            one = Trial("local", lab["images_prefix"])
            found.append(one)
            one.target.run(command("mkdir", "-p", one.target.root))
            put_bytes(one.target, (COMPOSE % (image, image)).encode(), f"{one.target.root}/compose.yml")
            put_bytes(one.target, b"", f"{one.target.root}/.env")
            one.bring_up()
        yield found
    finally:
        for one in found:
            one.down()


def test_older_into_newer_works_and_newer_into_older_is_refused(both: list[Trial]) -> None:
    older, newer = both
    older.sql("postgres", f"create role {ident(APP)} login; create database {ident(SWAPPED)};")
    older.sql(SWAPPED, RICH)
    held = older.sql(SWAPPED, HELD)
    made = older.backup()
    result = worked(newer.restore(older.path(made)))
    assert newer.sql(SWAPPED, HELD) == held
    assert result["restored"][0]["after"]["large objects"] == 2

    made = newer.backup()
    manifest = sets.find(newer.target, made).manifest
    assert manifest is not None
    (dump,) = [one for one in manifest.artifacts if one.name == SWAPPED]
    assert dump.fingerprint is not None and dump.fingerprint.contents
    dumps = [name for name in artifacts(newer, made, "postgres") if name.endswith("dump.zst")]
    for path in (newer.path(made), *(newer.path(made, name) for name in dumps)):
        said = refused(older.restore(path))
        assert "made by PostgreSQL 17." in said
        assert "newer than the server, PostgreSQL 15" in said
    assert older.sql(SWAPPED, HELD) == held
