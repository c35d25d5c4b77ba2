"""Since when each vulnerability has been known on a host: `<state>/scan/first-seen.json` there, whoever scans."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from opslib.command import bash
from opslib.compose.script import read_all
from opslib.errors import OpsError
from opslib.scan.model import Key
from opslib.target.base import Target
from opslib.target.transfer import put_bytes

FORGOTTEN = timedelta(days=180)
"""What has not been seen for so long begins anew when it comes back."""


class _Times(msgspec.Struct, frozen=True, array_like=True):
    first: datetime
    last: datetime


class _File(msgspec.Struct, frozen=True):
    version: int
    seen: dict[str, _Times] = {}


class FirstSeen:
    """What a host remembers. `note` says what is seen now; `keep` writes it down."""

    def __init__(self, seen: dict[str, _Times]) -> None:
        self._seen = seen

    def times(self) -> dict[Key, datetime]:
        """When each was first seen."""
        return {_key(name): times.first for name, times in self._seen.items()}

    def note(self, keys: Iterable[Key], now: datetime) -> None:
        """These are there now; what was gone for long is forgotten."""
        kept = {name: times for name, times in self._seen.items() if now - times.last < FORGOTTEN}
        for key in keys:
            before = kept.get(_name(key))
            kept[_name(key)] = _Times(before.first if before else now, now)
        self._seen = kept

    def encoded(self) -> bytes:
        """The file's text."""
        return msgspec.json.encode(_File(1, dict(sorted(self._seen.items()))))


def _name(key: Key) -> str:
    return " ".join(part.replace(" ", "_") for part in key)


def _key(name: str) -> Key:
    parts = name.split(" ")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (name, "", "")


def path(target: Target) -> str:
    """Where it stands."""
    return f"{target.state}/scan/first-seen.json"


def read(target: Target) -> FirstSeen:
    """What the host remembers. Raises OpsError for a file that cannot be read: every age would begin anew."""
    found = read_all(target, bash('[ ! -e "$1" ] || cat -- "$1"', path(target), limit=60))
    try:
        return FirstSeen(msgspec.json.decode(found, type=_File).seen if found else {})
    except (msgspec.MsgspecError, RecursionError) as error:
        raise OpsError(
            f"{path(target)} cannot be read: {error}", host=target.host.name, left="everything",
            next="remove it there, and every age begins today",
        ) from None  # fmt: skip


def keep(target: Target, seen: FirstSeen) -> None:
    """Write it down, whole or not at all."""
    target.run(bash('umask 007; mkdir -p -- "$1"', f"{target.state}/scan"))
    put_bytes(target, seen.encoded(), path(target), mode=0o660)
