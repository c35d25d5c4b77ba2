"""Patterns of paths as the host file writes them, and regular expressions that GNU find and Python read alike.

`*` is any run of characters in a name and `?` one of its bytes; `[abc]`, `[a-z]`, `[!abc]` are one of these; `**`
between slashes is any number of folders. A regular expression is made for a path as find prints it, `./a/b`, and for
its bytes: names need not be UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from opslib.settings.units import Scalar, project_path

_CLASS = re.compile(r"\[(!?)((?:[A-Za-z0-9]-[A-Za-z0-9]|[^\]\[\\/^!-])+)(-?)\]", re.ASCII)
_SPECIAL = frozenset(r".[]{}()\*+?^$|")


def path(value: Scalar) -> str:
    """A path in the project's folder, or a pattern of some. Raises ValueError."""
    text = project_path(value)
    return _read(text) if is_glob(text) else text


def exclude(value: Scalar) -> str:
    """A pattern of what is left out. Raises ValueError."""
    if not isinstance(value, str) or value.startswith(("/", "~")) or ".." in value.split("/"):
        raise ValueError("expected a pattern like '*.tmp' or 'uploads/raw/*', without a / before it and without ..")
    return _read(value)


def is_glob(text: str) -> bool:
    """Whether it is a pattern and no plain path."""
    return any(character in text for character in "*?[")


def start(pattern: str) -> str:
    """The folder below which all that it matches lies, "." where it begins with a pattern; a plain path itself."""
    names = [name for name in pattern.split("/") if name not in ("", ".")]
    plain = next((at for at, name in enumerate(names) if is_glob(name)), len(names))
    return "/".join(names[:plain]) or "."


def below(patterns: Iterable[str], folder: str = "") -> tuple[str, ...]:
    """Patterns of what is left out, from the top: one without a slash before its end counts at any depth below
    `folder`."""
    above = f"{folder.strip('/')}/" if folder.strip("/") not in ("", ".") else ""
    return tuple(one if "/" in one.rstrip("/") else f"{above}**/{one}" for one in patterns)


def regex(patterns: Iterable[str]) -> str:
    """What matches the paths and all that is below them, "" for none. A pattern that ends in a slash stands for what
    is in such folders."""
    found = [_regex(one) for one in patterns]
    return rf"\./({'|'.join(found)})(/.*)?" if found else ""


def matcher(patterns: Iterable[str]) -> re.Pattern[bytes] | None:
    """The same for Python, to be given whole paths such as b"./a/b"; None for no patterns."""
    text = regex(patterns)
    return re.compile(text.encode("utf-8", "surrogateescape"), re.DOTALL) if text else None


def matches(found: re.Pattern[bytes] | None, relative: str) -> bool:
    """Whether a matcher, if there is one, matches a relative path."""
    return found is not None and found.fullmatch(f"./{relative}".encode("utf-8", "surrogateescape")) is not None


def _read(text: str) -> str:
    names = [name for name in text.split("/") if name != "."]
    if not any(names) or "" in names[:-1]:
        raise ValueError("expected names between the slashes")
    for name in names:
        if "**" in name and name != "**":
            raise ValueError("expected ** to stand alone between slashes, as in uploads/**/*.pdf")
        _name(name)
    return "/".join(names)


def _regex(pattern: str) -> str:
    names = pattern.split("/")
    inside = names[-1] == ""  # a slash at its end
    names = [name for name in names if name not in ("", ".")]
    text = ""
    for at, name in enumerate(names):
        last = at == len(names) - 1
        if name == "**":
            text += ".*" if last else "(.*/)?"
        else:
            text += _name(name) + ("" if last else "/")
    return f"{text}/.*" if inside else text


def _name(name: str) -> str:
    text, at = "", 0
    while at < len(name):
        character = name[at]
        if character == "[":
            found = _CLASS.match(name, at)
            if not found or not found[0].isascii() or any(one[0] > one[-1] for one in re.findall(".-.", found[2])):
                raise ValueError("expected brackets like [abc], [0-9] or [!x]; [*] stands for a * itself")
            text += f"[{'^/' if found[1] else ''}{found[2]}{found[3]}]"
            at = found.end()
            continue
        text += {"*": "[^/]*", "?": "[^/]"}.get(character) or (f"\\{character}" if character in _SPECIAL else character)
        at += 1
    return text
