"""An env file from its example: what is there stays, what is missing comes to its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opslib.env.example import Example, Variable
from opslib.settings.dotenv import EnvFile

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=^~-]*")


@dataclass(frozen=True, slots=True)
class Made:
    """The new text, and the names of what is new in it, by how they got their values; `unset` have none."""

    text: str = field(repr=False)
    generated: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()

    @property
    def new(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.generated, *self.taken, *self.derived, *self.asked, *self.unset)


def make(example: Example, current: str | None, shown: str, ask: Callable[[Variable], str | None]) -> Made:
    """What the env file becomes; `current` is its text now, None where there is none. `ask` gives the value of a
    variable that has no default, None for nobody knows. Raises BadSettings for a file that cannot be read, and for a
    value that cannot be written so that every reader understands the same."""
    there = EnvFile(current or "", shown).values()
    values, how = dict(there), dict[str, str]()
    missing = [one for one in example.variables.values() if one.name not in there]
    for one in missing:
        if one.secret is not None:
            values[one.name], how[one.name] = one.secret.make(), "generated"
        elif one.default is not None:
            values[one.name], how[one.name] = one.default, "taken"
        elif not one.parts:
            given = ask(one)
            values[one.name], how[one.name] = given or "", "unset" if given is None else "asked"
    for name, value in derived(missing, values).items():
        values[name], how[name] = value, "derived"
    new = {one.name: f"{one.name}={quoted(values[one.name])}" for one in missing}
    text = _fresh(example, new) if current is None else _merged(example, current, shown, new)
    read = EnvFile(text, shown)
    for name in new:
        read.get(name)  # refuses what readers understand differently
    return Made(text, **{way: tuple(name for name in new if how[name] == way) for way in _WAYS})


_WAYS = ("generated", "taken", "derived", "asked", "unset")


def quoted(value: str) -> str:
    """As it is written in an env file: so that Compose, python-dotenv and a shell read the same."""
    return value if _PLAIN.fullmatch(value) else "'" + value.replace("'", "\\'") + "'"


def derived(missing: list[Variable], values: Mapping[str, str]) -> dict[str, str]:
    """The values of what is put together from others."""
    lines = [f"{name}={quoted(value)}\n" for name, value in values.items()]
    lines += [f'{one.name}="{one.value}"\n' for one in missing if one.parts]
    read = EnvFile("".join(lines), "the example").values()
    return {one.name: read[one.name] for one in missing if one.parts}


def _fresh(example: Example, new: Mapping[str, str]) -> str:
    """The example's own text with the values in it."""
    lines = example.text.split("\n")
    for one in example.variables.values():
        lines[one.line - 1] = new[one.name]
    return "\n".join(lines)


def _merged(example: Example, current: str, shown: str, new: Mapping[str, str]) -> str:
    """The text that is there, and what is new behind what stands before it in the example, with its comments."""
    lines, order = current.rstrip("\n").split("\n") if current.strip() else [], list(example.variables)
    for name in order:
        if name not in new:
            continue
        variable = example.variables[name]
        added = [*example.comment(variable), new[name]]
        known = EnvFile("\n".join(lines), shown)
        before = [one for one in order[: order.index(name)] if one in known.values()]
        at = known.last_line(before[-1]) if before else len(lines)
        lines[at:at] = [*([""] if len(added) > 1 and at else []), *added]
    return "\n".join(lines) + "\n"
