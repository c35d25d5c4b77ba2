"""What `inv lint` does with what was found: the baseline, the files for other programs, how the task ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.errors import BadSettings, Unhealthy
from opslib.findings import COSTS, Cost, at_least, cost_named
from opslib.lint import baseline
from opslib.run.record import HostRecord, Record, failed
from opslib.target.transfer import put_bytes

if TYPE_CHECKING:
    from collections import Counter

    from opslib.lint.report import Report
    from opslib.tasks._call import Call

FAILS: Cost = "breaks"
"""From where on `inv lint` ends with 3, where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the findings go beside the screen, and from which cost on they make the task fail."""

    fail_on: Cost = FAILS
    baseline: str | None = None
    sarif: str | None = None
    github: bool = False


def failing(fail_on: str | None) -> Cost:
    """What `--fail-on` says, else the default. Raises BadSettings."""
    cost = cost_named(fail_on or FAILS)
    if cost is None:
        words = ", ".join(one.replace(" ", "-") for one in COSTS)
        raise BadSettings(f"--fail-on {fail_on!r}: expected one of {words}", left="everything")
    return cost


def outputs(call: Call, fail_on: str | None, baseline: str | None, sarif: str | None, github: bool) -> Outputs:
    """From what was typed. Raises BadSettings."""
    cost = failing(fail_on)
    if github and call.json:
        raise BadSettings("--github prints lines, and --json one object: give one of them", left="everything")
    return Outputs(cost, baseline, sarif, github)


def known_before(call: Call, wanted: Outputs) -> Counter[tuple[str, str, str]] | None:
    """The baseline, None where there is none yet, or nobody asked for one. Raises BadSettings."""
    return baseline.read(call.root / wanted.baseline, wanted.baseline) if wanted.baseline else None


def finish(
    call: Call,
    record: Record,
    reports: Mapping[str, Report],
    wanted: Outputs,
    known: Counter[tuple[str, str, str]] | None,
) -> Record:
    """Judge each host's findings, and write what is to be written. Raises OpsError where a file cannot be written."""
    complete = len(reports) == len(record.hosts) and not any(report.missing for report in reports.values())
    if wanted.baseline and known is None and complete and not call.plan:
        known = _keep(call, reports, wanted.baseline, record)
    judged = {name: report if known is None else report.beside(known) for name, report in reports.items()}
    for entry in record.hosts:
        if entry.host in judged:
            _judge(entry, judged[entry.host], wanted.fail_on)
    if wanted.sarif or wanted.github:
        from opslib.lint.report import together

        _write(call, wanted, together(list(judged.values())))
    return record


def _write(call: Call, wanted: Outputs, report: Report) -> None:
    from opslib.lint.report import titles
    from opslib.lint.sarif import github, prefix_in_repository, sarif

    prefix = prefix_in_repository(call.root)
    if wanted.sarif:
        text = sarif(report.findings, report.ignored, titles=titles(), prefix=prefix)
        put_bytes(call.this_machine(), text.encode("utf-8", "replace"), str(call.root / wanted.sarif), mode=0o644)
    for line in github(report.findings, prefix) if wanted.github else ():
        print(line, flush=True)


def _keep(
    call: Call, reports: Mapping[str, Report], name: str, record: Record
) -> Counter[tuple[str, str, str]]:  # fmt: skip
    """Write the first baseline: all that was found."""
    from opslib.lint.report import together

    found = together(list(reports.values())).findings
    put_bytes(call.this_machine(), baseline.text(found).encode(), str(call.root / name), mode=0o644)
    for entry in record.hosts:
        entry.changed = True
    return baseline.counted(found)


def _judge(entry: HostRecord, report: Report, fail_on: Cost) -> None:
    entry.result.update(report.as_result())
    bad = at_least(report.findings, fail_on)
    if report.missing is not None:
        failed(entry, report.missing)
    elif bad and entry.ok:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        place = f"{bad[0].place}: " if bad[0].place else ""
        failed(entry, Unhealthy(f"{place}{bad[0].what}{more}", next=bad[0].fix if "\n" not in bad[0].fix else None))
