"""What an image is built from, as one digest: while it stays the same, nothing needs to be built."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

_NEVER = (".git", ".opslib")


def build_key(build: Mapping[str, Any], root: Path, platform: str | None) -> str:
    """The digest of a service's `build:` as Compose resolved it, and of every file that its context holds here.

    "" for a build that nothing here can tell about (a context that is an address): it is built each time.
    """
    context = Path(str(build.get("context", "")))
    if not context.is_dir():
        return ""
    digest = hashlib.sha256()
    settings = {key: value for key, value in build.items() if key != "context"}
    settings["context"] = os.path.relpath(context, root)
    digest.update(json.dumps([settings, platform], sort_keys=True).encode())
    folders = [context, *_more_contexts(build)]
    dockerfile = context / str(build.get("dockerfile") or "Dockerfile")
    _add(digest, "Dockerfile", dockerfile)
    for folder in folders:
        ignore = ignore_file(folder, dockerfile)
        for path in sorted(files_in(folder, Ignore(ignore or ""))):
            _add(digest, path, folder / path)
    return digest.hexdigest()


def _more_contexts(build: Mapping[str, Any]) -> list[Path]:
    more = build.get("additional_contexts") or {}
    return [Path(str(one)) for one in more.values() if Path(str(one)).is_dir()] if isinstance(more, dict) else []


def ignore_file(folder: Path, dockerfile: Path) -> str | None:
    """The text of the ignore file that counts for a context; None where there is none."""
    for path in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), folder / ".dockerignore"):
        try:
            return path.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            continue
    return None


def _add(digest: hashlib._Hash, name: str, path: Path) -> None:
    try:
        if path.is_symlink():
            content, mode = os.fsencode(os.readlink(path)), "link"
        elif path.is_file():
            content, mode = _digest_of(path), "x" if os.access(path, os.X_OK) else "-"
        else:
            content, mode = b"", "absent"
    except OSError as error:
        content, mode = str(error.errno).encode(), "unreadable"
    digest.update(b"\0".join([os.fsencode(name), mode.encode(), content, b""]))


def _digest_of(path: Path) -> bytes:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1024 * 1024):
            digest.update(block)
    return digest.digest()


def files_in(folder: Path, ignore: Ignore, never: Collection[str] = _NEVER) -> Iterator[str]:
    """The files and links below a folder, by their relative paths, that the ignore file lets through. Folders at its
    top that are called like one of `never` are left out."""
    for at, folders, names in os.walk(folder):
        below = os.path.relpath(at, folder)
        prefix = "" if below == "." else f"{below}/"
        for name in list(folders):
            path = prefix + name
            if os.path.islink(os.path.join(at, name)):
                names.append(name)
                folders.remove(name)
            elif (not prefix and name in never) or ignore.prunes(path):
                folders.remove(name)
        yield from (prefix + name for name in names if not ignore.ignores(prefix + name))


class Ignore:
    """The patterns of a `.dockerignore`: the last that matches a path or a folder above it counts."""

    def __init__(self, text: str) -> None:
        self._rules: list[tuple[bool, re.Pattern[str]]] = []
        for line in text.splitlines():
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            keep = line.startswith("!")
            pattern = os.path.normpath(line[1:].strip() if keep else line).strip("/")
            self._rules.append((keep, re.compile(_as_regex(pattern) + r"(?:/.*)?\Z", re.DOTALL)))
        self._keeps = any(keep for keep, _ in self._rules)

    def ignores(self, path: str) -> bool:
        """Whether the path is left out."""
        out = False
        for keep, pattern in self._rules:
            if out == keep and pattern.match(path):
                out = not keep
        return out

    def prunes(self, path: str) -> bool:
        """Whether a folder is left out with all that is in it."""
        return not self._keeps and self.ignores(path)


def _as_regex(pattern: str) -> str:
    """Go's filepath.Match with `**` for any number of folders."""
    if pattern in (".", "*"):
        return r"[^/]+"
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**/", at):
            out, at = out + r"(?:.*/)?", at + 3
        elif pattern.startswith("**", at):
            out, at = out + r".*", at + 2
        elif char == "*":
            out, at = out + r"[^/]*", at + 1
        elif char == "?":
            out, at = out + r"[^/]", at + 1
        elif char == "[" and "]" in pattern[at + 1 :]:
            end = pattern.index("]", at + 1)
            inner = pattern[at + 1 : end].replace("\\", "\\\\")
            out, at = out + f"[{inner}]", end + 1
        elif char == "\\" and at + 1 < len(pattern):
            out, at = out + re.escape(pattern[at + 1]), at + 2
        else:
            out, at = out + re.escape(char), at + 1
    return out
