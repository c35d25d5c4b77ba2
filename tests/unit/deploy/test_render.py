"""The pinned stack, what differs between two of them, and what has to go along."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.compose.project import parse_project
from opslib.deploy.render import (
    FILES,
    differences,
    from_text,
    mounted_digests,
    moved,
    only_files,
    pinned,
    tag_for,
    to_text,
    with_dependents,
)


def config(**services: dict[str, Any]) -> dict[str, Any]:
    return {"name": "p", "services": services, "networks": {"default": {"name": "p_default"}}}


@pytest.mark.parametrize(
    "name, taken, expected",
    [
        ("api", (), "api:opslib-R"),
        ("postgres:15", (), "postgres:opslib-R"),
        ("postgres:16", ("postgres:opslib-R",), "postgres:opslib-R-16"),
        ("reg.example.com:5000/team/api", (), "reg.example.com:5000/team/api:opslib-R"),
        ("reg.example.com:5000/team/api:v1", (), "reg.example.com:5000/team/api:opslib-R"),
        ("redis@sha256:" + "0" * 64, (), "redis:opslib-R"),
        ("redis:7@sha256:" + "0" * 64, (), "redis:opslib-R"),
    ],
)
def test_tags(name: str, taken: tuple[str, ...], expected: str) -> None:
    assert tag_for(name, "R", taken) == expected


def test_pinned_never_builds_or_pulls() -> None:
    plain = config(web={"image": "web", "build": {"context": "/x"}, "labels": {"a": "b"}}, db={"image": "pg:15"})
    stack = pinned(plain, {"web": "web:opslib-R", "db": "pg:opslib-R"}, {"web": "abc", "db": ""})
    assert stack["services"] == {
        "web": {"image": "web:opslib-R", "pull_policy": "never", "labels": {"a": "b", FILES: "abc"}},
        "db": {"image": "pg:opslib-R", "pull_policy": "never"},
    }
    assert "build" in plain["services"]["web"]


def test_mounts_can_come_from_elsewhere() -> None:
    bind = {"type": "bind", "source": "/srv/nginx.conf", "target": "/etc/nginx.conf"}
    stack = {**config(web={"image": "web", "volumes": [bind], "labels": {FILES: "abc"}}),
             "secrets": {"pw": {"file": "/srv/pw"}}}  # fmt: skip
    found = moved(stack, {"/srv/nginx.conf": "/old/nginx.conf", "/srv/pw": "/old/pw"})
    assert found["services"]["web"]["volumes"][0]["source"] == "/old/nginx.conf"
    assert found["services"]["web"]["labels"] == {FILES: "abc"}
    assert found["secrets"]["pw"]["file"] == "/old/pw"
    assert bind["source"] == "/srv/nginx.conf"


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=12
    )
)
def test_text_and_back(value: Any) -> None:
    assert from_text(to_text({"x": value})) == {"x": value}


def test_dollars_are_no_variables() -> None:
    assert b"pa$$w$$$$d" in to_text({"x": "pa$w$$d"})


def test_differences_have_no_values() -> None:
    old = config(web={"image": "a", "environment": {"A": "secret1", "B": "x"}, "labels": {FILES: "1"}},
                 same={"image": "b", "depends_on": {"web": {"condition": "service_started"}}})  # fmt: skip
    new = config(web={"image": "b", "environment": {"A": "secret2", "B": "x"}, "labels": {FILES: "2"},
                      "command": ["x"]},
                 same={"image": "b"}, other={"image": "c"})  # fmt: skip
    assert differences(old, new, "web") == ["command", "environment A", "image", "mounted files"]
    assert differences(old, new, "same") == []
    assert differences(old, new, "other") == ["new"]
    files = config(web={**old["services"]["web"], "labels": {FILES: "2"}})
    assert only_files(differences(old, files, "web"))


def test_what_a_service_uses_counts() -> None:
    old = {**config(web={"image": "a", "configs": [{"source": "c"}]}), "configs": {"c": {"content": "1"}}}
    new = {**config(web={"image": "a", "configs": [{"source": "c"}]}), "configs": {"c": {"content": "2"}}}
    assert differences(old, new, "web") == ["configs"]


def needs(condition: str = "service_started", restart: bool = False) -> dict[str, Any]:
    return {"condition": condition, **({"restart": True} if restart else {})}


def test_dependents_go_along() -> None:
    stack = config(
        db={}, api={"depends_on": {"db": needs(), "init": needs("service_completed_successfully")}},
        nginx={"depends_on": {"api": needs()}}, init={}, vpn={}, client={"network_mode": "service:vpn"},
        asks={"depends_on": {"vpn": needs(restart=True)}}, plain={"depends_on": {"vpn": needs()}},
    )  # fmt: skip
    assert set(with_dependents(stack, {"db": ["image"]})) == {"db", "api", "nginx"}
    assert set(with_dependents(stack, {"db": ["mounted files"]})) == {"db"}
    assert set(with_dependents(stack, {"vpn": ["mounted files"]})) == {"vpn", "client", "asks"}
    assert set(with_dependents(stack, {"init": ["image"]})) == {"init"}
    assert with_dependents(stack, {"api": ["image"]})["nginx"] == ["depends on api"]


def test_digests_of_mounted_files() -> None:
    stack = config(
        web={"image": "a", "volumes": [{"type": "bind", "source": "/r/conf", "target": "/c"}]},
        db={"image": "b", "volumes": [{"type": "bind", "source": "/elsewhere", "target": "/c"}]},
    )
    project = parse_project(stack, root="/r")
    one = mounted_digests(project, {"conf/a": "1", "confused": "2"})
    assert one["db"] == ""
    assert one["web"] == mounted_digests(project, {"conf/a": "1", "confused": "3"})["web"]
    assert one["web"] != mounted_digests(project, {"conf/a": "2"})["web"]
    assert one["web"] != mounted_digests(project, {"conf/b": "1"})["web"]
