"""Variables of a container or a service, which must not show themselves: half of them are passwords."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

_SECRET = re.compile(r"PASS|_PWD|SECRET|TOKEN|KEY|CREDENTIAL|PRIVATE|AUTH|DSN|SALT|COOKIE|SIGN", re.IGNORECASE)
_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:([^/\s@]+)@", re.IGNORECASE)


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
