"""Whether what nginx shows is what certbot has: by serial number, at every address, from here or through the line."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.certbot import names, tls
from opslib.certbot.certificate import Certificate
from opslib.certbot.tls import Served, Unreached
from opslib.command import command
from opslib.errors import OpsError
from opslib.proxy import site_steps
from opslib.proxy.first_certificate import NOT_REAL

if TYPE_CHECKING:
    from opslib.certbot.wanted import Wanted
    from opslib.run.step import Run
    from opslib.target.base import Target

PATIENCE = 8.0  # seconds that nginx's new workers may take


def shown(target: Target, domains: Sequence[str], ca: Path | None) -> tuple[list[tuple[str, Served]], list[str]]:
    """What is shown under each of the domains at each of its addresses; where none can be reached from here, what the
    server shows to itself. And what could not be reached, in words."""
    found: list[tuple[str, Served]] = []
    missed: list[str] = []
    for name in [one for one in domains if not one.startswith("*.")] or [f"opslib.{domains[0][2:]}"]:
        mine, why = [], "it has no address in DNS"
        for address in names.addresses(target.host, name):
            try:
                mine.append((name, tls.from_here(name, address, ca)))
            except Unreached as error:
                why = f"{address}: {error}"
        if not mine:
            try:
                mine.append((name, tls.through(target, name, ca)))
            except Unreached as error:
                missed.append(f"{name}: nobody answers on port 443 ({why}; on the server: {error})")
        found += mine
    return found, missed


def problems(disk: Certificate | None, found: Sequence[tuple[str, Served]], now: float) -> list[str]:
    """What is wrong with what is shown, in words."""
    told = []
    for name, one in found:
        where = f"{name} at {one.at}"
        if disk is not None and one.certificate.serial != disk.serial:
            told.append(f"{where} shows {_which(one.certificate, now)}, not the one on the disk, "
                        f"which has {disk.days(now)} days left")  # fmt: skip
        elif one.certificate.ends <= now:
            told.append(f"{where} shows a certificate that has ended {-one.certificate.days(now)} days ago")
        elif not one.trusted:
            told.append(f"{where} shows a certificate that browsers do not trust: {one.why}")
    return told


def _which(one: Certificate, now: float) -> str:
    if one.issuer == NOT_REAL:
        return "the first one, which is not real"
    return f"one of {one.issuer} with {one.days(now)} days left"


def prove(run: Run, wanted: Sequence[Wanted], disk: dict[str, Certificate], ca: Path | None) -> list[dict[str, Any]]:
    """See that each is shown, and have the proxy reload where it is not. Returns for each what is wrong, if anything
    is."""
    results = []
    for one in wanted:
        certificate = disk.get(one.name)
        told = _told(run, one, certificate, ca)
        said = ""
        if told and certificate is not None:
            said = reload(run, one)
            end = time.monotonic() + PATIENCE
            while (told := _told(run, one, certificate, ca)) and not said and time.monotonic() < end:
                time.sleep(0.3)
        now = time.time()
        results.append({
            "name": one.name, "domains": list(one.domains), "problems": [*([said] if said and told else []), *told],
            "disk": certificate.as_json(now) if certificate else None,
        })  # fmt: skip
    return results


def _told(run: Run, one: Wanted, certificate: Certificate | None, ca: Path | None) -> list[str]:
    found, missed = shown(run.target, one.domains, ca)
    return missed + problems(certificate, found, time.time())


def reload(run: Run, one: Wanted) -> str:
    """Have the proxy take it; what went wrong with that, or ""."""
    try:
        if one.site:
            site_steps.tell(run, site_steps.place(run))
        elif run.target.host.certbot.reload:
            run.target.run(command(*run.target.host.certbot.reload, limit=120))
        else:
            return "nothing reloads what serves it: `certbot: reload:` in the host file"
    except OpsError as error:
        return error.what
    return ""
