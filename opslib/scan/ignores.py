"""What a project has decided to live with, each with a reason and an end: `.trivyignore.yaml`, or `.trivyignore`.

The files are Trivy's own, so Trivy by hand reads the same. Trivy takes an entry without an end, or with a misspelt one,
as for ever; here that is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from msgspec import Struct

from opslib.errors import BadSettings
from opslib.findings import Finding
from opslib.scan.model import Vulnerability
from opslib.settings import yamlfile
from opslib.settings.decode import Decoder
from opslib.settings.textfile import read_text
from opslib.settings.units import Parse, Scalar
from opslib.settings.yamlfile import Node

USUAL = (".trivyignore.yaml", ".trivyignore")
_NEXT = "each entry has an id, a reason (`statement`) and an end (`expired_at: 2027-01-31`)"


def day(value: Scalar) -> date:
    """A date like 2027-01-31."""
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError("expected a date like 2027-01-31")


class _Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    statement: str
    expired_at: Annotated[date, Parse(day)]
    paths: tuple[str, ...] = ()
    purls: tuple[str, ...] = ()


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    vulnerabilities: tuple[_Entry, ...] = ()
    misconfigurations: tuple[_Entry, ...] = ()
    secrets: tuple[_Entry, ...] = ()
    licenses: tuple[_Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignore:
    """One entry: until the day `until`, which does not count any more. `paths` are patterns, `purls` beginnings; where
    there are some, one has to fit."""

    id: str
    reason: str
    until: date
    file: str
    line: int
    paths: tuple[str, ...] = ()
    purls: tuple[str, ...] = ()

    def covers(self, one: Vulnerability | Finding) -> bool:
        """Whether it means that, whatever day it is."""
        if isinstance(one, Finding):
            return self.id in (one.rule, one.rule.removeprefix("secret-")) and self._at(one.file)
        if self.id != one.id or not self._at(one.path):
            return False
        return not self.purls or any(_same_purl(purl, one.purl) for purl in self.purls)

    def _at(self, path: str) -> bool:
        return not self.paths or any(fnmatchcase(path, pattern) for pattern in self.paths)


def _same_purl(wanted: str, found: str) -> bool:
    """`pkg:deb/debian/curl` means every version, `…/curl@7.88` one; what stands behind a `?` does not matter."""
    plain = found.partition("?")[0]
    return plain == wanted.partition("?")[0] or ("@" not in wanted and plain.rpartition("@")[0] == wanted)


def read(root: Path, named: str | None) -> list[Ignore]:
    """The entries of the project's file, none where there is no file. Raises BadSettings with file and line."""
    found = [named] if named else [name for name in USUAL if (root / name).is_file()][:1]
    if not found:
        return []
    if not (root / found[0]).is_file():
        raise BadSettings(f"there is no {found[0]}", next="see `scan: ignore_file:` in the host file")
    name = found[0]
    return list(_of_yaml(root / name, name) if name.endswith((".yaml", ".yml")) else _of_text(root / name, name))


def _of_yaml(path: Path, name: str) -> Iterator[Ignore]:
    tree = yamlfile.read(path, name)
    try:
        file = Decoder(lambda _: None).struct(tree, _File, "")
    except BadSettings as error:
        raise BadSettings(error.what, next=_NEXT) from None
    assert isinstance(file, _File)
    assert isinstance(tree.value, dict)
    for kind in ("vulnerabilities", "misconfigurations", "secrets"):  # licences are not looked for here
        for entry, at in zip(getattr(file, kind), _items(tree.value.get(kind)), strict=True):
            line = int(at.place.rpartition(":")[2])
            yield Ignore(entry.id, entry.statement, entry.expired_at, name, line, entry.paths, entry.purls)


def _items(node: Node | None) -> Sequence[Any]:
    return node.value if node is not None and isinstance(node.value, list) else ()


def _of_text(path: Path, name: str) -> Iterator[Ignore]:
    """`CVE-2026-1 exp:2027-01-31 # why`; or the reason in comments above, which is that of all entries below it, up to
    the next comment or empty line."""
    above: list[str] = []
    used = False
    for number, line in enumerate(read_text(path, name).splitlines(), 1):
        entry, _, comment = line.partition("#")
        words = entry.split()
        if not words:
            above = [*([] if used or not line.strip() else above), comment.strip()]
            used = False
            continue
        used = True
        reason = comment.strip() or " ".join(filter(None, above))
        ends = [word[4:] for word in words[1:] if word.startswith("exp:")]
        place, wanted = f"{name}:{number}", "write `CVE-2026-1 exp:2027-01-31 # why`"
        if not reason or len(ends) != 1 or len(words) != 2:
            raise BadSettings(f"{place}: {words[0]} has no {'reason' if ends else 'end'}", next=wanted)
        try:
            yield Ignore(words[0], reason, day(ends[0]), name, number)
        except ValueError as error:
            raise BadSettings(f"{place}: {error}, found {ends[0]!r}", next=wanted) from None
