"""The env file: which one counts, and what differs, by the names of its variables alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from opslib.errors import OpsError


@dataclass(frozen=True, slots=True)
class EnvKeys:
    """The names of the variables that came, went or have another value."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [("added", self.added), ("changed", self.changed), ("removed", self.removed)]
        return "; ".join(f"{word}: {', '.join(keys)}" for word, keys in parts if keys) or "only comments or order"


@dataclass(frozen=True, slots=True)
class Files:
    """The digests that decide: the file here and there now, and both as they were at the last release. None where
    there was none."""

    here: str | None
    there: str | None
    last_here: str | None
    last_there: str | None


def digest(content: bytes | None) -> str | None:
    """The digest of an env file."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def write_ours(files: Files, choice: str | None) -> bool | None:
    """True: the server gets the file from here. False: it keeps what it has. None: somebody must choose, because the
    server's was changed since the last release, or both differ on purpose and ours has changed since."""
    if files.here is None or files.here == files.there:
        return False
    if files.there is None or choice == "here":
        return True
    if choice == "there":
        return False
    changed_there, changed_here = files.there != files.last_there, files.here != files.last_here
    if not changed_there and not changed_here:
        return False
    if not changed_there and files.last_here == files.last_there:
        return True
    return None


def values(content: bytes | None) -> dict[str, str]:
    """The lines of an env file by name; only to be compared, never shown."""
    found = {}
    for line in (content or b"").decode("utf-8", "surrogateescape").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name and not name.startswith("#"):
            found[name.strip()] = value
    return found


def difference(old: bytes | None, new: bytes | None) -> EnvKeys:
    """From `old` to `new`, in names."""
    before, after = values(old), values(new)
    return EnvKeys(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(key for key in after.keys() & before.keys() if after[key] != before[key])),
        tuple(sorted(before.keys() - after.keys())),
    )


def refused(name: str, there: bytes | None, ours: bytes | None, *, released: bool, host: str, task: str) -> OpsError:
    """The error for an env file that nobody has chosen between."""
    keys, stays = difference(there, ours), "" if task == "env.push" else "--env there (the server's stays) or "
    what = "was changed on the server since the last release" if released else "is there and no release wrote it"
    return OpsError(
        f"the env file {name} {what}, and this {task} would write another one over it ({keys})",
        host=host,
        left="everything",
        next=f"inv env.pull --host {host} takes the server's variables over into yours; or inv {task} --host {host} "
        f"{stays}--env here (yours replaces it)",
    )
