"""Reading and extending known_hosts files as OpenSSH does.

paramiko's reader gives up at the first `@` line or bad key, and knows neither wildcards in brackets nor the fallback
from `[host]:port` to the plain name.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from opslib.errors import OpsError


@dataclass(frozen=True, slots=True)
class HostKeyLine:
    """One key of a known_hosts file and where it stands."""

    key_type: str
    blob: bytes
    file: Path
    line: int

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.blob)

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


class Verdict(enum.Enum):
    """What known_hosts says of a key that a server shows."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that known_hosts files say of one host."""

    keys: tuple[HostKeyLine, ...]
    plain: tuple[HostKeyLine, ...]  # of the name without the port: good enough when there are no `keys`
    revoked: tuple[HostKeyLine, ...]
    authorities: tuple[HostKeyLine, ...]  # @cert-authority: read, not supported
    skipped: tuple[str, ...]  # file:line (and why) of what could not be read

    @property
    def key_types(self) -> tuple[str, ...]:
        """The types to ask the server for first, so that it shows the key that is known."""
        return tuple(dict.fromkeys(x.key_type for x in self.keys or self.plain))

    def judge(self, blob: bytes) -> Verdict:
        """Like ssh: a revoked key is refused whatever else is listed, and one other key of the host means changed."""
        if any(x.blob == blob for x in self.revoked):
            return Verdict.REVOKED
        if self.keys:
            return Verdict.KNOWN if any(x.blob == blob for x in self.keys) else Verdict.CHANGED
        return Verdict.KNOWN if any(x.blob == blob for x in self.plain) else Verdict.UNKNOWN


def fingerprint(blob: bytes) -> str:
    """`SHA256:…` as ssh and ssh-keygen -l print it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def listed_as(host: str, port: int) -> str:
    """The name in a known_hosts file: `host`, or `[host]:port` for ports other than 22."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def lookup(files: Iterable[Path], host: str, port: int) -> Known:
    """What `files` say of `host`. Missing files are none; lines and files that cannot be read are listed, not fatal."""
    names = dict.fromkeys((listed_as(host, port), host.lower()))
    found: dict[str, list[HostKeyLine]] = {"": [], "plain": [], "@revoked": [], "@cert-authority": []}
    skipped: list[str] = []
    for file in files:
        try:
            lines = file.read_bytes().splitlines()
        except FileNotFoundError:
            continue
        except OSError as error:
            skipped.append(f"{file}: {error.strerror}")
            continue
        for marker, name, line in _matching(file, lines, tuple(names), skipped):
            found[marker or ("" if name == listed_as(host, port) else "plain")].append(line)
    keys, plain, revoked, authorities = (tuple(x) for x in found.values())
    return Known(keys, plain, revoked, authorities, tuple(skipped))


def _matching(
    file: Path, lines: list[bytes], names: tuple[str, ...], skipped: list[str]
) -> Iterator[tuple[str, str, HostKeyLine]]:
    for number, raw in enumerate(lines, 1):
        words = raw.decode("utf-8", "replace").split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if marker not in ("", "@revoked", "@cert-authority") or len(words) < 3:
            skipped.append(f"{file}:{number}")
            continue
        name = next((x for x in names if _matches(words[0], x)), None)
        if name is None:
            continue
        blob = _key(words[1], words[2])
        if blob is None:
            skipped.append(f"{file}:{number}")
            continue
        yield marker, name, HostKeyLine(words[1], blob, file, number)


def _matches(patterns: str, name: str) -> bool:
    if patterns.startswith("|"):
        return _hash_matches(patterns, name)
    hit = False
    for pattern in patterns.lower().split(","):
        if _glob(pattern.removeprefix("!"), name):
            if pattern.startswith("!"):
                return False
            hit = True
    return hit


def _glob(pattern: str, name: str) -> bool:
    """Only `*` and `?` mean anything: brackets are those of `[host]:port`."""
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(x, re.escape(x)) for x in pattern), name, re.DOTALL) is not None


def _hash_matches(hashed: str, name: str) -> bool:
    try:
        _, version, salt, digest = hashed.split("|")
        if version != "1":
            return False
        return hmac.compare_digest(_digest(base64.b64decode(salt), name), base64.b64decode(digest))
    except (ValueError, binascii.Error):
        return False


def _digest(salt: bytes, name: str) -> bytes:
    return hmac.new(salt, name.encode(), hashlib.sha1).digest()


def _key(key_type: str, text: str) -> bytes | None:
    """The key's bytes, or None where they are no base64 or belong to another type than the line says."""
    try:
        blob = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    wanted = len(key_type).to_bytes(4, "big") + key_type.encode()
    return blob if blob.startswith(wanted) else None


def append(file: Path, host: str, port: int, key_type: str, blob: bytes, *, hashed: bool = False) -> None:
    """Add a key at the end of `file`, which is made (0600, its folder 0700) when it is missing; other lines stay.

    Raises OpsError when the file cannot be written.
    """
    name = listed_as(host, port)
    if hashed:
        salt = os.urandom(20)
        name = "|1|" + "|".join(base64.b64encode(x).decode() for x in (salt, _digest(salt, name)))
    line = f"{name} {key_type} {base64.b64encode(blob).decode()}\n".encode()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OpsError(f"the key was not written: {file} is no file")
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line
            os.write(handle, line)  # one write: two of them at once do not mix
        finally:
            os.close(handle)
    except OSError as error:
        raise OpsError(f"the key was not written into {file}: {error.strerror}") from None
