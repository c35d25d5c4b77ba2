"""What the host file wants to run by the clock, as it would run on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.cron import block, clock
from opslib.errors import BadSettings

if TYPE_CHECKING:
    from opslib.settings.model import Host

WAIT = "10m"  # a nightly backup waits for a deploy that is under way
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
# Of the environment, beside PATH. Never OPSLIB_AGE_IDENTITY: a crontab is no place for a private key, nor an argument.
_KEPT = ("HOME", "OPSLIB_SSH_CONFIG", "OPSLIB_TOOLS_BASE", "OPSLIB_AGE_IDENTITY_FILE")


def jobs(root: Path, host: Host, environ: Mapping[str, str]) -> list[block.Job]:
    """What is to run by the clock for the host. Raises BadSettings where that is nothing, or never."""
    env, program = _environment(environ), _program()
    if not host.backup.schedule:
        raise BadSettings("`backup: schedule:` names no task", host=host.name, left="the schedule")
    made = []
    for name, schedule in host.backup.schedule.items():
        task = f"backup.{name}"
        if clock.coming(schedule) is None:
            raise BadSettings(
                f"there is no such day: backup.schedule.{name}: {schedule}", host=host.name, left="the schedule"
            )
        changing = () if name == "verify" else ("--yes", "--wait", WAIT)
        made.append(
            block.Job(
                root=str(root), schedule=schedule, env=env, log=str(log_file(root, host.name)),
                argv=(*program, task, "--host", host.name, *changing, "--signal"),
                delay=clock.part_of(host.backup.random_delay, str(root), host.name, task),
                random_delay=round(host.backup.random_delay),
                limit=max(1, round(host.backup.limit)),
            )
        )  # fmt: skip
    return made


def log_file(root: Path, host: str) -> Path:
    """Where the output of a host's jobs goes."""
    return Path.home() / ".local/state/opslib" / f"{root.name}-{host}.log"


def _program() -> list[str]:
    inv = Path(sys.executable).with_name("inv")
    return [str(inv)] if inv.is_file() else [sys.executable, "-m", "invoke"]


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": _path(environ.get("PATH", "")), **{name: environ[name] for name in _KEPT if environ.get(name)}}


def _path(given: str) -> str:
    """The usual folders, and before them those of the programs that are elsewhere."""
    programs = [shutil.which(name, path=given) for name in ("docker", "ssh", "bash")]
    folders = [os.path.dirname(os.path.abspath(program)) for program in programs if program]
    return ":".join(dict.fromkeys([*(folder for folder in folders if folder not in _PATH), *_PATH]))
