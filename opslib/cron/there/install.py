"""A host's schedule on the host itself, shown and removed: what needs this machine no more."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.command import bash, quote
from opslib.cron import jobs
from opslib.cron.there.environment import Environment
from opslib.cron.there.server import look
from opslib.errors import BadSettings
from opslib.images.tools import ensure_tools
from opslib.settings.portable import env_text, portable
from opslib.target.transfer import put_bytes, read_file

if TYPE_CHECKING:
    from opslib.run.step import Run
    from opslib.settings.model import Host
    from opslib.target.base import Target


def install(run: Run, root: Path, here: Target, *, plan: bool) -> None:
    """Put opslib, what the project's tasks need and the schedule on the host of the run; the tools image comes from
    `here`, this machine. Raises OpsError; until the schedule itself changes, what is there goes on as it was."""
    server, host = look(run.target), run.target.host
    environment = Environment(server, ["alerts"] if host.backup.signals.notify else [])
    files, variables = _files(root, host, run.target.root)
    folder = f"{server.folder}/{root.name}"
    changed = [name for name, data in files.items() if read_file(run.target, f"{folder}/{name}") != data]
    run.result |= {
        "there": server.folder, "python": server.need_python(), "environment": environment.name,
        "new_environment": not environment.there, "files": changed, "variables": variables,
    }  # fmt: skip
    for text in _warnings(root, host):
        run.note(text, warning=True)
    if variables and ".env" in changed:
        run.note(f"{', '.join(variables)}: their values go to {folder}/.env on {host.name}, mode 0600")
    if plan:
        run.result |= {"installed": bool(server.envs), "changed": bool(changed) or not environment.there}
        if environment.there and not changed:
            run.result |= server.inv(environment.name, folder, "cron.install", "--plan")["result"]
        return
    if host.compose:
        ensure_tools(run.target, here)
    if not environment.there:
        environment.make()
    if changed or not environment.there:
        tried = f"{server.folder}/try/{root.name}"  # what does not run there never takes the place of what does
        _put(run, tried, files, files)
        try:
            server.inv(environment.name, tried, "cron.install", "--plan")
        finally:
            run.target.run(bash('rm -rf -- "$1"', f"{server.folder}/try"))
        _put(run, folder, files, changed)
    found = server.inv(environment.name, folder, "cron.install")
    new = bool(changed) or not environment.there or found["changed"]
    if new:
        environment.finish()
    run.result |= {**found["result"], "changed": new}
    run.changed = new


def show(run: Run, root: Path) -> None:
    """What is installed on the host itself."""
    server = look(run.target)
    run.result |= {"there": server.folder, "installed": False}
    if server.envs:
        run.result |= server.inv(server.envs[0], f"{server.folder}/{root.name}", "cron.show")["result"]


def remove(run: Run, root: Path, *, plan: bool) -> None:
    """Take the host's schedule out of its own crontab and timers; the environment and the files stay there."""
    server = look(run.target)
    run.result |= {"there": server.folder, "installed": False, "changed": False, "left": []}
    if not server.envs:
        return
    flags = ("--plan",) if plan else ("--yes",)
    found = server.inv(server.envs[0], f"{server.folder}/{root.name}", "cron.remove", *flags)
    run.result |= {**found["result"], "left": [server.folder], "by_hand": f"rm -rf -- {quote(server.folder)}"}
    run.changed = found["changed"]


def _files(root: Path, host: Host, path: str) -> tuple[dict[str, bytes], list[str]]:
    """What the project is to hold there, by path, and the names of the variables in its env file."""
    text, variables = portable(root, host, path, os.environ)
    try:
        tasks = (root / "tasks.py").read_bytes()
    except OSError as error:
        raise BadSettings(f"{root / 'tasks.py'} cannot be read: {error.strerror}", left="everything") from None
    return {
        "tasks.py": tasks, f"hosts/{host.name}.yml": text.encode(), ".env": env_text(variables).encode(),
    }, sorted(variables)  # fmt: skip


def _put(run: Run, folder: str, files: Mapping[str, bytes], names: Iterable[str]) -> None:
    for name in names:
        put_bytes(run.target, files[name], f"{folder}/{name}", mode=0o600)


def _warnings(root: Path, host: Host) -> list[str]:
    said = []
    for store in host.backup.stores:
        if store.url.kind == "folder":
            said.append(f"the store {store.called} is a folder: there it is one of {host.name} itself")
        if store.url.kind == "sftp":
            said.append(
                f"the store {store.called}: {host.name} needs a key of its own for it, and to know its host key"
            )
    if host.name in jobs.names(root):
        said.append(f"this machine's schedule has {host.name} too: inv cron.remove --host {host.name}")
    return said
