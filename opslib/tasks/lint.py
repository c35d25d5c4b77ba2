"""`inv lint`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.lint.mend import Mending
    from opslib.lint.report import Report
    from opslib.run.record import Record
    from opslib.run.step import Run
    from opslib.settings.model import Host
    from opslib.target.base import Target
    from opslib.tasks._call import Call


@task(
    "lint",
    options=("plan",),
    needs="nothing",
    help={
        "running": "Compare with what runs on the host, too",
        "all_": "Show each finding of hardening, not one line a rule",
        "file": "These compose files, each a stack of its own (commas between), in place of the host's",
        "fail_on": "loses-data, breaks, exposes or hardening: exit with 3 from there on. Default: breaks",
        "fix": "Change what is safe to change in the compose files; with --plan only show it",
        "baseline": "Leave out what is in this file; where there is none, write it",
        "sarif": "Write the findings to this file, as SARIF 2.1.0",
        "github": "Print them as annotations of a GitHub workflow",
    },
)
def lint(
    call: Call,
    running: bool = False,
    all_: bool = False,
    file: str | None = None,
    fail_on: str | None = None,
    fix: bool = False,
    baseline: str | None = None,
    sarif: str | None = None,
    github: bool = False,
) -> Record:
    """What is wrong with the compose files?

    Data that would be lost, what breaks, what is open, what could be harder: found on the stack as Docker Compose
    resolves it, told at the line to change. compose-lint and hadolint are asked where they are installed. A comment
    `# opslib: ignore RULE until 2027-01-31: reason` says what is known. Exits with 3 where something is found.
    """
    from opslib.errors import BadSettings
    from opslib.lint.look import lint
    from opslib.lint.stacks import Files, Stack, stacks_of
    from opslib.tasks._lint import finish, known_before, outputs
    from opslib.tasks._show_lint import found

    if running and file is not None:
        raise BadSettings("--running looks at what the host file describes: give it or --file", left="everything")
    wanted = outputs(call, fail_on, baseline, sarif, github)
    known, here, root = known_before(call, wanted), call.this_machine(), call.root.resolve()
    others = stacks_of(root, file.split(",")) if file is not None else []
    reports: dict[str, Report] = {}

    def stacks(host: Host, there: Target | None) -> list[Stack]:
        if not others:
            replace(call.spec, needs="stack").require(call.root, host)
        return others or [Stack(Files(root, host.compose, host.env_file, host.project), there=there)]

    def look(host: Host, there: Target | None) -> tuple[bool, dict[str, Any]]:
        mending = _mending(here, call.plan) if fix else None
        reports[host.name] = lint(here, root, stacks(host, there), mending=mending)
        return bool(mending and mending.wrote), mending.as_result() if mending else {}

    def compare(run: Run) -> None:
        changed[run.host], result = look(run.target.host, run.target)
        run.result.update(result)

    changed: dict[str, bool] = {}
    show = found(everything=all_)
    record = call.look(compare, show=show) if running else call.here(lambda n: look(call.settings(n), None), show=show)
    for entry in record.hosts:
        entry.changed = changed.get(entry.host, entry.changed)
    return finish(call, record, reports, wanted, known)


def _mending(here: Target, plan: bool) -> Mending:
    from opslib.lint.mend import Mending

    return Mending(here, plan)


TASKS = (lint,)
