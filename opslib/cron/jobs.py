"""The backup of a host in this machine's crontab: put there, shown, removed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.cron import block
from opslib.cron.crontab import Crontab
from opslib.errors import BadSettings, OpsError
from opslib.events import Note, Tell
from opslib.settings.load import KEYS, PROCESS, load_host

if TYPE_CHECKING:
    from opslib.settings.model import Host

WAIT = "10m"  # a nightly backup waits for a deploy that is under way
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_KEPT = ("HOME", *PROCESS)  # of the environment, beside PATH


def job(root: Path, host: Host, environ: dict[str, str]) -> block.Job:
    """What cron is to run for the host."""
    env = {"PATH": _path(environ.get("PATH", "")), **{name: environ[name] for name in _KEPT if environ.get(name)}}
    inv = Path(sys.executable).with_name("inv")
    argv = [str(inv)] if inv.is_file() else [sys.executable, "-m", "invoke"]
    return block.Job(
        root=str(root),
        host=host.name,
        schedule=host.backup.schedule,
        argv=(*argv, "backup.all", "--host", host.name, "--yes", "--wait", WAIT),
        env=env,
        log=str(log_file(root, host.name)),
    )


def log_file(root: Path, host: str) -> Path:
    """Where the job's output goes."""
    return Path.home() / ".local/state/opslib" / f"{root.name}-{host}.log"


def install(root: Path, host: Host, tell: Tell, *, plan: bool) -> tuple[bool, dict[str, Any]]:
    """Put the host's backup into the crontab; whether that changed it, and what stands there.

    Raises OpsError where it could not run: nobody is there at night to type a passphrase or to set a variable.
    """
    crontab = Crontab()
    before = crontab.read()
    _runs_alone(root, host)
    new = job(root, host, dict(os.environ))
    after = block.install(before, new)
    if not plan:
        Path(new.log).parent.mkdir(parents=True, exist_ok=True)
        if after != before:
            crontab.write(after)
        if not crontab.daemon_runs():
            tell(Note(host.name, "no cron daemon runs on this machine: sudo systemctl enable --now cron", warning=True))
    return after != before and not plan, _result(new.line(), new.log, changed=after != before)


def show(root: Path, host: str) -> tuple[bool, dict[str, Any]]:
    """What the crontab holds for the host."""
    line = block.installed(Crontab().read(), str(root)).get(host)
    return False, _result(line, str(log_file(root, host)))


def remove(root: Path, host: str, *, plan: bool) -> tuple[bool, dict[str, Any]]:
    """Take the host's backup out of the crontab."""
    crontab = Crontab()
    before = crontab.read()
    after = block.remove(before, str(root), host)
    if after != before and not plan:
        crontab.write(after)
    line = block.installed(before, str(root)).get(host)
    return after != before and not plan, _result(line, str(log_file(root, host)), changed=after != before)


def names(root: Path) -> list[str]:
    """The hosts that the crontab holds a backup of, for this project."""
    return sorted(block.installed(Crontab().read(), str(root)))


def _result(line: str | None, log: str, **more: Any) -> dict[str, Any]:
    schedule = " ".join(line.split(" ")[: 1 if line.startswith("@") else 5]) if line else None
    return {"installed": line is not None, "schedule": schedule, "line": line, "log": log, **more}


def _path(given: str) -> str:
    """The usual folders, and before them those of the programs that are elsewhere."""
    programs = [shutil.which(name, path=given) for name in ("docker", "ssh", "bash")]
    folders = [os.path.dirname(os.path.abspath(program)) for program in programs if program]
    return ":".join(dict.fromkeys([*(folder for folder in folders if folder not in _PATH), *_PATH]))


def _runs_alone(root: Path, host: Host) -> None:
    """Raise what would stop the job at night."""
    try:
        alone = load_host(root, host.name, environ={})
    except BadSettings as error:
        raise BadSettings(
            f"cron has none of your shell's variables: {error.what}", left="the crontab", next="set it in .env"
        ) from None
    if alone != host:
        names = ", ".join(name for name in KEYS if os.environ.get(name)) or "variables that the host file refers to"
        raise BadSettings(
            f"cron has none of your shell's variables, and without them {host.name} is another: {names}",
            left="the crontab",
            next="set them in .env or in the host file, and unset them in the shell",
        )
    if host.address is None:
        return
    from opslib.target.connection import needs_person
    from opslib.target.ssh_config import resolve

    why = needs_person(resolve(str(host.address)), host_name=host.name)
    if why:
        raise OpsError(
            f"cron could not log in, nobody is there to help it: {why}",
            host=host.name,
            left="the crontab",
            next="give it a key without a passphrase, and name that as IdentityFile of the server in ~/.ssh/config",
        )
