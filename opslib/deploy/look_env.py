"""The env file here, on the server, and at the last release."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from opslib.deploy.env import EnvKeys, Files, difference, digest, refused, write_ours
from opslib.errors import BadSettings
from opslib.run.step import Run
from opslib.state import releases
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
    run: Run, root: Path, last: Release | None, name: str, sha_there: str | None, choice: str | None, local: bool
) -> Env:
    """Which env file counts, and what it changes. `sha_there` is the digest of the one on the server, `local` says that
    the project's folder here is the place itself. Raises BadSettings where there is none and the host file names one,
    OpsError where somebody has to choose."""
    target = run.target
    try:
        ours = (root / name).read_bytes() if (root / name).is_file() else None
    except OSError as error:
        raise BadSettings(f"cannot read the env file {root / name}: {error.strerror}") from None
    if local:
        if ours is None and target.host.env_file:
            raise BadSettings(f"there is no env file {root / name}", host=run.host, next=f"cp .env.example {name}")
        return Env(name if ours is not None else None, None, digest(ours), digest(ours), _local_keys(run, last, ours))
    if ours is None and sha_there is None:
        if target.host.env_file:
            raise BadSettings(f"there is no env file {root / name}, here or there", host=run.host,
                              next=f"cp .env.example {name}, and fill it in")  # fmt: skip
        return Env(None)
    state = Files(digest(ours), sha_there, last.env_here if last else None, last.env if last else None)
    write = write_ours(state, choice)
    if write is False:
        changed = last is not None and last.env != sha_there
        return Env(name, None, sha_there, state.here, EnvKeys() if changed else None)
    old = read_file(target, f"{target.root}/{name}") if sha_there is not None else None
    if write is None:
        raise refused(name, old, ours, released=last is not None, host=run.host, task="deploy")
    return Env(name, ours, state.here, state.here, difference(old, ours))


def _local_keys(run: Run, last: Release | None, ours: bytes | None) -> EnvKeys | None:
    """What changed in the project's own env file since the last release."""
    if last is None or last.env == digest(ours):
        return None
    return difference(read_file(run.target, f"{releases.folder(run.target, last.id)}/env"), ours)
