"""The two machines that the stack runs on, seen without opslib: plain docker commands, so that the demo compares what
opslib did with something other than opslib."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from .screen import DemoError, Screen

PROJECT = "opslib-demo"
SERVER = "demo"
SERVER_CONTAINER = f"opslib-lab-{SERVER}"
SCRIPTS = Path(__file__).parent

Fingerprint = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Place:
    """A machine: `host` is its name for `inv --host`, `docker` the words that call its engine."""

    title: str
    host: str
    docker: tuple[str, ...]

    def container(self, screen: Screen, service: str) -> str:
        """The name of a service's running container. Raises DemoError where there is none."""
        labels = {"com.docker.compose.project": PROJECT, "com.docker.compose.service": service}
        filters = [word for key, value in labels.items() for word in ("--filter", f"label={key}={value}")]
        names = screen.run([*self.docker, "ps", "--format", "{{.Names}}", *filters]).split()
        if len(names) != 1:
            raise DemoError(f"{self.title}: {service} runs in {len(names)} containers, not in one")
        return names[0]

    def python(self, screen: Screen, script: str) -> str:
        """Run a script of the demo in the api container; returns what it printed."""
        text = (SCRIPTS / f"{script}.py").read_text()
        return screen.run([*self.docker, "exec", "-i", self.container(screen, "api"), "python", "-"], data=text)

    def python_by_hand(self, script: str) -> str:
        """The line that a person types for it."""
        return f"{shlex.join(self.docker)} exec -i {PROJECT}-api-1 python - <{SCRIPTS / script}.py"

    def fingerprint(self, screen: Screen) -> Fingerprint:
        """Every part of the data with its number of lines and their digest."""
        found: Fingerprint = json.loads(self.python(screen, "fingerprint"))
        return found

    def version(self, screen: Screen) -> str:
        """What GET /version answers through nginx."""
        ask = "import urllib.request as u; print(u.urlopen('http://nginx/version', timeout=10).read().decode())"
        said = screen.run([*self.docker, "exec", self.container(screen, "api"), "python", "-c", ask])
        return str(json.loads(said)["version"])


def differences(before: Fingerprint, after: Fingerprint) -> list[str]:
    """What is not as it was: the part, and its number of lines before and after."""
    found = []
    for name in sorted({*before, *after}):
        old, new = before.get(name, {"lines": 0}), after.get(name, {"lines": 0})
        if old != new:
            found.append(f"{name} ({old['lines']} -> {new['error'] if 'error' in new else new['lines']})")
    return found


def total(print_: Fingerprint, *kinds: str) -> int:
    """The lines of all parts whose names begin with one of `kinds`."""
    return sum(int(str(part["lines"])) for name, part in print_.items() if name.startswith(kinds))
