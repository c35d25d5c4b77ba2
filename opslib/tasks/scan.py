"""`inv scan` and what is made of what it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.scan.images import Wanted
    from opslib.tasks._call import Call


@task(
    "scan.all",
    default=True,
    help={
        "image": "Only this image, which need not be of the stack",
        "service": "Only the images of this service, or of several with commas",
    },
)
def scan(call: Call, image: str | None = None, service: str | None = None) -> Record:
    """Scan every image of the stack for vulnerabilities.

    With Trivy, or grype, on the host, on this machine, in a container, or by a Trivy server. Also for secrets. Exits
    with 3 where something fails `scan: fail_on:`, with 1 where an image could not be scanned: then nobody knows.
    """
    from opslib.scan.take import Options, scan
    from opslib.tasks._show_scan import scanned

    wanted, here = _wanted(image, service), call.this_machine()
    return call.look(lambda run: scan(run, Options(call.root, here, run.target.host.scan, wanted)), show=scanned)


@task("scan.diff", help={"since": "An earlier scan, by its id. Default: the first scan of the live release"})
def diff(call: Call, since: str | None = None) -> Record:
    """Say what is new and fixed since the release.

    Of the newest scan of the whole stack. Nothing is scanned. Exits with 3 where something new fails the scan.
    """
    from opslib.scan.diff import diff
    from opslib.tasks._show_scan import compared

    return call.look(lambda run: diff(run, call.root, since), show=compared)


@task("scan.report", help={"out": "The file to write. Default: report.html beside the scan"})
def report(call: Call, out: str | None = None) -> Record:
    """Make a page of the newest scan, in one HTML file.

    By severity, by image, by package with the version that mends most, and earlier scans. It needs no network.
    """
    from opslib.errors import BadSettings
    from opslib.scan.report import report
    from opslib.tasks._show_scan import paged

    if out is not None and len(call.names) > 1:
        raise BadSettings("--out is one file, and several hosts make several pages", left="everything")
    return call.here(lambda name: (True, report(name, call.root, out)), show=paged)


@task("scan.config", needs="nothing")
def config(call: Call) -> Record:
    """Scan the project's files for mistakes and secrets.

    Dockerfiles, Kubernetes, Terraform and the like, with this machine's Trivy. Exits with 3 where something is found.
    """
    from opslib.scan.config import config
    from opslib.tasks._show_scan import configured

    here = call.this_machine()
    return call.look(lambda run: config(run, here, call.root), show=configured)


@task(
    "scan.db",
    needs="nothing",
    help={"save": "Write this machine's database into this file", "load": "Give the host the database of this file"},
)
def database(call: Call, save: str | None = None, load: str | None = None) -> Record:
    """Say how old the scanner's database is, or carry it.

    For hosts without internet: saved where there is some, loaded where there is none.
    """
    from opslib.errors import BadSettings
    from opslib.scan import database
    from opslib.tasks._show_scan import aged

    if save is not None and load is not None:
        raise BadSettings("--save writes a file and --load reads one: give one of them", left="everything")
    here = call.this_machine()
    if save is not None:
        path = call.root / save
        return call.here(lambda name: (True, database.save(here, call.settings(name).scan, path)), show=aged)
    file = call.root / load if load is not None else None
    return call.look(lambda run: database.look(run, here, file), show=aged)


def _wanted(image: str | None, service: str | None) -> Wanted:
    from opslib.errors import BadSettings
    from opslib.scan.images import Wanted

    names = tuple(name.strip() for name in service.split(",") if name.strip()) if service is not None else ()
    if service is not None and not names:
        raise BadSettings(f"--service {service!r}: expected a service's name")
    if image is not None and (names or not image.strip() or image.startswith("-")):
        raise BadSettings("--image takes an image's name, and no --service")
    return Wanted(image, names)


TASKS = (scan, diff, report, config, database)
