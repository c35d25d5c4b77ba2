"""The registry of a host file: where images are pushed to, and pulled from by the server."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from msgspec import Struct

from opslib.command import Secret
from opslib.settings.units import Parse, Scalar

_ADDRESS = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost|[A-Za-z0-9-]+(?=:))(?::\d+)?(?:/[a-z0-9._-]+)*")


def registry_address(value: Scalar) -> str:
    """`registry.example.com`, `registry.example.com:5000/team`, `127.0.0.1:5000`, `docker.io/acme`."""
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise ValueError("expected a registry like registry.example.com or registry.example.com:5000/team")
    return value


class Registry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registry. Without user and password: as the engines there and here are logged in already, or anybody."""

    short: ClassVar[str] = "address"

    address: Annotated[str, Parse(registry_address)]
    user: str | None = None
    password: Secret | None = None

    def __post_init__(self) -> None:
        if (self.user is None) != (self.password is None):
            raise ValueError("give both user and password, or none of them")

    @property
    def server(self) -> str:
        """What is logged in to."""
        return self.address.partition("/")[0]

    def name(self, image: str) -> str:
        """What an image is called there, with its tag."""
        if image.startswith(f"{self.address}/"):
            return image
        first, slash, rest = image.partition("/")
        elsewhere = slash and re.search(r"[.:]|^localhost$", first)
        return f"{self.address}/{rest if elsewhere else image}"
