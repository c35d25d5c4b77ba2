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


decode = msgspec.json.Decoder(Freeze).decode  # one thread makes it, as of manifests


def text(target: Target) -> str | None:
    """What stands there, readable or not; None where nothing does."""
    found = read_file(target, path(target))
    return None if found is None else found.decode("utf-8", "surrogateescape")


def read(target: Target) -> Freeze | None:
    """The freeze, None where there is none. Raises OpsError for one that cannot be read: it counts."""
    found = read_file(target, path(target))
    try:
        return decode(found) if found is not None else None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OpsError(f"{path(target)} cannot be read: {error}", host=target.host.name, left="everything",
                       next=f"inv deploy --host {target.host.name} --unfreeze") from None  # fmt: skip


def write(target: Target, freeze: Freeze) -> None:
    """Freeze the host."""
    put(target, msgspec.json.encode(freeze).decode() + "\n")


def put(target: Target, text: str | None) -> None:
    """Have what `text` gave there again; None: thaw it."""
    if text is None:
        target.run(bash('rm -f -- "$1"', path(target)))
        return
    target.run(bash('umask 007; mkdir -p -- "$1"', target.state))
    put_bytes(target, text.encode("utf-8", "surrogateescape"), path(target), mode=0o660)
