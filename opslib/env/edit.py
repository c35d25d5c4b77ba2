"""Values put into an env file whose comments and order stay."""

from __future__ import annotations

import re
from collections.abc import Mapping

from opslib.env.example import unquoted
from opslib.env.make import quoted
from opslib.errors import BadSettings
from opslib.settings.dotenv import Entry, EnvFile


def set_values(text: str, shown: str, values: Mapping[str, str]) -> str:
    """The text with these values: in the assignment that counts, or on a line of its own at the end. Raises BadSettings
    for a text that cannot be read, and for a value that cannot be written so that every reader understands the same."""
    lines = text.split("\n")
    counts = {entry.name: entry for entry in EnvFile(text, shown).all}
    there = sorted((counts[name] for name in values if name in counts), key=lambda one: one.line, reverse=True)
    for entry in there:
        lines[entry.line - 1 : entry.last] = [_line(entry, lines[entry.line - 1], values[entry.name])]
    new = [f"{name}={quoted(value)}" for name, value in values.items() if name not in counts]
    if new:
        lines = [*(lines[:-1] if not lines[-1] else lines), *new, ""]
    made = "\n".join(lines)
    _refuse_other(made, shown, values)
    return made


def _line(entry: Entry, old: str, value: str) -> str:
    before = re.match(r"\s*(?:export\s+)?", old)
    behind = unquoted(old.partition("=")[2].strip())[1] if entry.line == entry.last else ""
    return f"{before[0] if before else ''}{entry.name}={quoted(value)}" + (f" {behind}" if behind else "")


def _refuse_other(text: str, shown: str, values: Mapping[str, str]) -> None:
    """What was written is read again."""
    cannot = "write it by hand, so that every reader of env files understands the same"
    try:
        read = EnvFile(text, shown)
        other = next((name for name, value in values.items() if read.get(name) != value), None)
    except BadSettings as error:
        raise BadSettings(error.what, left="everything", next=cannot) from None
    if other is not None:
        raise BadSettings(f"{shown}: the value of {other} cannot be written", left="everything", next=cannot)


def bring(text: str, shown: str, values: Mapping[str, str]) -> str:
    """The text with each of these values that it has not yet, one after the other: what is put together from another
    one in the text itself follows by that. Raises BadSettings as `set_values`."""
    for name, value in values.items():
        if EnvFile(text, shown).values().get(name) != value:
            text = set_values(text, shown, {name: value})
    return text
