"""Files of the project that hold secrets: who has to read them, and that nobody else can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from opslib.deploy.files import relative
from opslib.deploy.render import Config
from opslib.deploy.sources import Source

if TYPE_CHECKING:
    from opslib.compose.project import Project
    from opslib.compose.stack import Stack
    from opslib.run.step import Run

MODE = 0o600
_ROOT = ("", "0", "root")


def users(config: Config, stack: Stack) -> dict[str, str | None]:
    """As whom each service runs: as the compose files say, else as its container does; None where nobody knows yet."""
    found: dict[str, str | None] = {}
    for name, service in config.get("services", {}).items():
        containers = stack.service(name)
        found[name] = str(service["user"]) if "user" in service else containers[0].user if containers else None
    return found


def closed(
    private: Iterable[str], files: Mapping[str, Source], project: Project, users: Mapping[str, str | None]
) -> tuple[dict[str, Source], list[str]]:
    """The private files with mode 0600, and the services of which it is not known whether they can read theirs then. A
    file that a service mounts which does not run as root keeps its mode: Docker Compose gives it to the container as
    it is."""
    found, unknown = dict[str, Source](), set[str]()
    for path in private:
        readers = _readers(path, project)
        if path in files and all(_as_root(users.get(name)) for name in readers):
            found[path] = replace(files[path], mode=MODE)
            unknown |= {name for name in readers if users.get(name) is None}
    return found, sorted(unknown)


def warn(run: Run, services: Sequence[str]) -> None:
    """Say of which services it is not known whether they can read their secrets."""
    if services:
        run.note(
            f"{', '.join(services)}: files of secrets are readable by root alone (0600); where its image runs as "
            "another user, say so by `user:` in the compose file", warning=True,
        )  # fmt: skip


def _readers(path: str, project: Project) -> list[str]:
    return [
        name for name, service in project.services.items()
        if any(mount.type != "volume" and relative(mount.source, project.root) == path for mount in service.mounts)
    ]  # fmt: skip


def _as_root(user: str | None) -> bool:
    return user is None or user.split(":")[0] in _ROOT
