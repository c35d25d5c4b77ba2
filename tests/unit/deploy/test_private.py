"""Which files nobody but root and their owner can read on the server."""

from __future__ import annotations

from typing import Any

from opslib.compose.project import parse_project
from opslib.compose.stack import Stack
from opslib.deploy.private import closed, users
from opslib.deploy.sources import Source

FILES = {"secrets/db": Source("a", 0o644, 1), "web.env": Source("b", 0o664, 1), "conf": Source("c", 0o644, 1)}


def modes(*services: dict[str, Any]) -> tuple[dict[str, int], list[str]]:
    config = {
        "name": "p",
        "services": {
            f"s{number}": {"image": "x", "secrets": [{"source": "db"}], **one} for number, one in enumerate(services)
        },
        "secrets": {"db": {"file": "/srv/p/secrets/db"}},
    }
    project = parse_project(config, root="/srv/p")
    found, unknown = closed(["secrets/db", "web.env", "gone"], FILES, project, users(config, Stack("p")))
    return {path: one.mode for path, one in found.items()}, unknown


def test_what_holds_secrets_is_closed() -> None:
    assert modes({"user": "root"}) == ({"secrets/db": 0o600, "web.env": 0o600}, [])
    assert modes({"user": "0:0"}, {}) == ({"secrets/db": 0o600, "web.env": 0o600}, ["s1"]), "of s1 nobody knows"


def test_a_service_that_is_not_root_can_read_what_it_is_given() -> None:
    assert modes({"user": "root"}, {"user": "1000"}) == ({"web.env": 0o600}, [])
