"""The containers of a machine, of whatever project, as one `docker ps` tells of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ALL = ("0.0.0.0", "::")
"""The addresses that stand for every one of the machine's."""


@dataclass(frozen=True, slots=True)
class Published:
    """A port of the machine at which the engine passes what comes on to a container."""

    address: str
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class SeenContainer:
    """`state` is Docker's word, `exit_code` that of the last end (0 for one that runs). `folder` and `files` are where
    its Compose project was started from, files joined by commas. `task`: of a Swarm's service."""

    name: str
    project: str
    service: str
    state: str
    exit_code: int
    healthy: bool
    image: str
    one_off: bool
    folder: str
    files: str
    task: bool
    ports: tuple[Published, ...]

    @property
    def trouble(self) -> str:
        """What is plainly not well with it, "" where nothing is. A Swarm's ended tasks stay beside those in their
        place, and mean nothing."""
        if self.one_off or (self.task and self.state != "running"):
            return ""
        if self.state in ("restarting", "dead", "paused"):
            return f"it is {self.state}"
        if self.state == "exited" and self.exit_code:
            return f"it has ended with exit code {self.exit_code}"
        return "" if self.healthy else "its health check fails"


def containers_of(lines: Sequence[str]) -> Iterator[SeenContainer]:
    """From the section of the look: a line of JSON for each, and its project's folder in the next."""
    for line, folder in zip(lines[::2], lines[1::2], strict=False):
        state, status, name, ports, image, project, service, one_off, files, stack, task = json.loads(line)
        ended = re.match(r"Exited \((\d+)\)", status)
        yield SeenContainer(
            name=name, project=project or stack, service=service or task.removeprefix(f"{stack}_") or name, state=state,
            exit_code=int(ended[1]) if ended else 0, healthy="(unhealthy)" not in status, image=image,
            one_off=one_off.lower() == "true", folder=folder[1:], files=files, task=bool(task),
            ports=tuple(published_of(ports)),
        )  # fmt: skip


def published_of(text: str) -> Iterator[Published]:
    """What docker ps says of ports: `0.0.0.0:80->80/tcp, [::]:80->80/tcp, 9000/tcp, 127.0.0.1:70-71->70-71/tcp`; those
    without an arrow are open between containers alone."""
    for one in text.split(", "):
        found = re.fullmatch(r"(?:\[?([^\]>]*?)\]?:)?(\d+)(?:-(\d+))?->[\d-]+/(\w+)", one)
        if found:
            address, first, last, protocol = found.groups()
            for port in range(int(first), int(last or first) + 1):
                yield Published(address or ALL[0], port, protocol)
