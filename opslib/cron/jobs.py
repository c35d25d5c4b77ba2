"""The tasks of a host in this machine's crontab: put there, shown, removed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.cron import block, clock
from opslib.cron.crontab import Crontab
from opslib.errors import BadSettings, OpsError
from opslib.events import Note, Tell
from opslib.settings.load import KEYS, load_host
from opslib.signals.check import check

if TYPE_CHECKING:
    from opslib.settings.model import Host

WAIT = "10m"  # a nightly backup waits for a deploy that is under way
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
# Of the environment, beside PATH. Never OPSLIB_AGE_IDENTITY: a crontab is no place for a private key, nor an argument.
_KEPT = ("HOME", "OPSLIB_SSH_CONFIG", "OPSLIB_TOOLS_BASE", "OPSLIB_AGE_IDENTITY_FILE")


def jobs(root: Path, host: Host, environ: Mapping[str, str]) -> list[block.Job]:
    """What cron is to run for the host. Raises BadSettings where that is nothing, or never."""
    env, program = _environment(environ), _program()
    if not host.backup.schedule:
        raise BadSettings("`backup: schedule:` names no task", host=host.name, left="the crontab")
    made = []
    for name, schedule in host.backup.schedule.items():
        task = f"backup.{name}"
        if clock.coming(schedule) is None:
            raise BadSettings(
                f"there is no such day: backup.schedule.{name}: {schedule}", host=host.name, left="the crontab"
            )
        changing = () if name == "verify" else ("--yes", "--wait", WAIT)
        made.append(
            block.Job(
                root=str(root), schedule=schedule, env=env, log=str(log_file(root, host.name)),
                argv=(*program, task, "--host", host.name, *changing, "--signal"),
                delay=clock.part_of(host.backup.random_delay, str(root), host.name, task),
                limit=max(1, round(host.backup.limit)),
            )
        )  # fmt: skip
    return made


def later(root: Path, host: Host, environ: Mapping[str, str]) -> block.Later | None:
    """What looks for jobs of the host that were missed; None where the host file does not want it."""
    if not host.backup.catch_up:
        return None
    argv = (*_program(), block.CATCH_UP, "--host", host.name)
    first = clock.part_of(block.EVERY - 1, str(root), host.name)
    return block.Later(root=str(root), argv=argv, env=_environment(environ), first=first)


def log_file(root: Path, host: str) -> Path:
    """Where the output of a host's jobs goes."""
    return Path.home() / ".local/state/opslib" / f"{root.name}-{host}.log"


def install(root: Path, host: Host, tell: Tell, *, plan: bool) -> tuple[bool, dict[str, Any]]:
    """Put the host's jobs into the crontab; whether that changed it, and what stands there.

    Raises OpsError where they could not run: nobody is there at night to type a passphrase or to set a variable.
    """
    crontab = Crontab()
    before = crontab.read()
    _runs_alone(root, host)
    check(host.backup.signals, host.name)
    now = datetime.now(timezone.utc)
    made = jobs(root, host, os.environ)
    after = block.install(before, str(root), host.name, made, later(root, host, os.environ), now)
    if not plan:
        log_file(root, host.name).parent.mkdir(parents=True, exist_ok=True)
        if after != before:
            crontab.write(after)
        if not crontab.daemon_runs():
            tell(Note(host.name, "no cron daemon runs on this machine: sudo systemctl enable --now cron", warning=True))
    return after != before and not plan, _result(root, host.name, after, changed=after != before)


def show(root: Path, name: str, tell: Tell) -> tuple[bool, dict[str, Any]]:
    """What the crontab holds for the host; a warning where its file says otherwise by now."""
    text = Crontab().read()
    lines = block.installed(text, str(root)).get(name)
    with suppress(BadSettings):  # the file may be gone
        host = load_host(root, name)
        wanted = [one.line() for one in (*jobs(root, host, os.environ), later(root, host, os.environ)) if one]
        if lines is not None and [_says(one) for one in lines] != [_says(block.parse(one)) for one in wanted]:
            tell(Note(name, f"the host file says otherwise by now: inv cron.install --host {name}", warning=True))
    return False, _result(root, name, text)


def remove(root: Path, host: str, *, plan: bool) -> tuple[bool, dict[str, Any]]:
    """Take the host's jobs out of the crontab."""
    crontab = Crontab()
    before = crontab.read()
    after = block.remove(before, str(root), host)
    if after != before and not plan:
        crontab.write(after)
    return after != before and not plan, _result(root, host, before, changed=after != before)


def names(root: Path) -> list[str]:
    """The hosts that the crontab holds jobs of, for this project."""
    return sorted(block.installed(Crontab().read(), str(root)))


def _says(line: block.Line) -> tuple[str, str, int, bool]:
    return line.task, line.schedule, line.delay, line.signals


def _result(root: Path, host: str, crontab: str, **more: Any) -> dict[str, Any]:
    """What the text of a crontab says of the host. `schedule` and `line` are those of the first task."""
    lines = block.installed(crontab, str(root)).get(host)
    told = []
    for one in (line for line in lines or () if line.task != block.CATCH_UP):
        at = clock.coming(one.schedule, one.delay)
        told.append(
            {"task": one.task, "schedule": one.schedule, "delay": one.delay, "line": one.text,
             "next": at.isoformat() if at is not None else None}
        )  # fmt: skip
    first = told[0] if told else {"schedule": None, "line": None}
    return {
        "installed": lines is not None, "schedule": first["schedule"], "line": first["line"],
        "catch_up": block.since(crontab, str(root), host) is not None,
        "log": str(log_file(root, host)), "zone": clock.zone()[0], "jobs": told, **more,
    }  # fmt: skip


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
