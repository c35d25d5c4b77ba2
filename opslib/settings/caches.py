"""Where builds read and write what they need not do again: a folder, a registry, or the image itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from opslib.settings.registry import registry_address
from opslib.settings.units import Scalar


@dataclass(frozen=True, slots=True)
class Cache:
    """A build cache. `at` is the folder (absolute, or below the project's folder), the repository of a registry, or ""
    for one that is in the image."""

    kind: Literal["inline", "folder", "registry"]
    at: str = ""

    def __str__(self) -> str:
        return self.at or self.kind


def cache(value: Scalar) -> Cache:
    """`inline`, `/var/cache/survey`, `./cache`, `registry.example.com/survey/cache`."""
    if value == "inline":
        return Cache("inline")
    if isinstance(value, str) and re.fullmatch(r"\.?/[^\x00-\x1f]+", value) and ".." not in value.split("/"):
        return Cache("folder", value.removeprefix("./").rstrip("/"))
    try:
        return Cache("registry", registry_address(value))
    except ValueError:
        raise ValueError(
            "expected a folder like /var/cache/survey or ./cache, a repository like registry.example.com/survey/cache, "
            "or inline"
        ) from None


def caches(value: Scalar) -> tuple[Cache, ...]:
    """One, where a list may stand."""
    return (cache(value),)
