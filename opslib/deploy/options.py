"""What a deploy and a rollback are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from opslib.deploy.once import Once
from opslib.deploy.sources import Git
from opslib.images.builds import Builds
from opslib.images.registry import Pushes
from opslib.run.step import AnyStep, Run
from opslib.settings.model import Strategy
from opslib.target.base import Target

EnvFrom = Literal["here", "there"]


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """`root` is the project's folder on this machine and `here` this machine, for git and builds. `redeploy`
    recreates what has not changed too, `build` builds although nothing of the build's context has changed. `env` says
    whose env file counts when it was changed on the server. `backup` gives the steps of a backup, for
    `backup_first`. Where the project comes from a backup set, `name` is the one that it had, and `git` tells which
    files came with it. `pushes` is what the run has pushed to registries, `builds` what it has built here, `once` what
    its hosts have asked about this machine. `strategy` in place of the host file's. `orphan` names data that services
    may lose sight of, `ignore` rules of lint that the compose files break on purpose. `anyway`: also outside of the
    window, and on a frozen host. `accept` names what fails the scan and may go live all the same."""

    root: Path
    here: Target
    redeploy: bool = False
    build: bool = False
    env: EnvFrom | None = None
    orphan: tuple[str, ...] = ()
    anyway: bool = False
    accept: tuple[str, ...] = ()
    backup: Callable[[Run], list[AnyStep]] | None = None
    name: str | None = None
    git: Git | None = None
    pushes: Pushes = field(default_factory=Pushes)
    builds: Builds = field(default_factory=Builds)
    once: Once = field(default_factory=Once)
    strategy: Strategy | None = None
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """`root` and `here` as for a deploy. `services`: only these. `platform` and `on` in place of the host file's.
    `no_cache`: nothing of an earlier build counts. `builds` is what the run has built here."""

    root: Path
    here: Target
    services: tuple[str, ...] = ()
    no_cache: bool = False
    platform: str | None = None
    on: Literal["local", "remote"] | None = None
    builds: Builds = field(default_factory=Builds)


@dataclass(frozen=True, slots=True)
class RollbackOptions:
    """`to` is a release's id, None the good one before the current. `env` and `strategy` as for a deploy. `confirm`
    asks a person, and raises where the answer is no."""

    root: Path
    to: str | None = None
    env: EnvFrom | None = None
    backup: Callable[[Run], list[AnyStep]] | None = None
    strategy: Strategy | None = None
    confirm: Callable[[str, Target], None] | None = None


def in_place(target: Target, root: Path) -> bool:
    """Whether the project's folder here is the place that it is deployed in: then nothing is copied."""
    return target.host.is_local and target.root == str(root.resolve())
