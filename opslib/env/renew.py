"""What else changes in an env file with a value: what is put together from it."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from opslib.env.edit import set_values
from opslib.env.example import Example
from opslib.env.make import derived
from opslib.settings.dotenv import EnvFile

_IN_ADDRESS = re.compile(r"(://[^/\s:@]*:)([^/\s@]+)(@)")


def renewed(text: str, shown: str, example: Example | None, name: str, value: str) -> tuple[str, tuple[str, ...]]:
    """The env file with another value of a variable, and the names of all variables that are others then: what the
    example puts together from it follows, and so does an address that logs in with it. Raises BadSettings."""
    before = EnvFile(text, shown).values()
    made = set_values(text, shown, {name: value})
    follow = {
        other: new
        for other, new in {**_in_addresses(before, name, value), **_by_example(before, example, name, value)}.items()
        if EnvFile(made, shown).values()[other] != new  # those that refer to it in the file itself follow by that
    }
    made = set_values(made, shown, follow) if follow else made
    after = EnvFile(made, shown).values()
    return made, tuple(key for key in after if after[key] != before.get(key))


def _by_example(before: dict[str, str], example: Example | None, name: str, value: str) -> dict[str, str]:
    """The values of what the example puts together, as far as they are put together that way now."""
    parts = [one for one in (example.variables.values() if example else ()) if one.parts and one.name in before]
    parts = [one for one in parts if one.name != name]
    old, new = derived(parts, before), derived(parts, {**before, name: value})
    return {key: new[key] for key in new if old[key] == before[key] and new[key] != old[key]}


def _in_addresses(before: dict[str, str], name: str, value: str) -> dict[str, str]:
    """The addresses with the old value as password. Where another variable has the same value it may be that one's."""
    if before[name] in [one for key, one in before.items() if key != name]:
        return {}

    def login(found: re.Match[str]) -> str:
        return f"{found[1]}{quote(value, safe='')}{found[3]}" if unquote(found[2]) == before[name] else found[0]

    made = {key: _IN_ADDRESS.sub(login, one) for key, one in before.items() if key != name}
    return {key: one for key, one in made.items() if one != before[key]}
