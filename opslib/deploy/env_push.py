"""`inv env.push`: the env file goes to the server whole or not at all, and what uses a variable of it that has changed
is restarted where that is asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opslib.deploy import again, gate
from opslib.deploy.env import difference, digest, refused
from opslib.deploy.look_env import refuse_stale
from opslib.deploy.once import Once
from opslib.deploy.options import DeployOptions, EnvFrom, in_place
from opslib.deploy.release_steps import prune_step, seal_step
from opslib.deploy.seen import Seen
from opslib.deploy.strategies import hold
from opslib.deploy.strategies.steps import check, chosen
from opslib.deploy.switch_steps import health_step, roll_step, up_step
from opslib.env.diff import as_text
from opslib.env.sources import env_here
from opslib.errors import BadSettings
from opslib.run.step import AnyStep, Recovery, Run, Step
from opslib.settings.dotenv import EnvFile
from opslib.state import envs, releases
from opslib.target.base import Target
from opslib.target.transfer import put_bytes, read_file

Memo = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """`root` is the project's folder on this machine, `here` this machine. `restart` what uses a variable that has
    changed. `env` "here": also over a file that somebody else has changed there."""

    root: Path
    here: Target
    restart: bool = False
    env: EnvFrom | None = None
    once: Once = field(default_factory=Once)


def steps(run: Run, options: Options) -> list[AnyStep]:
    """What brings the env file here to the run's host; an empty list where it is there and nothing has to restart.

    Raises BadSettings for a file that is not there or cannot be read, OpsError where the server's was changed since.
    """
    target, name = run.target, run.target.host.env_file or ".env"
    local = in_place(target, options.root)
    if local and not options.restart:
        raise BadSettings(
            f"{name} is where it is used: this is the project's own folder", host=run.host, left="everything",
            next="inv env.push --restart, for services that run with other values",
        )  # fmt: skip
    ours = options.once.ask((name, local), lambda: _ours(options.root, name, local=local))
    there = ours if local else read_file(target, f"{target.root}/{name}")
    if not local and options.env != "here":
        _refuse_changed(run, name, there, ours)
        refuse_stale(run, name, ours)
    keys = difference(there, ours)
    run.result.update(file=name, keys={"added": list(keys.added), "changed": list(keys.changed),
                                       "removed": list(keys.removed)}, restarted=[])  # fmt: skip
    send = [] if there == ours else [file_step(f"{target.root}/{name}", ours, str(keys))]
    if not options.restart:
        return send
    gate.refuse(run, DeployOptions(options.root, options.here))
    seen = again.survey(run, options.root, ours, ours, difference(_released(target), ours))
    run.result["restarted"] = sorted(seen.recreate)
    return [*send, *restart_steps(run, seen, ours, options.here)]


def file_step(path: str, content: bytes, keys: str) -> Step[Memo]:
    """Write the env file there. What it replaces is kept."""

    def look(run: Run) -> Memo | None:
        was = read_file(run.target, path)
        return {"file": path, "was": was is not None, "run": run.id} if was != content else None

    def do(run: Run, memo: Memo) -> str:
        target = run.target
        envs.keep(target, path, run.id)
        put_bytes(target, content, path)
        envs.remember(target, digest(content) or "")
        return keys

    return Step("env file", look, do, _as_it_was, show=lambda memo: keys)


def restart_steps(run: Run, seen: Seen, content: bytes, here: Target, rotated: tuple[str, ...] = ()) -> list[AnyStep]:
    """The live release with these variables as a release of its own, by the host's own strategy; none where no service
    differs."""
    if not seen.recreate:
        return []
    seen.strategy = chosen(run, None, back=True)
    check(run, seen.strategy, seen.project, seen.stack, seen.recreate)
    return [
        again.record_step(seen, content, rotated),
        up_step(seen),
        roll_step(seen, here),
        health_step(seen),
        hold.step(seen.name, seen.previous),
        seal_step(seen),
        prune_step(seen),
    ]


def _ours(root: Path, name: str, *, local: bool) -> bytes:
    found = env_here(root, name, local=local)
    if found is None:
        raise BadSettings(f"there is no env file {os.path.join(root, name)}", left="everything", next="inv env.init")
    EnvFile(as_text(found, name), name)  # refuses what nobody could read there
    return found


def _refuse_changed(run: Run, name: str, there: bytes | None, ours: bytes) -> None:
    """Raises OpsError where the server has what neither a release nor a push wrote: somebody's work."""
    if there is None or there == ours:
        return
    last = releases.current(releases.read(run.target))
    known = {*envs.written(run.target), last.env if last else None}
    if digest(there) not in known:
        raise refused(name, there, ours, released=last is not None, host=run.host, task="env.push")


def _released(target: Target) -> bytes | None:
    """The env file of the live release."""
    last = releases.current(releases.read(target))
    return read_file(target, f"{releases.folder(target, last.id)}/env") if last else None


def _as_it_was(run: Run, memo: Memo) -> None:
    envs.back(run.target, memo["file"], memo["run"], was=memo["was"])


RECOVERIES: dict[str, Recovery] = {"env file": Recovery(undo=_as_it_was)}
