"""Secrets that were renewed: the intent of a rotation that is on its way, and the values that are over.

Both hold secrets and are 0600. `<state>/rotating` is written before a database is told anything, with both values, so
that whoever comes next can find out which of them is in force. `<state>/rotated` has of each variable the last values
that it had before: to go back to, and to know an env file that somebody still has from before.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from opslib.command import bash
from opslib.errors import OpsError
from opslib.target.base import Target
from opslib.target.transfer import put_bytes, read_file

KEPT = 5
"""Former values of a variable that are kept."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What the run `run` is about to make of a variable."""

    run: str
    key: str
    old: str
    new: str

    def __repr__(self) -> str:
        return f"Intent({self.key}: ***)"


class Former(msgspec.Struct, frozen=True, kw_only=True):
    """A value that was in force until the run `run` ended that, at `at`, by `by`. `back`: the run that brought it
    back."""

    was: str
    run: str
    at: str
    by: str
    back: str = ""

    def __repr__(self) -> str:
        return f"Former(*** until {self.at})"


Values = dict[str, list[Former]]
"""By variable its former values, the newest last."""

_intent = msgspec.json.Decoder(Intent).decode  # one thread makes each, as of manifests
_values = msgspec.json.Decoder(Values).decode


def intent(target: Target) -> Intent | None:
    """The rotation that is on its way. Raises OpsError for one that cannot be read."""
    found = read_file(target, _path(target, "rotating"))
    try:
        return None if found is None else _intent(found)
    except msgspec.MsgspecError:
        raise _unreadable(target, "rotating") from None


def begin(target: Target, wanted: Intent) -> None:
    """Have the intent on the disk."""
    put_bytes(target, msgspec.json.encode(wanted), _path(target, "rotating"))


def end(target: Target) -> None:
    """It is over: the intent goes."""
    target.run(bash('rm -f -- "$1" && sync -- "${1%/*}"', _path(target, "rotating")))


def read(target: Target) -> Values:
    """All former values. Raises OpsError where they cannot be read."""
    found = read_file(target, _path(target, "rotated"))
    try:
        return {} if found is None else _values(found)
    except msgspec.MsgspecError:
        raise _unreadable(target, "rotated") from None


def remember(target: Target, key: str, former: Former, now: str) -> None:
    """The variable had another value until now. Where it is one that it had before, that is in force again."""
    values = read(target)
    mine = [msgspec.structs.replace(one, back=former.run) if one.was == now else one for one in values.get(key, [])]
    _write(target, {**values, key: [*mine, former][-KEPT:]})


def forget(target: Target, run: str) -> None:
    """The run's rotation has not come to be. Idempotent."""
    values = read(target)
    left = {
        key: [msgspec.structs.replace(one, back="") if one.back == run else one for one in found if one.run != run]
        for key, found in values.items()
    }
    if left != values:
        _write(target, left)


def last(values: Values, key: str) -> str | None:
    """The value before the last rotation; None where there was none."""
    found = values.get(key)
    return found[-1].was if found else None


def stale(values: Values, mine: Mapping[str, str]) -> dict[str, Former]:
    """Of an env file's variables those that have a value from before a rotation."""
    return {key: one for key, found in values.items() for one in found if not one.back and mine.get(key) == one.was}


def _write(target: Target, values: Values) -> None:
    put_bytes(target, msgspec.json.encode(values), _path(target, "rotated"))


def _path(target: Target, name: str) -> str:
    return f"{target.state}/{name}"


def _unreadable(target: Target, name: str) -> OpsError:
    return OpsError(f"{_path(target, name)} cannot be read", host=target.host.name, left="everything",
                    next="it says which values secrets had: mend it, or move it away")  # fmt: skip
