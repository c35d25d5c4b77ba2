"""nginx's configuration, as `nginx -T` prints it, read as directives in blocks."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

_FILE = re.compile(r"(?m)^# configuration file (/.*):$")
_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
      | (?P<mark>[;{}])
      | "(?P<double>(?:\\.|[^"\\])*)"
      | '(?P<single>(?:\\.|[^'\\])*)'
      | (?P<plain>(?:\\.|\$\{[^}]*\}|[^\s;{}\\])+)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Directive:
    """Its words, and what stands in its braces."""

    words: tuple[str, ...]
    inside: tuple[Directive, ...] = ()

    @property
    def name(self) -> str:
        """Its first word."""
        return self.words[0]


def parse(text: str) -> tuple[Directive, ...]:
    """The main file of what `nginx -T` prints. An `include` has an absolute path; behind it stands what it includes."""
    _, *parts = _FILE.split(text)
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    return tuple(_block(_tokens(files[parts[0]]), files, posixpath.dirname(parts[0]))) if parts else ()


def _block(tokens: Iterator[tuple[str, str]], files: Mapping[str, str], folder: str) -> Iterator[Directive]:
    words: list[str] = []
    for kind, text in tokens:
        if kind != "mark":
            words.append(text)
            continue
        inside = tuple(_block(tokens, files, folder)) if text == "{" else ()
        if words and words[0] == "include":
            words[-1] = posixpath.join(folder, words[-1])
        if words:
            yield Directive(tuple(words), inside)
            if words[0] == "include":
                yield from _included(words[-1], files, folder)
        if text == "}":
            return
        words = []


def _included(pattern: str, files: Mapping[str, str], folder: str) -> Iterator[Directive]:
    for path, text in files.items():
        if path == pattern or (path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)):
            yield from _block(_tokens(text), files, folder)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Words and marks; what nginx itself has read is well-formed."""
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or "blank"
        if kind != "blank":
            yield kind, found[kind]
