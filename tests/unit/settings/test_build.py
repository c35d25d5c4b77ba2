"""The keys below `build:`."""

from __future__ import annotations

import pytest

from opslib.errors import BadSettings
from opslib.settings.caches import Cache, cache


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


def test_what_may_stand_alone(project) -> None:  # type: ignore[no-untyped-def]
    host = project.host("build:\n  cache_from: inline\n  cache_to: ./c\n  size_limit: 1GB\n")
    assert host.build.cache_from == (Cache("inline"),)
    assert host.build.cache_to == Cache("folder", "c")
    assert host.build.size_limit == {"*": 10**9}
    assert project.host("build: {size_limit: {api: 5MB, '*': 7MB}}\n").build.size_limit == {
        "api": 5_000_000,
        "*": 7_000_000,
    }


def test_a_size_that_is_none(project) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadSettings, match=r"size_limit.*expected a size"):
        project.host("build: {size_limit: big}\n")
