"""A host that is frozen: `<state>/frozen` says who did it, when and why. No deploy changes it until it is gone."""

from __future__ import annotations

import msgspec

from opslib.command import bash
from opslib.errors import OpsError
from opslib.target.base import Target
from opslib.target.transfer import put_bytes, read_file


class Freeze(msgspec.Struct, frozen=True, kw_only=True):
    """Who froze the host, when (ISO 8601), and why."""

    by: str
    at: str
    why: str


def path(target: Target) -> str:
    """Where it stands."""
    return f"{target.state}/frozen"


def read(target: Target) -> Freeze | None:
    """The freeze, None where there is none. Raises OpsError for one that cannot be read: it counts."""
    text = read_file(target, path(target))
    try:
        return msgspec.json.decode(text, type=Freeze) if text is not None else None
    except msgspec.MsgspecError as error:
        raise OpsError(f"{path(target)} cannot be read: {error}", host=target.host.name, left="everything",
                       next="inv deploy --unfreeze") from None  # fmt: skip


def write(target: Target, freeze: Freeze) -> None:
    """Freeze the host."""
    target.run(bash('umask 007; mkdir -p -- "$1"', target.state))
    put_bytes(target, msgspec.json.encode(freeze) + b"\n", path(target), mode=0o660)


def remove(target: Target) -> None:
    """Thaw it."""
    target.run(bash('rm -f -- "$1"', path(target)))
