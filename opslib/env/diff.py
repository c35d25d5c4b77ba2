"""`inv env.diff`: an env file here, on its server and in the containers that run, variable by variable.

Values are told apart by marks: a few characters of their HMAC under a key that is made for one run and forgotten. Equal
values of one run have equal marks; and nobody can try which value a mark is of, however weak it is.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opslib.env.file import on_disk
from opslib.env.look import seen_stack
from opslib.env.sources import resolved
from opslib.errors import BadSettings
from opslib.run.step import Run
from opslib.settings.dotenv import EnvFile
from opslib.target.transfer import read_file

_LENGTH = 8  # hex digits
Running = Mapping[str, Mapping[str, str]]
"""By service the variables of its container."""


class Marks:
    """Gives the marks of one run."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, value: str | None) -> str | None:
        """The mark of a value: "" for an empty one, None where there is none."""
        if not value:
            return value
        return hmac.new(self._key, value.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:_LENGTH]


def diff(run: Run, root: Path, marks: Marks, *, same: bool) -> None:
    """Fill the run's result: the `file`, whether it is `here` and `there`, and its `keys`: each with `name`, `here` and
    `there` (marks), `running` (marks by service) and whether all of these are the `same`. `same`: the project's folder
    here is the place itself.

    Raises BadSettings for an env file that cannot be read, and where there is none at all.
    """
    target = run.target
    name = target.host.env_file or ".env"
    found = on_disk(root, name)
    here = _values(resolved(root, found.content, name) if found else None, name)
    there = None if same else _values(read_file(target, f"{target.root}/{name}"), f"{run.host}:{name}")
    if here is None and there is None:
        raise BadSettings(f"there is no {name}, here or there", host=run.host, next="inv env.init")
    stack = seen_stack(target)
    running = {one.service: one.env for one in (stack.running if stack else ()) if not one.one_off}
    run.result.update(
        file=name, here=here is not None, there=there is not None, keys=compared(here, there, running, marks)
    )


def compared(
    here: Mapping[str, str] | None, there: Mapping[str, str] | None, running: Running, marks: Marks
) -> list[dict[str, Any]]:
    """Each variable of both files in the order of their names. A container counts where it has a variable of that
    name: what a compose file passes under another name is not seen."""
    keys = []
    for name in sorted({*(here or {}), *(there or {})}):
        files = [values.get(name) for values in (here, there) if values is not None]
        inside = {service: env[name] for service, env in sorted(running.items()) if name in env}
        keys.append({
            "name": name, "here": marks.of((here or {}).get(name)), "there": marks.of((there or {}).get(name)),
            "running": {service: marks.of(value) for service, value in inside.items()},
            "same": len({*files, *inside.values()}) == 1,
        })  # fmt: skip
    return keys


def _values(content: bytes | None, shown: str) -> dict[str, str] | None:
    """The assignments of a file, None where there is none. Raises BadSettings."""
    return None if content is None else EnvFile(as_text(content, shown), shown).values()


def as_text(content: bytes, shown: str) -> str:
    """An env file's bytes as text. Raises BadSettings for what is none."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadSettings(f"{shown}:{line}: not UTF-8 text", left="everything") from None
