"""The keys below `build:`."""

from __future__ import annotations

import pytest

from opslib.command import Secret
from opslib.errors import BadSettings
from opslib.settings.caches import Cache, cache
from opslib.settings.units import repository


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("inline", Cache("inline")),
        ("/var/cache/a b/", Cache("folder", "/var/cache/a b")),
        ("./cache", Cache("folder", "cache")),
        ("registry.example.com/shop/cache", Cache("registry", "registry.example.com/shop/cache")),
        ("localhost:5000/c", Cache("registry", "localhost:5000/c")),
    ],
)
def test_a_cache(text: str, wanted: Cache) -> None:
    assert cache(text) == wanted


@pytest.mark.parametrize(
    "text", ["cache", "shop/cache", "./../up", "/a/../b", "reg.example.com/c:tag", "", None, 5, "/"]
)
def test_no_cache(text: object) -> None:
    with pytest.raises(ValueError, match="or inline"):
        cache(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["shop", "https://reg.example.com", "me@reg.example.com/x", "reg.example.com/X", "a.b/c:1"]
)
def test_no_repository(text: str) -> None:
    with pytest.raises(ValueError, match="registry and a path"):
        repository(text)


def test_what_may_stand_alone(project) -> None:  # type: ignore[no-untyped-def]
    host = project.host(
        "build:\n  cache_from: inline\n  cache_to: ./c\n  size_limit: 1GB\n  registry: reg.example.com/shop\n"
    )
    assert host.build.cache_from == (Cache("inline"),)
    assert host.build.cache_to == Cache("folder", "c")
    assert host.build.size_limit == {"*": 10**9}
    assert (host.build.registry.repository, host.build.registry.user) == ("reg.example.com/shop", None)
    assert project.host("build: {size_limit: {api: 5MB, '*': 7MB}}\n").build.size_limit == {
        "api": 5_000_000,
        "*": 7_000_000,
    }


def test_a_login_is_whole_and_its_password_a_variable(project) -> None:  # type: ignore[no-untyped-def]
    text = "build: {registry: {repository: reg.example.com/shop, user: ci, password: '%s'}}\n"
    host = project.host(text % "${P}", environ={"P": "hunter2"})
    assert host.build.registry.password == Secret("hunter2")
    with pytest.raises(BadSettings, match="only as"):
        project.host(text % "hunter2")
    with pytest.raises(BadSettings, match="both user and password"):
        project.host("build: {registry: {repository: reg.example.com/shop, user: ci}}\n")
    with pytest.raises(BadSettings, match=r"size_limit.*expected a size"):
        project.host("build: {size_limit: big}\n")
