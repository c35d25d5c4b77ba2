"""Who can read a set that is encrypted: an identity of age from a file, the environment or a person."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.errors import BadSettings

if TYPE_CHECKING:
    from opslib.backup.keys import Find
    from opslib.command import Secret
    from opslib.tasks._call import Call


def finder(call: Call, file: str | None) -> Find:
    """Looks in the file that `--identity` names, in OPSLIB_AGE_IDENTITY and OPSLIB_AGE_IDENTITY_FILE, and asks. What
    was read or typed for one host is tried for the next before anybody is asked again."""
    known: list[Secret] = []
    one_by_one = threading.Lock()

    def find(recipients: Sequence[str], what: str) -> Secret:
        from opslib.backup.keys import fitting, from_text

        with one_by_one:
            with suppress(BadSettings):
                return fitting(known, recipients, "")
            where, text = _given(call, file) or _asked(call, what)
            found = from_text(text, where, call.prompt)
            known.extend(found)
            return fitting(found, recipients, where)

    return find


def given(call: Call, file: str | None) -> Find | None:
    """The same where one is named; nobody is asked."""
    named = file or os.environ.get("OPSLIB_AGE_IDENTITY") or os.environ.get("OPSLIB_AGE_IDENTITY_FILE")
    return finder(call, file) if named else None


def _given(call: Call, file: str | None) -> tuple[str, bytes] | None:
    if file is None and (text := os.environ.get("OPSLIB_AGE_IDENTITY")):
        return "OPSLIB_AGE_IDENTITY", text.encode()
    name = file or os.environ.get("OPSLIB_AGE_IDENTITY_FILE")
    if not name:
        return None
    path = call.root / os.path.expanduser(name)
    try:
        return str(path), Path(path).read_bytes()
    except OSError as error:
        raise BadSettings(f"cannot read the identity in {path}: {error.strerror}", left="everything") from None


def _asked(call: Call, what: str) -> tuple[str, bytes]:
    if not call.ui.person.there:
        raise BadSettings(
            f"{what} is encrypted, and nothing says with which identity it is to be read",
            left="everything",
            next="--identity FILE, or OPSLIB_AGE_IDENTITY_FILE in .env or the environment",
        )
    question = f"Identity (AGE-SECRET-KEY-1…) for {what}"
    return "what was typed", call.ui.person.secret(question, stop=call.connections.cancelled).encode()
