"""Variables of a container or a service, which must not show themselves: half of them are passwords."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

_SECRET = re.compile(r"PASS|_PWD|SECRET|TOKEN|KEY|CREDENTIAL|PRIVATE|AUTH|DSN|SALT|COOKIE|SIGN", re.IGNORECASE)
_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:([^/\s@]+)@", re.IGNORECASE)
_COMMON = """admin administrator changeme change-me change_me changeit default demo dev example guest letmein minioadmin
mongo mysql none null pass passw0rd password password1 password123 postgres qwerty rabbitmq redis root secret
supersecret supersecretkey test toor user welcome 123456 12345678 1234567890"""
_KNOWN = frozenset(_COMMON.split())
_PLACEHOLDER = re.compile(
    r"<.*>|\{\{.*\}\}|x{4,}|\*{3,}|\.{3,}|todo.*|fixme.*|(your|my|put|insert|enter|replace|change|generate)[-_ ].*"
    r"|.*(change[-_ ]?me|change[-_ ]?this|change[-_ ]in[-_ ]production|replace[-_ ]?me|your[-_ ]secret).*",
    re.IGNORECASE,
)


class Environment(Mapping[str, str]):
    """Names and values; only the names are shown."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    @classmethod
    def from_list(cls, entries: Iterable[str]) -> Environment:
        """From `NAME=value` words, as the engine lists them."""
        return cls(dict(entry.split("=", 1) for entry in entries if "=" in entry))

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Environment({', '.join(f'{name}=***' for name in self._values)})"

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def telling(self) -> tuple[str, ...]:
        """The names that say that their values are secret."""
        return tuple(name for name, value in self._values.items() if _SECRET.search(name) and len(value) >= 4)

    def secrets(self) -> tuple[str, ...]:
        """The values to mask in logs and errors: those with a telling name, and passwords inside URLs."""
        found = {self._values[name] for name in self.telling()}
        for value in self._values.values():
            found.update(match for match in _IN_URL.findall(value) if len(match) >= 4)
        return tuple(sorted(found))


def is_placeholder(value: str) -> bool:
    """Whether it stands where a real value should: what every example has, and what everybody tries first."""
    return value.lower() in _KNOWN or bool(_PLACEHOLDER.fullmatch(value))
