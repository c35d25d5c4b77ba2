"""What opslib's own rules say of stacks as Docker Compose resolves them, and what becomes of all that was found."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from opslib.errors import BadSettings, OpsError
from opslib.findings import Finding, ranked
from opslib.lint.check import Hit, check
from opslib.lint.facts import Images, gather, images_of
from opslib.lint.ignores import sort_out
from opslib.lint.linters import Told
from opslib.lint.pictured import Pictured, written_names
from opslib.lint.report import OWN, Report
from opslib.lint.resolve import Resolved, located, resolve
from opslib.lint.rules import RULES
from opslib.lint.stacks import Files, Stack
from opslib.lint.written import LARGEST, Written
from opslib.run.workers import each
from opslib.settings.textfile import read_text
from opslib.target.base import Target

# Rules that say less of an image that is not here.
_BY_IMAGE = {
    "mount-beside-data", "unnamed-volume", "depends-without-health", "database-without-health", "health-missing",
    "health-program-missing", "health-hasty", "health-slow", "wrong-architecture",
}  # fmt: skip
_ENTRY = re.compile(r"\bservices?[. ]\"?([\w-]+)(?:\.([\w-]+))?")

# Rules of other linters, and those of opslib that say the same of a service, or of a line, and more.
_SAME_SERVICE = {
    "CL-0004": {"latest-tag", "database-latest"},
    "CL-0007": {"writable-root"},
    "CL-0026": {"no-memory-limit"},
}
_SAME_LINE = {"CL-0005": {"published-database"}, "CL-0020": {"literal-password"}, "CL-0021": {"literal-password"}}


@dataclass(slots=True)
class Seen:
    """What came of one stack. `missing`: why opslib's rules were not asked. `whole`: all its images were looked at."""

    stack: Stack
    written: Written
    resolved: Resolved | None = None
    hits: list[Hit] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)
    missing: OpsError | None = None
    whole: bool = False

    def findings(self) -> Iterator[Finding]:
        """All of opslib's own, with their files below the project's folder."""
        own = self.resolved.findings if self.resolved else []
        for one in (*self.refused, *own, *(hit.finding for hit in self.hits)):
            yield replace(one, file=f"{self.stack.below}{one.file}") if one.file else one


def judge(
    here: Target,
    stacks: Sequence[tuple[Stack, Written]],
    begin: Callable[[list[str]], object] = lambda dockerfiles: None,
) -> list[Seen]:
    """Resolve the stacks and ask the rules about them. `begin` is called with the Dockerfiles, as soon as those are
    known."""
    seen = [Seen(stack, written) for stack, written in stacks]
    local = [one for one in seen if one.stack.there is None and not one.written.bombs]
    names = (name for one in local for name in written_names(one.stack.files, one.written))
    images = Pictured(here, names)
    _every(seen, lambda one: _resolve(here, one))
    if files := dockerfiles(seen):
        begin(files)
    projects = [one.resolved.model.project for one in local if one.resolved]
    known = images.of(name for project in projects for name in images_of(project)) if projects else None
    _every(seen, lambda one: _judge(here, one, None if one.stack.there else known))
    return seen


def _every(seen: Sequence[Seen], work: Callable[[Seen], None]) -> None:
    """The work for all stacks, several at once."""
    for error in each(seen, work):
        if error is not None:
            raise error


def _resolve(here: Target, one: Seen) -> None:
    """Let Docker Compose say what the stack is."""
    if one.written.bombs:
        one.refused = [_bomb(file) for file in sorted(one.written.bombs)]
        return
    try:
        one.resolved = resolve(here, one.stack.files, one.written, one.stack.there)
    except BadSettings as error:
        one.refused = [_refused(error, one.stack.files, one.written)]
    except OpsError as error:
        one.missing = error


def _judge(here: Target, one: Seen, images: Images | None) -> None:
    """Ask them about one stack."""
    if one.resolved is None:
        return
    model, there = one.resolved.model, one.stack.there
    try:
        facts = gather(there or here, model.project, one.stack.files.root, running=there is not None, images=images)
    except OpsError as error:
        one.missing = error
        return
    one.whole = all(service.image in facts.images for service in model.project.services.values())
    one.hits = check(replace(model, facts=facts), running=there is not None)


def _refused(error: BadSettings, files: Files, written: Written) -> Finding:
    """Compose names no line, but mostly the entry."""
    file, line, what = located(error.what, files.compose[-1])
    if not line and (entry := _ENTRY.search(what)):
        file, line = written.place(("services", *filter(None, entry.groups())), {})
    fix = error.next or "mend it: nothing can be deployed from it"
    return Finding("compose-refused", "breaks", what, fix, file, line)


def _bomb(file: str) -> Finding:
    what = "its aliases make more than a million values of it: no program was asked to write them out"
    return Finding("compose-refused", "breaks", what, "write the values themselves where they are used", file)


def dockerfiles(seen: Sequence[Seen]) -> list[str]:
    """The Dockerfiles in the project that its stacks build from, below its folder."""
    found: dict[str, None] = {}
    for one, model in ((one, one.resolved.model) for one in seen if one.resolved):
        for build in (service.get("build") for service in (model.config.get("services") or {}).values()):
            if build and "dockerfile_inline" not in build and "://" not in (context := str(build.get("context", ""))):
                path = os.path.join(model.project.root, context, str(build.get("dockerfile") or "Dockerfile"))
                inside = os.path.relpath(path, model.project.root)
                if not inside.startswith("..") and (one.stack.files.root / inside).is_file():
                    found[f"{one.stack.below}{inside}"] = None
    return list(found)


def report(root: Path, seen: Sequence[Seen], others: Sequence[Told], today: date) -> Report:
    """All that was found, by opslib's rules and by `others`, without what comments ignore."""
    own = [finding for one in seen for finding in one.findings()]
    found = [*own, *(one for told in others for one in without_twins(told.findings, own))]
    notes = [note for one in seen if one.resolved for note in one.resolved.notes]
    notes += [note for told in others for note in told.notes]
    files = [f"{one.stack.below}{file}" for one in seen for file in one.written.documents]
    texts = {file: _text(root, file) for file in {*files, *dockerfiles(seen), *(one.file for one in found if one.file)}}
    asked = _asked(seen, complete=not any(told.notes for told in others))
    known = [*(rule.id for rule in RULES), *OWN]
    result = sort_out(list(dict.fromkeys(found)), texts, known, asked, today)
    compose = tuple(f"{one.stack.below}{file}" for one in seen for file in one.stack.files.compose)
    missing = next((one.missing for one in seen if one.missing), None)
    return Report(compose, ranked(result.counted), result.ignored, list(dict.fromkeys(notes)), missing)


def _asked(seen: Sequence[Seen], *, complete: bool) -> Callable[[str], bool]:
    """Whether a rule was asked about all stacks; `complete`: other linters have looked at all."""
    rules = {rule.id: rule for rule in RULES}
    resolved = all(one.resolved and not one.missing for one in seen)
    running, whole = all(one.stack.there for one in seen), all(one.whole for one in seen)

    def asked(rule: str) -> bool:
        if rule not in rules:
            return resolved and complete
        return resolved and (running or not rules[rule].running) and (whole or rule not in _BY_IMAGE)

    return asked


def _text(root: Path, file: str) -> str:
    try:
        return read_text(root / file, file, LARGEST)
    except (OSError, BadSettings):
        return ""


def without_twins(findings: Iterable[Finding], own: Iterable[Finding]) -> list[Finding]:
    """Those of another linter that opslib's own rules do not say already."""
    own = list(own)
    services = {(one.rule, one.service) for one in own}
    lines = {(one.rule, one.file, one.line) for one in own}
    return [
        one for one in findings
        if not any((rule, one.service) in services for rule in _SAME_SERVICE.get(one.rule, ()))
        and not any((rule, one.file, one.line) in lines for rule in _SAME_LINE.get(one.rule, ()))
    ]  # fmt: skip
