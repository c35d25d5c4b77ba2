"""What a rotation knows before it begins, and what it refuses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opslib.compose.stack import Stack
from opslib.deploy import again
from opslib.deploy.env import EnvKeys
from opslib.deploy.once import Once
from opslib.deploy.options import in_place
from opslib.deploy.rotate.accounts import Account, accounts
from opslib.deploy.seen import Seen
from opslib.engines.find import look_inside
from opslib.engines.known import stopped_kind
from opslib.engines.passwords import REDIS_USER
from opslib.env.diff import as_text
from opslib.env.example import Example
from opslib.env.file import on_disk
from opslib.env.init import example_of
from opslib.env.renew import renewed
from opslib.env.secret import Rule
from opslib.env.sources import resolved, sources
from opslib.errors import BadSettings, OpsError
from opslib.run.step import Run
from opslib.settings.dotenv import EnvFile
from opslib.settings.textfile import read_text
from opslib.state import rotated
from opslib.target.base import Target
from opslib.target.transfer import read_file


@dataclass(frozen=True, slots=True)
class Options:
    """`key` is the variable, `root` the project's folder on this machine, `here` this machine. `undo`: it gets the
    value back that it had before its last rotation. `once`: hosts that read the same env file get the same value."""

    key: str
    root: Path
    here: Target
    undo: bool = False
    once: Once = field(default_factory=Once)


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is to be done: both values, the new content of the env file at `path` there, the `names` of all variables of
    it that change, the database users whose password it is, and the live release with it. `name` is the env file's,
    `local` that the project's folder here is the place itself."""

    key: str
    old: str = field(repr=False)
    new: str = field(repr=False)
    content: bytes = field(repr=False)
    name: str
    path: str
    names: tuple[str, ...]
    accounts: tuple[Account, ...]
    seen: Seen
    local: bool


def survey(run: Run, options: Options) -> Rotation:
    """Look here and there. Nothing is changed. Raises BadSettings for a variable that is not set, or is here another
    than there; OpsError for a database that does not run, or whose password opslib cannot set."""
    target, name = run.target, run.target.host.env_file or ".env"
    local = in_place(target, options.root)
    path = os.path.realpath(options.root / name) if local else f"{target.root}/{name}"
    there, shown = read_file(target, path), name if local else f"{run.host}:{name}"
    if there is None:
        raise BadSettings(f"there is no {shown}", host=run.host, left="everything",
                          next="inv env.init" if local else f"inv env.push --host {run.host}")  # fmt: skip
    text, example = as_text(there, shown), _example(options.root, name)
    old = _value(run, EnvFile(text, shown).values(), shown, options.key)
    ours = None if local else _ours(run, options, name, old)
    new = _new(run, options, name, example, old)
    made, names = renewed(text, shown, example, options.key, new)
    mine = made if local or ours is None else renewed(ours, name, example, options.key, new)[0]
    here = None if ours is None and not local else mine.encode()
    seen = again.survey(run, options.root, made.encode(), here, EnvKeys(changed=names))
    found = _accounts(run, seen, new)
    return Rotation(options.key, old, new, made.encode(), name, path, names, found, seen, local)


def _value(run: Run, values: Mapping[str, str], shown: str, key: str) -> str:
    if key not in values:
        raise BadSettings(f"{shown} has no {key}", host=run.host, left="everything", next="inv env.check")
    if not values[key]:
        raise BadSettings(f"{key} is empty in {shown}: there is nothing to renew", host=run.host, left="everything",
                          next=f"give {key} a value, then inv env.push")  # fmt: skip
    return values[key]


def _ours(run: Run, options: Options, name: str, old: str) -> str | None:
    """The env file here, with all its values in it; it is changed too. Raises BadSettings where it has another value
    than the server's, or has it from a program."""
    found = on_disk(options.root, name)
    if found is None:
        return None
    source = sources(EnvFile(as_text(found.content, name), name)).get(options.key)
    if source is not None and source.kind == "cmd":
        raise BadSettings(
            f"{source.place}: {options.key} comes from {source.shown}, which opslib can only ask", host=run.host,
            left="everything", next=f"set {options.key} to the value itself, rotate it, and store the new one there",
        )  # fmt: skip
    text = as_text(resolved(options.root, found.content, name), name)
    mine = EnvFile(text, name).values().get(options.key)
    if mine != old:
        raise BadSettings(
            f"{options.key} is {'not set' if mine is None else 'another'} in {name} here than on {run.host}",
            host=run.host, left="everything",
            next=f"inv env.pull --keys {options.key} --host {run.host} takes the server's over; or inv env.push",
        )  # fmt: skip
    return text


def _example(root: Path, name: str) -> Example | None:
    found = example_of(root, name, own=True)
    return Example(read_text(root / found, found), found) if found else None


def _new(run: Run, options: Options, name: str, example: Example | None, old: str) -> str:
    if options.undo:
        was = rotated.last(rotated.read(run.target), options.key)
        if was is None:
            raise BadSettings(f"{options.key} was never rotated here: there is no value to go back to", host=run.host,
                              left="everything", next=f"inv env.rotate {options.key}")  # fmt: skip
        return was
    variable = example.variables.get(options.key) if example else None
    rule = (variable.secret if variable else None) or Rule()
    return options.once.ask((name, options.key), rule.make)


def _accounts(run: Run, seen: Seen, new: str) -> tuple[Account, ...]:
    kinds = _kinds(run.target, seen.stack, {name: pin.name for name, pin in seen.last.images.items()}
                   if seen.last else {})  # fmt: skip
    found = accounts(seen.last_stack or {}, seen.config, kinds, new)
    running = {one.service for one in seen.stack.running}
    for one in found:
        if one.service not in running:
            raise OpsError(f"service {one.service} does not run, and the password of its {one} has to be changed",
                           host=run.host, left="everything", next=f"inv deploy --host {run.host}")  # fmt: skip
        if one.kind == "redis" and one.user != REDIS_USER:
            raise OpsError(f"{one} is a user of Redis' ACL, whose passwords opslib does not set", host=run.host,
                           left="everything", next="ACL SETUSER there, then inv env.push --restart")  # fmt: skip
    return tuple(found)


def _kinds(target: Target, stack: Stack, images: Mapping[str, str]) -> dict[str, str]:
    """The engine in each service, by what runs in it, or by its image where nothing does."""
    found = {name: kind for name, image in images.items() if (kind := stopped_kind(image))}
    return {**found, **{one.container.service: one.instance.kind for one in look_inside(target, stack) if one.instance}}
