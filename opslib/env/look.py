"""`inv env.check`: the env files of a project beside their examples, the compose files, git and what runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from opslib.compose.recognise import recognise_project
from opslib.compose.references import References, compose_files
from opslib.compose.stack import Stack, look
from opslib.env.check import Seen, check
from opslib.env.edit import set_values
from opslib.env.example import Example
from opslib.env.file import in_git, on_disk, outside, readable
from opslib.env.init import example_of
from opslib.env.readers import DOTENV, read_by
from opslib.env.sources import Source, sources, value
from opslib.env.uses import Use, uses
from opslib.errors import BadSettings, OpsError, Unhealthy
from opslib.findings import Cost, Finding, as_json, at_least, ranked
from opslib.run.step import Run
from opslib.settings.dotenv import EnvFile, by_python_dotenv
from opslib.settings.model import Host
from opslib.settings.textfile import read_text
from opslib.target.base import Target

FAILS: Cost = "exposes"
"""What ends `env.check` with 3, with what costs more."""


@dataclass(frozen=True, slots=True)
class _Around:
    """What all env files of a project are judged by: where they are, what the compose files use, what runs."""

    here: Target
    root: Path
    host: Host
    used: Sequence[Use]
    services: frozenset[str]
    stack: Stack | None

    def running(self, values: Mapping[str, str]) -> dict[str, list[str]]:
        """Of each of these variables that compose files use, the services that run with another value."""
        named = {use.name for use in self.used} & values.keys()
        containers = self.stack.running if self.stack else []
        found = {
            name: sorted({one.service for one in containers if one.env.get(name, values[name]) != values[name]})
            for name in named
        }
        return {name: services for name, services in found.items() if services}


def findings(run: Run, here: Target, root: Path) -> None:
    """Put everything that was found into the run's result. Raises Unhealthy where it is more than hardening."""
    host = run.target.host
    own = host.env_file or ".env"
    named = compose_files(root, host.compose) if host.compose else References()
    around = _Around(here, root, host, _uses(root, named), named.services, seen_stack(run.target))
    files = list(dict.fromkeys([own, *named.env_files]))
    git = in_git(here, root, files)
    found = ranked(one for name in files for one in _of(around, name, git.get(name, ""), own=name == own))
    run.result.update(files=files, findings=as_json(found))
    if bad := at_least(found, FAILS):
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise Unhealthy(f"{bad[0].place}: {bad[0].what}{more}", host=run.host, next=bad[0].fix)


def _of(around: _Around, name: str, git: str, *, own: bool) -> Iterator[Finding]:
    root, beside = around.root, example_of(around.root, name, own=own)
    there = on_disk(root, name)
    if there is None:
        if beside or not own or around.used:
            fix = "inv env.init" if beside else f"write {name}, and an example of it beside it"
            yield Finding("env-absent", "breaks", f"there is no {name}", fix, name)
        return
    yield from outside(there, git)
    file = readable(root, name)
    if isinstance(file, Finding):
        yield file
        return
    elsewhere = sources(file) if own else {}
    file, wrong, unknown = _whole(around, file, elsewhere)
    yield from wrong
    values = file.values()
    read = (
        {DOTENV: by_python_dotenv(file.text)}
        if elsewhere
        else read_by(around.here, file.text, str(root / name), values)
    )
    yield from check(
        Seen(
            file, Example(read_text(root / beside, beside), beside) if beside else None,
            around.used if own else (), passed=not own,
            read=read, running=around.running(values) if own else {}, services=around.services,
            unknown=frozenset(unknown),
        )
    )  # fmt: skip


def _whole(around: _Around, file: EnvFile, elsewhere: Mapping[str, Source]) -> tuple[EnvFile, list[Finding], set[str]]:
    """The file with the values that stand elsewhere in it, what is wrong with those, and which of them are not to be
    had."""
    text, wrong, unknown = file.text, list[Finding](), set[str]()
    in_place = around.host.is_local and Path(around.host.path).resolve() == around.root.resolve()
    for one in elsewhere.values():
        line = int(one.place.rpartition(":")[2])
        try:
            text = set_values(text, file.shown, {one.name: value(around.root, one)})
        except BadSettings as error:
            unknown.add(one.name)
            what = error.what.removeprefix(f"{one.place}: ")
            wrong.append(Finding("env-source", "breaks", what, f"correct {one.name}", file.shown, line))
        if in_place:
            wrong.append(Finding(
                "env-source", "breaks", f"{one.name} comes from {one.shown}, and Docker Compose reads this file as it "
                "is", "`path:` in the host file: another folder, which a deploy fills", file.shown, line,
            ))  # fmt: skip
    return EnvFile(text, file.shown), wrong, unknown


def _uses(root: Path, named: References) -> list[Use]:
    found = []
    for name in named.compose:
        found += uses(read_text(root / name, name), name)
    return found


def seen_stack(target: Target) -> Stack | None:
    """What runs, None where that cannot be seen: without an engine env files are checked all the same."""
    if not target.host.compose:
        return None
    try:
        return look(target, recognise_project(target, target.host))
    except OpsError:
        return None
