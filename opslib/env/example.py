"""An example of an env file: what it says of each variable, and the env file that is made of it.

    # The port that the api listens on.
    # type: port
    API_PORT=8000
    # secret: 64 hex
    JWT_SECRET_KEY=
    MONGO_URI=mongodb://${MONGO_USER}:${MONGO_PASSWORD}@mongo:27017/app

A rule is a comment of its own: `type:` (opslib.env.kinds), `secret` or `secret:` (opslib.env.secret), `optional`.
Comments of a variable are those right above it, and the one behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from opslib.env.kinds import Kind, kind
from opslib.env.secret import Rule, is_placeholder, is_secret, rule
from opslib.settings.dotenv import EnvFile

_RULE = re.compile(r"#+[ \t]*(?:(type|secret):[ \t]*(.+)|(secret|optional))[ \t]*")
_REFERS = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Variable:
    """What an example says of a variable. `value` is as it is written, without quotes around it. `secret` is how a new
    one is made, None for what is no secret. `parts` are the variables that it is put together from."""

    name: str
    value: str = field(repr=False)
    line: int
    about: str = ""
    kind: Kind | None = None
    secret: Rule | None = None
    optional: bool = False
    parts: tuple[str, ...] = ()

    @property
    def default(self) -> str | None:
        """The value that it has without anybody's doing, None where somebody has to give one."""
        if self.secret is not None or self.parts:
            return None
        return self.value if self.value or self.optional else None


class Example:
    """The variables of an example, in its order. `shown` is its name in errors. Raises BadSettings."""

    def __init__(self, text: str, shown: str) -> None:
        self.text, self.shown = text, shown
        self._lines = text.split("\n")
        found = [self._variable(entry.name, entry.line) for entry in EnvFile(text, shown).all]
        self.variables: Mapping[str, Variable] = {one.name: one for one in found}

    def comment(self, variable: Variable) -> list[str]:
        """The lines of comment right above it."""
        first = variable.line - 1
        while first > 0 and self._lines[first - 1].lstrip().startswith("#"):
            first -= 1
        return self._lines[first : variable.line - 1]

    def _variable(self, name: str, line: int) -> Variable:
        written = self._lines[line - 1].partition("=")[2].strip()
        value, behind = unquoted(written)
        bare = Variable(name, value, line)
        about = " ".join([*(text.lstrip("# \t") for text in self.comment(bare)), behind.lstrip("# \t")]).strip()
        found: Kind | None = None
        how, optional = None, False
        place = f"{self.shown}:{line}"
        for text in [*self.comment(bare), behind]:
            match = _RULE.fullmatch(text.strip())
            word = match and (match[1] or match[3])
            if match and word == "type":
                found = kind(match[2].strip(), place)
            elif match and word == "secret":
                how = rule((match[2] or "").strip(), place)
            optional = optional or word == "optional"
        parts = () if written.startswith("'") else tuple(dict.fromkeys(_REFERS.findall(value)))
        if how is None and not optional and not parts and is_secret(name) and (not value or is_placeholder(value)):
            how = Rule()
        return Variable(name, value, line, about, found, how, optional, parts)


def unquoted(written: str) -> tuple[str, str]:
    """A value without its quotes, and the comment behind it."""
    if written[:1] in ("'", '"'):
        match = re.match(rf"{written[0]}((?:\\.|[^\\{written[0]}])*){written[0]}", written)
        if match:
            return match[1], written[match.end() :].strip()
    value, mark, behind = written.partition(" #")
    return value.rstrip(), f"#{behind}" if mark else ""
