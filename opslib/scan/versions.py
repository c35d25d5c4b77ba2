"""Which version of a package mends most of what is known of it.

Versions are compared as dpkg does it, which orders nearly every scheme: epochs, numbers as numbers, `~` before the end.
A word that says "not yet" (`rc1`, `beta`) comes before the release, as everywhere but in dpkg.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

_Key = tuple[tuple[int, tuple[int, ...]], ...]
_BEFORE = re.compile(r"(?<=\d)[-._]?(?=dev|alpha|beta|preview|pre|rc|canary|snapshot|[abc]\d)", re.IGNORECASE)
_PARTS = re.compile(r"(\d*)(\D*)")
_LONGEST = 200  # characters of a version; what is longer is none


def compare(one: str, other: str) -> int:
    """Below 0, 0 or above, as `one` is older, the same or newer."""
    mine, theirs = _key(one), _key(other)
    return (mine > theirs) - (mine < theirs)


@lru_cache(maxsize=10_000)
def _key(version: str) -> _Key:
    text = version.strip()[:_LONGEST].removeprefix("v")
    epoch, colon, rest = text.partition(":")
    if not (colon and epoch.isdecimal()):
        epoch, rest = "0", text
    pairs = [pair for pair in _PARTS.findall(_BEFORE.sub("~", rest)) if pair != ("", "")]
    return ((int(epoch), (0,)), *((int(number or 0), (*map(_weight, word), 0)) for number, word in pairs))


def _weight(char: str) -> int:
    """`~` before the end of a word (0), letters before everything else."""
    return -1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256


def mends(version: str, fixed: str) -> bool:
    """Whether this version has the fix. `fixed` may name one for each branch (`4.2.8, 5.0.2`): that of its own branch
    counts, or any older one."""
    fixes = _listed(fixed)
    older = any(compare(one, version) <= 0 for one in fixes)
    return older and not any(compare(one, version) > 0 and _branch(one) == _branch(version) for one in fixes)


def _listed(fixed: str) -> list[str]:
    return [one.strip() for one in fixed.split(",") if one.strip()]


def _branch(version: str) -> str:
    return re.split(r"[.\-+~]", version.removeprefix("v"))[0]


def best(vulnerabilities: Sequence[Mapping[str, str]]) -> tuple[str, int]:
    """The oldest of the versions that mend the most of these (each has `fixed`), and how many; ("", 0) without one."""
    named = {version for entry in vulnerabilities for version in _listed(entry["fixed"])}
    found, most = "", 0
    for version in sorted(named, key=_key):
        count = sum(mends(version, entry["fixed"]) for entry in vulnerabilities)
        if count > most:
            found, most = version, count
    return found, most
