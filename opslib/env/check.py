"""What is wrong with an env file: decided from what was read. No finding has a value in it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from opslib.env.example import Example, Variable
from opslib.env.make import derived
from opslib.env.secret import SHORTEST, is_placeholder, is_secret
from opslib.env.uses import Use
from opslib.findings import Cost, Finding
from opslib.settings.dotenv import Entry, EnvFile

_LOCAL = re.compile(r"(?:^|//|@)(?:localhost|127\.0\.0\.1|\[::1\])(?=[:/]|$)", re.IGNORECASE)
_RENEW = "inv env.rotate {}; before the first deploy: give it another value"
_COMPOSE = re.compile(r"(COMPOSE|DOCKER|BUILDX|BUILDKIT|OPSLIB)_")  # what programs read by themselves


@dataclass(frozen=True, slots=True)
class Seen:
    """An env file and all that it is judged by. `read` are the values by each reader of env files. `running`: of each
    variable the services whose containers have another value. `services`: the names of the stack's services. `unknown`:
    the variables whose value could not be had from where it stands."""

    file: EnvFile
    example: Example | None = None
    uses: Sequence[Use] = ()
    passed: bool = False  # a service takes the whole file (`env_file:`): nothing in it is unused
    read: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict, repr=False)
    running: Mapping[str, Sequence[str]] = field(default_factory=dict)
    services: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()


def check(seen: Seen) -> list[Finding]:
    """Everything that is wrong with the variables of the file."""
    return [finding for rule in _RULES for finding in rule(seen)]


def _at(seen: Seen, entry: Entry | None, rule: str, cost: Cost, what: str, fix: str) -> Finding:
    return Finding(rule, cost, what, fix, seen.file.shown, entry.line if entry else 0)


def _missing(seen: Seen) -> Iterator[Finding]:
    there = seen.file.values()
    known = set(seen.example.variables) if seen.example else set()
    for name, places in _by_name(use for use in seen.uses if use.needed and use.name not in there).items():
        use = places[0]
        yield Finding("env-missing", "breaks",
                      f"{name} is used and not set: Compose puts nothing in its place, or refuses",
                      f"set {name} in {seen.file.shown}" + (", or: inv env.init" if name in known else ""),
                      use.file, use.line)  # fmt: skip
    if seen.example:
        used = {use.name for use in seen.uses}
        for one in seen.example.variables.values():
            if one.name not in there and not one.optional and one.name not in used:
                yield Finding("env-missing", "breaks", f"{one.name} is in {seen.example.shown} and not set",
                              "inv env.init", seen.example.shown, one.line)  # fmt: skip


def _empty(seen: Seen) -> Iterator[Finding]:
    refused = {use.name for use in seen.uses if use.nonempty}
    for entry in _last(seen):
        variable = _variable(seen, entry)
        if entry.value or (variable and variable.optional):
            continue
        secret = is_secret(entry.name) or bool(variable and variable.secret)
        if entry.name in refused or secret or (variable and (variable.value or variable.kind)):
            yield _at(seen, entry, "env-empty", "breaks", f"{entry.name} is empty", f"give {entry.name} a value")


def _unused(seen: Seen) -> Iterator[Finding]:
    if seen.passed or not seen.uses:
        return
    used = {use.name for use in seen.uses}
    used |= {part for one in (seen.example.variables.values() if seen.example else ()) for part in one.parts}
    for entry in _last(seen):
        if entry.name not in used and not _COMPOSE.match(entry.name):
            yield _at(seen, entry, "env-unused", "hardening", f"{entry.name} is used by no compose file",
                      f"remove {entry.name}, or use it")  # fmt: skip


def _default(seen: Seen) -> Iterator[Finding]:
    for entry in _last(seen):
        variable = _variable(seen, entry)
        secret = is_secret(entry.name) or bool(variable and variable.secret)
        if not secret or not entry.value:
            continue
        examples = variable is not None and variable.value and variable.value == entry.value
        if is_placeholder(entry.value) or examples:
            why = "is still the example's own value" if examples else "is what everybody tries first"
            yield _at(seen, entry, "env-default", "exposes", f"the value of {entry.name} {why}",
                      _RENEW.format(entry.name))  # fmt: skip
        elif len(entry.value) < SHORTEST or len(set(entry.value)) < 5:
            yield _at(seen, entry, "env-weak", "exposes", f"the value of {entry.name} can be guessed: it is too short, "
                      "or has too few different characters", _RENEW.format(entry.name))  # fmt: skip


def _shared(seen: Seen) -> Iterator[Finding]:
    """One secret for two doors."""
    by_value = defaultdict(list)
    for entry in _last(seen):
        if entry.value and is_secret(entry.name) and not is_placeholder(entry.value):
            by_value[entry.value].append(entry)
    for first, *others in by_value.values():
        for entry in others:
            yield _at(seen, entry, "env-shared", "exposes", f"{entry.name} has the same value as {first.name}",
                      _RENEW.format(entry.name))  # fmt: skip


def _twice(seen: Seen) -> Iterator[Finding]:
    first: dict[str, Entry] = {}
    for entry in seen.file.all:
        if (before := first.setdefault(entry.name, entry)) is not entry:
            yield _at(seen, entry, "env-twice", "breaks", f"{entry.name} is set already on line {before.line}; this "
                      "one counts", "remove one of them")  # fmt: skip


def _type(seen: Seen) -> Iterator[Finding]:
    for entry in _last(seen):
        variable = _variable(seen, entry)
        if variable and variable.kind and entry.value and (wrong := variable.kind.wrong(entry.value)):
            yield _at(seen, entry, "env-type", "breaks", f"the value of {entry.name} is of another type: {wrong}",
                      f"correct {entry.name}")  # fmt: skip


def _readers(seen: Seen) -> Iterator[Finding]:
    for entry in _last(seen):
        told = {reader: values.get(entry.name) for reader, values in seen.read.items()}
        other = sorted(reader for reader, value in told.items() if value is not None and value != entry.value)
        if other:
            who = " and ".join(other)
            yield _at(seen, entry, "env-readers", "breaks", f"opslib and {who} understand the value of {entry.name} "
                      "differently", "use letters, digits, _ and - alone, or put it into single quotes")  # fmt: skip


def _localhost(seen: Seen) -> Iterator[Finding]:
    if not seen.services:
        return
    for entry in _last(seen):
        if _LOCAL.search(entry.value) and re.search(r"(URL|URI|DSN|HOST|SERVER|ENDPOINT|ADDR)", entry.name.upper()):
            yield _at(seen, entry, "env-localhost", "breaks", f"{entry.name} leads to localhost, which in a container "
                      "is itself", f"name the service: {', '.join(sorted(seen.services)[:6])}")  # fmt: skip


def _derived(seen: Seen) -> Iterator[Finding]:
    if seen.example is None:
        return
    wanted = derived([one for one in seen.example.variables.values() if one.parts], seen.file.values())
    for entry in _last(seen):
        if entry.name in wanted and wanted[entry.name] != entry.value:
            parts = ", ".join(seen.example.variables[entry.name].parts)
            yield _at(seen, entry, "env-derived", "breaks", f"{entry.name} is not put together from {parts} as "
                      f"{seen.example.shown} says", f"correct {entry.name}, or its parts")  # fmt: skip


def _running(seen: Seen) -> Iterator[Finding]:
    for entry in _last(seen):
        if services := seen.running.get(entry.name):
            yield _at(seen, entry, "env-running", "breaks", f"{', '.join(sorted(services))} run with another value of "
                      f"{entry.name}", "inv deploy")  # fmt: skip


_RULES: tuple[Callable[[Seen], Iterator[Finding]], ...] = (
    _missing, _empty, _unused, _default, _shared, _twice, _type, _readers, _localhost, _derived, _running,
)  # fmt: skip


def _last(seen: Seen) -> list[Entry]:
    """The assignments that count, as far as they have a value to be judged."""
    return [one for one in {entry.name: entry for entry in seen.file.all}.values() if one.name not in seen.unknown]


def _variable(seen: Seen, entry: Entry) -> Variable | None:
    return seen.example.variables.get(entry.name) if seen.example else None


def _by_name(found: Iterable[Use]) -> dict[str, list[Use]]:
    by_name: dict[str, list[Use]] = defaultdict(list)
    for use in found:
        by_name[use.name].append(use)
    return by_name
