"""Secrets: which variables are ones, how new ones are made, and which values are none."""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass

from opslib.compose.environment import Environment, is_placeholder
from opslib.errors import BadSettings

__all__ = ["SHORTEST", "Rule", "is_placeholder", "is_secret", "rule"]

_ALPHABETS = {
    "urlsafe": string.ascii_letters + string.digits + "_-",
    "alnum": string.ascii_letters + string.digits,
    "hex": string.digits + "abcdef",
    "digits": string.digits,
}
SHORTEST = 12
"""Characters below which a secret can be guessed."""
_LONGEST = 1024
_NO_SECRET = re.compile(r"(_FILE|_PATH|_ID|_NAME|_USER|_URL|_URI|_HOST|_PORT|_TTL|_EXPIRE\w*|_MINUTES|_ALGORITHM)$")


@dataclass(frozen=True, slots=True)
class Rule:
    """How a secret is made: so many characters of an alphabet."""

    length: int = 32
    alphabet: str = "urlsafe"

    def make(self) -> str:
        """A new one. It begins with a letter or digit: no program takes it for an option."""
        letters = _ALPHABETS[self.alphabet]
        while True:
            made = "".join(secrets.choice(letters) for _ in range(self.length))
            if made[0].isalnum():
                return made


def rule(told: str, place: str) -> Rule:
    """From the words behind `secret:`, like `64 hex`; none of them: 32 characters that need no quoting in URLs and
    shells. Raises BadSettings naming `place`, the example's file and line."""
    found = Rule()
    for word in told.split():
        if word.isascii() and word.isdecimal() and SHORTEST <= int(word) <= _LONGEST:
            found = Rule(int(word), found.alphabet)
        elif word in _ALPHABETS:
            found = Rule(found.length, word)
        else:
            raise BadSettings(
                f"{place}: expected a length from {SHORTEST} to {_LONGEST}, or one of {', '.join(_ALPHABETS)}, not "
                f"{word!r}",
                left="everything", next="write for instance `# secret: 64 hex`",
            )  # fmt: skip
    return found


def is_secret(name: str) -> bool:
    """Whether a variable's name says that its value is a secret."""
    return bool(Environment({name: "xxxx"}).telling()) and not _NO_SECRET.search(name.upper())
