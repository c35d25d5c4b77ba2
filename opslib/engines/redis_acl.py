"""The users of a Redis server, as ACL LIST tells them: a line each, `user NAME RULES`, passwords as SHA-256 alone.

A name may hold any byte but a space; it is written here as redis-cli takes it, which is ASCII whatever the name is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BARE = re.compile(rb"[\w.@:+~/-]+")


def word(text: bytes) -> str:
    """A word as redis-cli takes it."""
    if _BARE.fullmatch(text):
        return text.decode()
    plain = (chr(byte) if 32 < byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in text)
    return f'"{"".join(plain)}"'


def users(listed: bytes) -> dict[str, bytes]:
    """By name the rules. Raises ValueError for what is no list of users."""
    found = {}
    for line in listed.splitlines():
        kind, _, rest = line.partition(b" ")
        name, _, rules = rest.partition(b" ")
        if kind != b"user" or not name:
            raise ValueError("this is no list of Redis users")
        found[word(name)] = rules
    return found


def setuser(name: str, rules: bytes, *, there: bool) -> str:
    """The command that makes the user what these rules say, whatever it was before if it is there already."""
    return " ".join(["acl setuser", name, *(["reset"] if there else []), *map(word, rules.split())])


def differing(wanted: dict[str, bytes], there: dict[str, bytes]) -> Sequence[str]:
    """The names of those that are not there, or not with the same rules."""
    return [name for name, rules in wanted.items() if there.get(name) != rules]
