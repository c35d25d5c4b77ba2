"""`inv lint`: the stacks of a project, judged by opslib's rules on what Docker Compose resolves, and by other linters
on what is written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.errors import BadSettings, OpsError
from opslib.findings import Finding, ranked
from opslib.lint import linters
from opslib.lint.check import Hit, check
from opslib.lint.facts import Images, gather, images_of
from opslib.lint.ignores import sort_out
from opslib.lint.linters import Told
from opslib.lint.pictured import Pictured, written_names
from opslib.lint.report import OWN, Report
from opslib.lint.resolve import Files, Resolved, located, resolve, written_of
from opslib.lint.rules import RULES
from opslib.lint.stacks import Stack
from opslib.lint.staged import staged
from opslib.lint.written import LARGEST, Written
from opslib.run.workers import each
from opslib.settings.textfile import read_text
from opslib.target.base import Target

if TYPE_CHECKING:
    from opslib.lint.mend import Mending

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
class _Seen:
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


def lint(
    here: Target, root: Path, stacks: Sequence[Stack], *, today: date | None = None, mending: Mending | None = None
) -> Report:
    """Look at the stacks of the project in `root`. `mending` changes their files first, where it can. Raises
    BadSettings where a compose file is not there, and OpsError as `Mending`."""
    seen = [_Seen(stack, written_of(stack.files)) for stack in stacks]
    if mending is not None:
        _every(seen, lambda one: _resolve(here, one))
        _judge_all(here, seen, Pictured(here, ()))
        if mending([(one.stack, one.hits) for one in seen]):
            return lint(here, root, stacks, today=today)
    sound = [(one.stack, one.written) for one in seen if not one.written.bombs]
    local = [(stack.files, written) for stack, written in sound if stack.there is None]
    images = Pictured(here, (name for files, written in local for name in written_names(files, written)))
    with staged(sound, root) as groups:
        asked = [(group, linters.compose_lint(here, group, root)) for group in groups]
        _every(seen, lambda one: _resolve(here, one))
        dockerfiles = _dockerfiles(seen)
        docker = linters.hadolint(here, root, dockerfiles) if dockerfiles else None
        _judge_all(here, seen, images)
        others = [_below(linters.read_compose_lint(one, group), group.below) for group, one in asked]
        others += [linters.read_hadolint(docker)] if docker else []
    return _report(root, seen, others, dockerfiles, today or date.today())


def _every(seen: Sequence[_Seen], work: Callable[[_Seen], None]) -> None:
    """The work for all stacks, several at once."""
    for error in each(seen, work):
        if error is not None:
            raise error


def _resolve(here: Target, one: _Seen) -> None:
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


def _judge_all(here: Target, seen: Sequence[_Seen], images: Pictured) -> None:
    """Ask opslib's rules. A stack that is compared with what runs has its images there."""
    local = [one.resolved.model.project for one in seen if one.resolved and not one.stack.there]
    known = images.of(name for project in local for name in images_of(project)) if local else None
    _every(seen, lambda one: _judge(here, one, None if one.stack.there else known))


def _judge(here: Target, one: _Seen, images: Images | None) -> None:
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


def _dockerfiles(seen: Sequence[_Seen]) -> list[str]:
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


def _below(told: Told, below: str) -> Told:
    return Told([replace(one, file=f"{below}{one.file}") if one.file else one for one in told.findings], told.notes)


def _report(
    root: Path, seen: Sequence[_Seen], others: Sequence[Told], dockerfiles: Sequence[str], today: date
) -> Report:
    own = [finding for one in seen for finding in one.findings()]
    found = [*own, *(one for told in others for one in without_twins(told.findings, own))]
    notes = [note for one in seen if one.resolved for note in one.resolved.notes]
    notes += [note for told in others for note in told.notes]
    files = [f"{one.stack.below}{file}" for one in seen for file in one.written.documents]
    texts = {file: _text(root, file) for file in {*files, *dockerfiles, *(one.file for one in found if one.file)}}
    asked = _asked(seen, complete=not any(told.notes for told in others))
    known = [*(rule.id for rule in RULES), *OWN]
    result = sort_out(list(dict.fromkeys(found)), texts, known, asked, today)
    compose = tuple(f"{one.stack.below}{file}" for one in seen for file in one.stack.files.compose)
    missing = next((one.missing for one in seen if one.missing), None)
    return Report(compose, ranked(result.counted), result.ignored, list(dict.fromkeys(notes)), missing)


def _asked(seen: Sequence[_Seen], *, complete: bool) -> Callable[[str], bool]:
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
