"""Comments that say that a finding is known: `# opslib: ignore RULE until 2027-01-31: reason`.

One stands behind the entry that it is about, or above it, and holds for all that is in the entry. It needs a reason and
an end: what nobody looks at again is not ignored but forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from opslib.findings import Finding

_COMMENT = re.compile(r"(?:^|\s)#\s*opslib:\s*ignore\b(.*)")
_FORM = re.compile(r"\s+([\w-]+(?:\s*,\s*[\w-]+)*)\s+until\s+(\d{4}-\d{2}-\d{2})\s*:\s*(\S.*)")
EXAMPLE = "# opslib: ignore RULE until 2027-01-31: reason"


@dataclass(frozen=True, slots=True)
class Ignore:
    """A comment on `line` of `file`: it is about `rules` on the lines from `first` to `last`."""

    file: str
    line: int
    rules: tuple[str, ...]
    until: date
    reason: str
    first: int
    last: int

    def covers(self, finding: Finding) -> bool:
        """Whether it is about this finding."""
        return (
            finding.rule in self.rules and finding.file == self.file and self.first <= finding.line <= self.last
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sorted:
    """The findings that count, and those that are ignored with the comment that does it."""

    counted: list[Finding]
    ignored: list[tuple[Finding, Ignore]]


def sort_out(
    findings: Sequence[Finding],
    texts: Mapping[str, str],
    known: Collection[str],
    asked: Callable[[str], bool],
    today: date,
) -> Sorted:
    """Take out what comments in these files (text by path) say is known. A comment that cannot be understood, is over,
    or is about nothing is a finding itself; the last only of rules that were `asked` this time. `known`: the ids of all
    rules of opslib."""
    wrong: list[Finding] = []
    ignores: list[Ignore] = []
    for file, text in texts.items():
        for one in ignores_in(text, file):
            ignores.append(one) if isinstance(one, Ignore) else wrong.append(one)
    counted, ignored, used = [], [], set()
    for finding in findings:
        matching = [one for one in ignores if one.covers(finding)]
        used |= {(one, finding.rule) for one in matching}
        holds = next((one for one in matching if one.until >= today), None)
        if holds is None:
            counted.append(finding)
        else:
            ignored.append((finding, holds))
    for one in ignores:
        wrong += _idle(one, {rule for rule in one.rules if (one, rule) not in used and asked(rule)}, known, today)
    return Sorted(counted + wrong, ignored)


def _idle(one: Ignore, unused: Collection[str], known: Collection[str], today: date) -> Iterator[Finding]:
    if one.until < today:
        yield Finding("ignore-over", "hardening", f"this comment was to hold until {one.until}, and ignores nothing "
                      "any more", "mend what it is about, or give it a new date", one.file, one.line)  # fmt: skip
        return
    if not unused:
        return
    from difflib import get_close_matches

    for rule in sorted(unused):
        near = get_close_matches(rule, known, 1) if rule not in known else []
        fix = f"did you mean {near[0]}?" if near else "remove it, or put it above the line that the finding names"
        yield Finding("ignore-unused", "hardening", f"{rule} finds nothing here (lines {one.first} to {one.last}) that "
                      "this comment would ignore", fix, one.file, one.line)  # fmt: skip


def ignores_in(text: str, file: str) -> Iterator[Ignore | Finding]:
    """The comments of a file; a finding for each that cannot be understood."""
    if "opslib:" not in text:
        return
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not (found := _COMMENT.search(line)):
            continue
        form = _FORM.fullmatch(found[1].rstrip())
        until = _date(form[2]) if form else None
        if form is None or until is None:
            yield Finding("ignore-unclear", "hardening", "this comment ignores nothing: it has no rule, no date that "
                          "exists, or no reason", f"write {EXAMPLE}", file, number)  # fmt: skip
            continue
        rules = tuple(re.split(r"\s*,\s*", form[1]))
        yield Ignore(file, number, rules, until, form[3], *_extent(lines, number))


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _extent(lines: Sequence[str], number: int) -> tuple[int, int]:
    """The lines of the entry that a comment on line `number` is about: its first, and the last that is indented more.
    The items of a list may be indented as far as its key."""
    first = number
    while first <= len(lines) and _empty(lines[first - 1]):
        first += 1
    if first > len(lines):
        return number, number
    head = lines[first - 1]
    depth, key = _indent(head), not head.lstrip().startswith("- ")
    last = first
    for at in range(first, len(lines)):
        line = lines[at]
        if _empty(line):
            continue
        deeper = _indent(line) > depth or (key and _indent(line) == depth and line.lstrip().startswith("-"))
        if not deeper or line.startswith("---"):
            break
        last = at + 1
    return first, last


def _empty(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
