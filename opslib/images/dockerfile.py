"""The base image of a Dockerfile. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?:(:?[-+])([^}]*))?\}|([A-Za-z_]\w*))")
_HEREDOC = re.compile(r"<<-?(['\"]?)(\w+)\1")


def base_image(text: str, args: Mapping[str, str] = {}, target: str | None = None) -> str | None:
    """The image that the last stage (or the stage `target`) is made from, through stages that are made from each other;
    `args` are the build args. None where the Dockerfile does not say."""
    values: dict[str, str] = {}
    stages: dict[str, str] = {}
    last = ""
    for word, rest in _instructions(text):
        if word == "ARG" and not stages:
            for name, default in re.findall(r"([A-Za-z_]\w*)(?:=(\"[^\"]*\"|'[^']*'|\S*))?", rest):
                values[name] = args.get(name, default.strip("\"'"))
        elif word == "FROM":
            words = [one for one in rest.split() if not one.startswith("--")]
            if not words:
                continue
            base = _filled(words[0], values)
            last = words[2].lower() if len(words) > 2 and words[1].upper() == "AS" else str(len(stages))
            stages[last] = base
    name = target.lower() if target else last
    names = list(stages)
    if name.isdigit() and name not in stages and int(name) < len(names):
        name = names[int(name)]
    seen: set[str] = set()
    while name in stages and name not in seen:
        seen.add(name)
        found = stages[name]
        if found.lower() not in stages or found.lower() == name:
            return found or None
        name = found.lower()
    return None


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction and what stands behind it; continued lines joined, comments and here-documents left out."""
    lines = iter(text.splitlines())
    for line in lines:
        whole = line.strip()
        if not whole or whole.startswith("#"):
            continue
        while whole.endswith("\\"):
            more = next(lines, "").strip()
            whole = whole[:-1] + (" " if more.startswith("#") else f" {more}") + ("\\" if more.startswith("#") else "")
        word, _, rest = whole.partition(" ")
        yield word.upper(), rest.strip()
        if word.upper() in ("RUN", "COPY", "ADD"):
            for _, end in _HEREDOC.findall(whole):
                for inner in lines:
                    if inner.strip() == end:
                        break


def _filled(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[4]
        found = values.get(name, "")
        if match[2] in (":-", "-"):
            return found or match[3]
        if match[2] in (":+", "+"):
            return match[3] if found else ""
        return found

    return _VARIABLE.sub(value, text.strip("\"'"))
