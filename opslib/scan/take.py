"""`inv scan`: the images of a stack are scanned, judged, and what was found is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from opslib.run.step import Run
from opslib.scan import first_seen, ignores, kept, released
from opslib.scan.images import Subject, Wanted, nearer, subjects
from opslib.scan.policy import Rules
from opslib.scan.result import refuse, refuse_old, result, unrecognised
from opslib.scan.sarif import sarif
from opslib.scan.scanner import again, find
from opslib.scan.work import Outcome, failure, scan_all
from opslib.settings.scanning import Scan
from opslib.target.base import Target


@dataclass(frozen=True, slots=True)
class Options:
    """`root` is the project's folder on this machine, and `here` this machine. `settings` are the host file's."""

    root: Path
    here: Target
    settings: Scan
    wanted: Wanted = field(default_factory=Wanted)


def scan(run: Run, options: Options) -> None:
    """Scan, and put what was found into the run's result. Raises OpsError where an image could not be scanned, or
    nothing is proven, and Unhealthy where something fails the scan; what was found is kept all the same."""
    rules = rules_of(options)
    here = run.target if run.target.host.is_local else options.here
    told = take(run, options, rules, subjects(run.target, here, options.root, options.wanted), run.result)
    refuse(told, run.host)


def rules_of(options: Options) -> Rules:
    """What fails, by the host file and the project's list of what it lives with. Raises BadSettings."""
    settings = options.settings
    entries = ignores.read(options.root, settings.ignore_file)
    return Rules(datetime.now(timezone.utc), settings.fail_on, settings.only_fixed, entries)


def take(run: Run, options: Options, rules: Rules, found: Sequence[Subject], into: dict[str, Any]) -> dict[str, Any]:
    """Scan these images, keep what was found, and put it `into` a result too. Raises OpsError where that is not all
    that can be known; what fails the scan is the caller's."""
    here = run.target if run.target.host.is_local else options.here
    scanner = find(run.target, here, options.settings)
    seen = first_seen.read(run.target)
    place = kept.new(options.root, run.host, run.id)
    outcomes = scan_all(scanner, nearer(found, scanner.at), place, run.target)
    after = again(scanner)  # the first scan may have fetched the database
    scanner = replace(after, database=_database(outcomes) or after.database)
    seen.note((one.key for outcome in outcomes if outcome.report for one in outcome.report.vulnerabilities), rules.now)
    first_seen.keep(run.target, seen)
    told = result(outcomes, scanner, rules, seen.times(), whole=options.wanted.whole)
    told.update(id=run.id, folder=str(place.relative_to(options.root)))
    told["release"] = released.keep(run, scanner, outcomes, told, place)
    into.update(told)
    kept.seal(place, told, sarif(told))
    kept.prune(place, options.settings.keep)
    for image in unrecognised(told):
        run.note(f"{image}: neither a system nor a package was recognised, so nothing could be found", warning=True)
    if error := failure(outcomes, run.host):
        raise error
    refuse_old(scanner, scanner.database, rules.now, run.host)
    return told


def _database(outcomes: Sequence[Outcome]) -> datetime | None:
    """What the reports themselves say of it."""
    return next((one.report.database for one in outcomes if one.report and one.report.database), None)
