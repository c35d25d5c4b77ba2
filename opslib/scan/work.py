"""Scanning images by one cache, each layer read once, several at once where the scanner can; and every report is either
understood or a failure."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from opslib.command import bash, command
from opslib.errors import Cancelled, CommandFailed, OpsError
from opslib.events import Note, StepEnded, StepStarted
from opslib.run.workers import each
from opslib.scan import grype, grype_report, trivy, trivy_report
from opslib.scan.images import Subject, same_machine
from opslib.scan.model import Damaged, Report, counted
from opslib.scan.scanner import Scanner
from opslib.target.base import BLOCK, Target
from opslib.target.docker import docker, mount
from opslib.target.transfer import relay

AT_ONCE = 4
_BUSY = "in use by another process"  # the cache or the database, after 5 s of waiting for it
_UNLISTED = "not on the EOL list"  # Trivy's only word for a release of a system of which its database may know nothing
SAVE = 3600.0  # seconds that an image may take from one machine to the other


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the scan of one image ended: with a report, kept in `file`, or with an error."""

    subject: Subject
    report: Report | None = None
    file: str = ""
    error: str = ""
    seconds: float = 0.0


def waves(layers: Sequence[Sequence[str]], *, first_alone: bool = False) -> list[list[int]]:
    """Which images are scanned together, by their places in `layers`: no two of a wave have a layer in common that has
    not been read by an earlier one. `first_alone`: the first one fetches the database."""
    order = sorted(range(len(layers)), key=lambda at: len(layers[at]))
    read: set[str] = set()
    found: list[list[int]] = []
    while order:
        wave: list[int] = []
        claimed: set[str] = set()
        for at in order:
            new = set(layers[at]) - read
            if not (new & claimed) and not (first_alone and not found and wave):
                wave.append(at)
                claimed |= new
        order = [at for at in order if at not in wave]
        read |= claimed
        found.append(wave)
    return found


def scan_all(scanner: Scanner, subjects: Sequence[Subject], folder: Path, told: Target) -> list[Outcome]:
    """Scan the images; a report of each goes into `folder`. `told` hears of each. Raises Cancelled, HostLost."""
    outcomes: dict[int, Outcome] = {}
    files = _names([one.name for one in subjects])
    layers = [one.info.diff_ids if one.info else (one.name,) for one in subjects]
    for wave in waves(layers, first_alone=scanner.database is None):

        def work(at: int) -> None:
            outcomes[at] = _told(scanner, subjects[at], folder / files[at], told)

        for error in each(wave, work, at_once(scanner)):
            if error is not None:
                raise error
    return [outcomes[at] for at in range(len(subjects))]


def at_once(scanner: Scanner) -> int:
    """How many scans the scanner bears at once. Trivy locks its cache for as long as a scan takes, and gives up after
    5 s of waiting for another (seen with 0.74); a server does neither."""
    return 1 if scanner.kind == "trivy" and scanner.settings.server is None else AT_ONCE


def _names(images: Sequence[str]) -> list[str]:
    """A file's name for each image."""
    found: list[str] = []
    for image in images:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", image.removeprefix("sha256:")).strip("._")[:100] or "image"
        number = sum(one == f"{plain}.json" or one.startswith(f"{plain}~") for one in found)
        found.append(f"{plain}~{number}.json" if number else f"{plain}.json")
    return found


def _told(scanner: Scanner, subject: Subject, file: Path, told: Target) -> Outcome:
    name, began = told.host.name, time.monotonic()
    told.tell(StepStarted(name, f"scan {subject.name}"))
    outcome = _scan(scanner, subject, file, began)
    counts = counted(one.severity for one in outcome.report.vulnerabilities) if outcome.report else {}
    note = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "nothing found"
    told.tell(
        StepEnded(name, f"scan {subject.name}", "failed" if outcome.error else "done", outcome.seconds,
                  "" if outcome.error else note)
    )  # fmt: skip
    return outcome


def _scan(scanner: Scanner, subject: Subject, file: Path, began: float) -> Outcome:
    def ended(report: Report | None = None, error: str = "") -> Outcome:
        took = round(time.monotonic() - began, 3)
        return Outcome(subject, report, file.name if report else "", error, took)

    part = file.with_suffix(".part")
    try:
        with brought(scanner, subject) as archive:
            said = _patiently(scanner, subject, archive, part, began)
        report = (trivy_report if scanner.kind == "trivy" else grype_report).read(part)
    except Damaged as error:
        part.replace(file.with_suffix(".damaged"))
        return ended(error=str(error))
    except Cancelled:
        part.unlink(missing_ok=True)
        raise
    except CommandFailed as error:
        part.unlink(missing_ok=True)
        return ended(error=why(error))
    except OSError as error:
        part.unlink(missing_ok=True)
        return ended(error=f"the report cannot be written here: {error.strerror}")
    part.replace(file)
    return ended(replace(report, unlisted=_UNLISTED in said))


def _patiently(scanner: Scanner, subject: Subject, archive: str, part: Path, began: float) -> str:
    """`write`, and again where somebody else's scan has the cache."""
    while True:
        try:
            return write(scanner, subject, archive, part)
        except CommandFailed as error:
            if _BUSY not in error.stderr or time.monotonic() - began > scanner.settings.timeout:
                raise


def write(scanner: Scanner, subject: Subject, archive: str, file: Path, form: trivy.Bill | None = None) -> str:
    """The report, or the bill of materials in this form, as it comes into the file; returns what the scanner says
    beside it. Raises CommandFailed."""
    inside = "/image.tar" if archive and scanner.inside else archive
    if scanner.kind == "grype":
        words = grype.image(subject.ref, known=subject.at is not None, archive=inside, form=form)
    elif form is not None:
        words = trivy.bill(scanner, form, subject.ref, archive=inside)
    else:
        words = trivy.image(scanner, subject.ref, archive=inside)
    mounts = (mount("bind", archive, inside, readonly=True),) if archive and scanner.inside else ()
    asked = scanner.call(*words, mounts=mounts)
    process = scanner.at.start(asked)
    try:
        with open(file, "wb") as out:
            while got := process.read(BLOCK):
                out.write(got)
    except BaseException:
        scanner.at.abandon(process)
        raise
    ended = scanner.at.finish(process)
    if not ended.ok:
        raise scanner.at.failure(asked, ended)
    return ended.stderr


@contextmanager
def brought(scanner: Scanner, subject: Subject) -> Iterator[str]:
    """Where the scanner finds the image: "" for its own engine, else an archive that goes again."""
    source = subject.at
    if source is None or same_machine(source, scanner.at):
        yield ""
        return
    size = subject.info.size if subject.info else 0
    source.tell(
        Note(source.host.name, f"{subject.name} goes to {scanner.at.host.name} to be scanned: {size / 1e6:.0f} MB")
    )
    folder = scanner.at.run(bash("mktemp -d")).text
    archive = f"{folder}/image.tar"
    try:
        save = docker(source.host, "image", "save", subject.ref, limit=SAVE)
        relay(source, save, scanner.at, bash('cat >"$1"', archive, limit=SAVE))
        yield archive
    finally:
        if not (scanner.at.lost or scanner.at.cancelled):
            scanner.at.run(command("rm", "-rf", "--", folder), check=False)


def why(error: CommandFailed) -> str:
    """What a scanner that has failed says of it, in a few lines."""
    if error.codes == (137,):
        return "the scanner was killed (is there too little memory?)"
    if error.codes == (124,):
        return f"{error.what.split(':', 1)[0]}: see `scan: timeout:` in the host file"
    lines = error.stderr.strip().splitlines()
    fatal = next((at for at, line in enumerate(lines) if "\tFATAL\t" in line), None)
    if fatal is not None:
        lines = [lines[fatal].rpartition("\t")[2], *lines[fatal + 1 :]]
    said = [line.strip() for line in lines if line.strip()][-6 if fatal is None else 0 :][:6]
    text = "\n    ".join(line[:300] for line in said) or f"the scanner ended with {' '.join(map(str, error.codes))}"
    return text.removeprefix("run error: ")


def failure(outcomes: Sequence[Outcome], host: str) -> OpsError | None:
    """The error for images that could not be scanned: nobody knows what is in them."""
    failed = [one for one in outcomes if one.error]
    if not failed:
        return None
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return OpsError(
        f"{failed[0].subject.name} could not be scanned{more}: {failed[0].error}", host=host,
        left="the reports of the other images" if len(failed) < len(outcomes) else None,
    )  # fmt: skip
