"""What a part of a provisioned machine is: a decision from facts, and what is done about it."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from opslib.settings.provision import Part as Name
from opslib.settings.provision import Provision

Facts = Mapping[str, str]
"""What the look saw, by name. What is not there is no key, or empty."""

QUICK = 120.0  # seconds for what installs nothing
LONG = 1800.0  # seconds for what may fetch packages, beside the wait for apt


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the host file wants: its section, and what that leaves to the rest of it. `folder` may be relative to the
    home of `user`; `keys` are lines of authorized_keys, none: those that let whoever provisions in. `swarm`: deploys
    need one."""

    settings: Provision
    user: str
    login: str
    folder: str
    keys: tuple[str, ...] = ()
    swarm: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done: `what` for a person, `script` (bash, behind lib.bash) as root with `args` and `data`. `stops`
    says what it stops, which nobody is surprised by; `guarded`: a change that could lock everybody out, which the
    machine undoes by itself unless a login has worked since."""

    what: str
    script: str
    args: tuple[str, ...] = ()
    data: bytes = b""
    limit: float = QUICK
    stops: str = ""
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `decide` says what is to be done, None where the machine is as it is wanted. It raises OpsError where
    that cannot be."""

    name: Name
    decide: Callable[[Facts, Wanted], Change | None]


def content(facts: Facts, name: str) -> str | None:
    """A file that was seen, as text; None: it is not there."""
    text = facts.get(name)
    return None if text is None else base64.b64decode(text).decode("utf-8", "surrogateescape")


def installed(facts: Facts, package: str) -> bool:
    """Whether a package is there."""
    return f"package.{package}" in facts


def missing(facts: Facts, *packages: str) -> tuple[str, ...]:
    """Those of the packages that are not there."""
    return tuple(one for one in packages if not installed(facts, one))


@dataclass(frozen=True)
class System:
    """The distribution, as far as it makes a difference."""

    facts: Facts

    @cached_property
    def family(self) -> str:
        """`debian`, `ubuntu`, or "" for another one."""
        words = [self.facts.get("os.id", ""), *shlex.split(self.facts.get("os.like", ""))]
        return next((word for word in words if word in ("ubuntu", "debian")), "")

    @property
    def codename(self) -> str:
        """Of the release that its packages are of: `bookworm`, `noble`."""
        return self.facts.get("os.codename", "")

    @property
    def name(self) -> str:
        """As it calls itself."""
        return self.facts.get("os.name") or "an unknown system"

    @cached_property
    def release(self) -> float:
        """12 for Debian 12, 24.04 for Ubuntu 24.04, 0 where it does not say. A derived system's own number tells
        nothing, so there its codename counts."""
        known = {"bookworm": 12.0, "trixie": 13.0, "forky": 14.0, "jammy": 22.04, "noble": 24.04, "resolute": 26.04}
        try:
            own = float(self.facts.get("os.version", "")) if self.facts.get("os.id") == self.family else 0.0
        except ValueError:
            own = 0.0
        return own or known.get(self.codename, 0.0)

    @property
    def supported(self) -> bool:
        """Debian 12 and Ubuntu 22.04 are the oldest; apt and systemd have to be there."""
        oldest = {"debian": 12.0, "ubuntu": 22.04}.get(self.family)
        has = self.facts.get("os.apt") == self.facts.get("os.systemd") == "yes"
        return has and oldest is not None and self.release >= oldest

    @property
    def container(self) -> bool:
        """Whether it has its kernel, its clock and its swap from another machine."""
        return self.facts.get("os.container", "none") not in ("", "none")
