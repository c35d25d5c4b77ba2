"""Files of JSON lines on a target: one line is appended and on the disk, or it is not there."""

from __future__ import annotations

import json
from typing import Any

from opslib.command import bash
from opslib.compose.script import read_all
from opslib.target.base import Target

# All of it is there before the file is opened: a controller that is gone meanwhile leaves no empty one. A line that a
# crash cut in half is ended first, so that the next one stands alone.
_APPEND = """set -eu; export LC_ALL=C; umask 007; data=$(cat && printf .); d=${1%/*}; [ -d "$d" ] || mkdir -p -- "$d"
if [ -s "$1" ] && [ -n "$(tail -c 1 -- "$1")" ]; then echo >>"$1"; fi
printf %s "${data%.}" >>"$1"; sync -- "$1" "$d\""""


# $1 the file, $2 the text, $3 how many
_WITH = """[ -e "$1" ] || exit 0
while IFS= read -r line || [ -n "$line" ]; do [[ $line == *"$2"* ]] && found+=("$line"); done <"$1"
n=${#found[@]}; [ "$n" -eq 0 ] || printf '%s\\n' "${found[@]:n > $3 ? n - $3 : 0}\""""


def text(*entries: dict[str, Any]) -> bytes:
    """Each entry as a line of JSON."""
    lines = "".join(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n" for entry in entries)
    return lines.encode("utf-8", "surrogateescape")


def append(target: Target, path: str, *entries: dict[str, Any]) -> None:
    """Append each entry as one line of JSON and have them on the disk before returning. One round trip."""
    target.run(bash(_APPEND, path, feed=text(*entries)))


def read(target: Target, path: str, *, last: int = 0) -> list[dict[str, Any]]:
    """The entries of the file (only the `last` ones if that is given); half written lines are left out."""
    script = '[ -e "$1" ] || exit 0; if [ "$2" -gt 0 ]; then tail -n "$2" -- "$1"; else cat -- "$1"; fi'
    return _parsed(target.run(bash(script, path, str(last))).lines)


def read_with(target: Target, path: str, text: str, *, last: int) -> list[dict[str, Any]]:
    """The `last` entries whose line has this text in it. A server need not have grep."""
    return _parsed(read_all(target, bash(_WITH, path, text, str(last))).split("\n"))


def _parsed(lines: list[str]) -> list[dict[str, Any]]:
    entries = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries
