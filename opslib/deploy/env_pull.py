"""`inv env.pull`: the server's env file, or single variables of it, taken over into the one here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from opslib.command import bash
from opslib.deploy.env import difference
from opslib.deploy.options import in_place
from opslib.env.diff import as_text
from opslib.env.edit import bring, set_values
from opslib.env.file import on_disk
from opslib.env.sources import sources
from opslib.errors import BadSettings
from opslib.run.step import Run
from opslib.settings.dotenv import EnvFile
from opslib.state import envs
from opslib.target.base import Target
from opslib.target.transfer import put_bytes, read_file

_IGNORED = 'umask 077; mkdir -p -- "$1"; [ -e "$1/.gitignore" ] || echo "*" >"$1/.gitignore"'


def pull(run: Run, here: Target, root: Path, names: Sequence[str], confirm: Callable[[str], None]) -> bool:
    """Take the server's env file over, or its variables `names` alone; `confirm` is asked before a value here is lost.
    Fills the run's result: the `file`, its `keys` that came, changed or went, and where the old one is `kept`. Returns
    whether the file here has changed.

    Raises BadSettings for a file or variable that is not there, or is no env file.
    """
    target, name = run.target, run.target.host.env_file or ".env"
    if in_place(target, root):
        raise BadSettings(f"{name} is where it is used: this is the project's own folder", host=run.host,
                          left="everything")  # fmt: skip
    there = read_file(target, f"{target.root}/{name}")
    if there is None:
        raise BadSettings(f"there is no {name} on the server", host=run.host, left="everything",
                          next=f"inv env.push --host {run.host}")  # fmt: skip
    shown = f"{run.host}:{name}"
    theirs = EnvFile(as_text(there, shown), shown).values()
    found = on_disk(root, name)
    ours = found.content if found else None
    if absent := [one for one in names if one not in theirs]:
        raise BadSettings(f"{shown} has no {', '.join(absent)}", left="everything", next="inv env.diff")
    new = _new(ours, name, there, {one: theirs[one] for one in names})
    keys = difference(ours, new)
    run.result.update(file=name, keys={"added": list(keys.added), "changed": list(keys.changed),
                                       "removed": list(keys.removed)}, kept=None)  # fmt: skip
    if ours == new or run.plan:
        return False
    if ours is not None and not names:
        confirm(f"{name} here becomes that of {run.host} ({keys}). Go on?")
    run.result["kept"] = write(here, root, name, new, run.id)
    return True


def write(here: Target, root: Path, name: str, content: bytes, run: str) -> str | None:
    """Write the env file here, 0600; the one before it is kept in the project's `.opslib/env/`, which git leaves alone.
    Returns where, None where there was none."""
    path, kept = os.path.realpath(root / name), f"{root}/.opslib/env"
    was = os.path.exists(path)
    if was:
        here.run(bash(_IGNORED, kept))
        envs.keep(here, path, run, kept)
    put_bytes(here, content, path)
    return f".opslib/env/{run}" if was else None


def _new(ours: bytes | None, name: str, there: bytes, wanted: Mapping[str, str]) -> bytes:
    """What the env file here becomes: with the `wanted` values, or the one that is there. What comes from elsewhere
    here goes on doing so. Raises BadSettings where such a value is wanted."""
    text = as_text(ours or b"", name)
    mine = sources(EnvFile(text, name))
    for key in wanted:
        if key in mine:
            raise BadSettings(f"{mine[key].place}: {key} comes from {mine[key].shown}", left="everything",
                              next="change it there")  # fmt: skip
    if wanted:
        return bring(text, name, wanted).encode()
    if not mine:
        return there
    return set_values(as_text(there, name), name, {key: one.written for key, one in mine.items()}).encode()
