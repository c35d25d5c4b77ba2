"""Speaking with Qdrant: what is found in its container, and what is asked of it."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.backup.qdrant import _warnings
from opslib.backup.qdrant_replace import _aliases, _indexes
from opslib.command import Secret
from opslib.engines import qdrant
from opslib.engines.find import parse_seen
from opslib.engines.instance import Login
from opslib.engines.known import stopped_kind
from tests.unit.engines.test_find import container

LOOKED = "pid 7\npath /usr/bin\ncwd /qdrant\nowner 0:0\nkind qdrant\nlooked\n"
CONF = """conf ---
conf storage:
conf   storage_path: ./storage
conf service:
conf   http_port: 6444
conf   api_key: "of: the file"
conf ---
conf service:
conf   api_key: later
"""


def test_key_port_and_folders_are_those_of_the_files() -> None:
    seen = parse_seen(container(), CONF + LOOKED, Login())
    assert seen.instance is not None
    assert (seen.instance.port, seen.instance.data, seen.instance.user) == (6444, "/qdrant/storage", "0:0")
    assert seen.passwords == (Secret("later"),)
    assert "later" not in repr(seen)


def test_variables_go_before_files_a_secret_file_before_them_and_the_host_file_before_all() -> None:
    env = {qdrant.KEY: "old", "QDRANT__SERVICE__HTTP_PORT": "7000", "QDRANT__STORAGE__STORAGE_PATH": "/data/q"}
    told = f"secret {qdrant.KEY} of the secret\n{CONF}{LOOKED}"
    seen = parse_seen(container(env=env), told, Login())
    assert seen.instance is not None
    assert (seen.instance.port, seen.instance.data) == (7000, "/data/q")
    assert seen.passwords == (Secret("of the secret"), Secret("later"))
    assert parse_seen(container(env=env), told, Login(password=Secret("x"))).passwords == (Secret("x"),)


def test_a_file_that_is_no_yaml_is_passed_over() -> None:
    seen = parse_seen(container(), "conf a: [\n" + LOOKED, Login())
    assert seen.instance is not None
    assert (seen.instance.port, seen.passwords) == (6333, ())


@pytest.mark.parametrize("image, kind", [("qdrant/qdrant:v1.15", "qdrant"), ("acme/qdrant-web-ui", "")])
def test_a_stopped_server_is_known_by_its_image(image: str, kind: str) -> None:
    assert stopped_kind(image) == kind


def test_a_collection_s_name_is_one_part_of_the_path() -> None:
    assert qdrant.path("a/b c?é%", "points") == "/collections/a%2Fb%20c%3F%C3%A9%25/points"


def test_indexes_are_made_those_of_the_snapshot() -> None:
    there = {"a": "keyword", "b": "integer", "c": "float"}
    assert _indexes("x", {"a": "keyword", "b": "float", "d": {"type": "text"}}, there) == [
        ("DELETE", "/collections/x/index/b?wait=true"),
        ("DELETE", "/collections/x/index/c?wait=true"),
        ("PUT", "/collections/x/index?wait=true", {"field_name": "b", "field_schema": "float"}),
        ("PUT", "/collections/x/index?wait=true", {"field_name": "d", "field_schema": {"type": "text"}}),
    ]


def test_what_is_not_known_or_not_well_is_said() -> None:
    assert _warnings({"before": 3, "after": 3, "info": {"status": "green"}}) == []
    busy, red = _warnings({"before": 30, "after": 4, "info": {"status": "red"}})
    assert "about 4 to 30" in busy
    assert "red" in red


class Told:
    """Stands for a target where only what it is told counts."""

    def __init__(self) -> None:
        from opslib.settings.model import Host

        self.host, self.notes = Host(name="local", path="."), list[Any]()
        self.tell = self.notes.append


@pytest.mark.parametrize(
    "before, after, then, wanted",
    [
        ({"p": "x"}, {"p": "x"}, {"p": "x"}, []),
        ({"p": "y"}, {"p": "y"}, {"p": "x"}, ["-p", "p=x"]),  # taken back
        ({"p": "x"}, {"p": "x"}, {"p": "y"}, ["-p", "p=y"]),  # and undone
        ({"p": "x"}, {"p": "x"}, {}, ["-p"]),
        ({"p": "x"}, {"p": "x"}, {"p": "gone"}, ["-p"]),
        ({"p": "x"}, {}, {"p": "x"}, ["p=x"]),  # the collection was deleted on the way
        ({"p": "x"}, {}, {"p": "y"}, ["p=y"]),
        ({"p": "y"}, {"p": "y"}, {}, []),
        ({}, {}, {"p": "x", "q": "y"}, ["p=x"]),
    ],
)
def test_aliases_are_made_those_of_then(before: Any, after: Any, then: Any, wanted: list[str]) -> None:
    info, names = {"status": "green"}, ["x", "y"]
    there = qdrant.Present(names, before, info), qdrant.Present(names, after, info)
    assert done(_aliases(Told(), *there, "x", then)) == wanted  # type: ignore[arg-type]


def test_a_collection_that_was_not_there_takes_no_alias() -> None:
    told, there = Told(), qdrant.Present(["x", "y"], {"p": "y"}, {})
    assert _aliases(told, there, there, "x", {"p": "x"}) == []  # type: ignore[arg-type]
    assert "alias p stays with collection y" in told.notes[0].text


def done(requests: Any) -> list[str]:
    found = []
    for _, path, body in requests:
        assert path == "/collections/aliases"
        for action in body["actions"]:
            ((kind, what),) = action.items()
            made = kind == "create_alias"
            found.append(f"{what['alias_name']}={what['collection_name']}" if made else f"-{what['alias_name']}")
    return found
