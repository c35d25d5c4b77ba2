"""The env file here, on the server, and at the last release."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from opslib.deploy.env import EnvKeys, Files, difference, digest, refused, write_ours
from opslib.errors import BadSettings, OpsError
from opslib.run.step import Run
from opslib.settings.dotenv import EnvFile
from opslib.state import envs, releases, rotated
from opslib.state.releases import Release
from opslib.target.transfer import read_file


@dataclass(frozen=True, slots=True)
class Env:
    """The env file: its name (None where there is none), its content if it is to be written, and its digests there
    (after the deploy) and here. `keys`: what of the variables changes."""

    name: str | None
    write: bytes | None = field(default=None, repr=False)
    there: str | None = None
    here: str | None = None
    keys: EnvKeys | None = None


def look_at_env(
    run: Run, root: Path, ours: bytes | None, last: Release | None, name: str, sha_there: str | None,
    choice: str | None, local: bool,
) -> Env:  # fmt: skip
    """Which env file counts, and what it changes. `ours` is the one here, `sha_there` the digest of the one on the
    server, `local` says that the project's folder here is the place itself. Raises BadSettings where there is none and
    the host file names one, OpsError where somebody has to choose, or ours has a secret from before a rotation."""
    target = run.target
    if local:
        if ours is None and target.host.env_file:
            raise BadSettings(f"there is no env file {root / name}", host=run.host, next=f"cp .env.example {name}")
        return Env(name if ours is not None else None, None, digest(ours), digest(ours), _local_keys(run, last, ours))
    if ours is None and sha_there is None:
        if target.host.env_file:
            raise BadSettings(f"there is no env file {root / name}, here or there", host=run.host,
                              next=f"cp .env.example {name}, and fill it in")  # fmt: skip
        return Env(None)
    state = _files(run, last, digest(ours), sha_there)
    write = write_ours(state, choice)
    if write and choice is None and ours is not None:
        refuse_stale(run, name, ours)
    if write is False:
        return Env(name, None, sha_there, state.here, _since(run, last, name, sha_there))
    old = read_file(target, f"{target.root}/{name}") if sha_there is not None else None
    if write is None:
        raise refused(name, old, ours, released=last is not None, host=run.host, task="deploy")
    return Env(name, ours, state.here, state.here, difference(old, ours))


def refuse_stale(run: Run, name: str, ours: bytes) -> None:
    """Raises OpsError where the env file here has a value from before a rotation: somebody else's copy of it, which
    would bring an old secret back."""
    try:
        mine = EnvFile(ours.decode(errors="surrogateescape"), name).values()
    except BadSettings:  # Compose says what is wrong with it
        return
    if found := rotated.stale(rotated.read(run.target), mine):
        keys, last = ", ".join(found), max(found.values(), key=lambda one: one.at)
        raise OpsError(
            f"{keys} in {name} here is from before a rotation on {run.host} ({last.at}, by {last.by}), and would bring "
            "the old secret back", host=run.host, left="everything",
            next=f"inv env.pull --keys {keys.replace(', ', ',')} --host {run.host}; --env here if it is meant",
        )  # fmt: skip


def _files(run: Run, last: Release | None, here: str | None, there: str | None) -> Files:
    """What decides; the last release is the last push where there was one since."""
    last_here, last_there = (last.env_here, last.env) if last else (None, None)
    if there not in (None, here, last_there) and there in envs.written(run.target):
        last_here = last_there = there
    return Files(here, there, last_here, last_there)


def _since(run: Run, last: Release | None, name: str, there: str | None) -> EnvKeys | None:
    """What has changed on the server since the last release."""
    if last is None or last.env == there:
        return None
    before = read_file(run.target, f"{releases.folder(run.target, last.id)}/env")
    return difference(before, read_file(run.target, f"{run.target.root}/{name}"))


def _local_keys(run: Run, last: Release | None, ours: bytes | None) -> EnvKeys | None:
    """What changed in the project's own env file since the last release."""
    if last is None or last.env == digest(ours):
        return None
    return difference(read_file(run.target, f"{releases.folder(run.target, last.id)}/env"), ours)
