"""Whether what nginx shows is what certbot has: by serial number, at every address, from here or through the line."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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


def problems(
    disk: Certificate | None, found: Sequence[tuple[str, Served]], now: float, *, trust: bool = True
) -> list[str]:
    """What is wrong with what is shown, in words. `trust`: whether it has to be trusted."""
    told = []
    for name, one in found:
        where = f"{name} at {one.at}"
        if disk is not None and one.certificate.serial != disk.serial:
            told.append(f"{where} shows {_which(one.certificate, now)}, not the one on the disk, "
                        f"which has {disk.days(now)} days left")  # fmt: skip
        elif one.certificate.ends <= now:
            told.append(f"{where} shows a certificate that has ended {-one.certificate.days(now)} days ago")
        elif trust and not one.trusted:
            told.append(f"{where} shows a certificate that browsers do not trust: {one.why}")
    return told


def _which(one: Certificate, now: float) -> str:
    if one.issuer == NOT_REAL:
        return "the first one, which is not real"
    return f"one of {one.issuer} with {one.days(now)} days left"


@dataclass(frozen=True, slots=True)
class Check:
    """What is to be shown: `disk` has the certificates by their names; `ca` as in `ca_file`; `trust`: as somebody who
    checks would take it."""

    wanted: Sequence[Wanted]
    disk: Mapping[str, Certificate]
    ca: Path | None
    trust: bool = True

    def look(self, run: Run) -> list[dict[str, Any]]:
        """For each what is wrong with what is shown, if anything is."""
        now, found = time.time(), []
        for one in self.wanted:
            have = self.disk.get(one.name)
            seen, missed = shown(run.target, one.domains, self.ca)
            told = missed + problems(have, seen, now, trust=self.trust)
            found.append({"name": one.name, "domains": list(one.domains), "problems": told,
                          "disk": have.as_json(now) if have else None})  # fmt: skip
        return found

    def mend(self, run: Run, bad: Collection[str]) -> list[dict[str, Any]]:
        """Have the proxies of these reload, and look again until what is shown is right."""
        said = {one.name: reload(run, one) for one in self.wanted if one.name in bad}
        end = time.monotonic() + (0 if any(said.values()) else PATIENCE)
        found = self.look(run)
        while any(one["problems"] for one in found) and time.monotonic() < end:
            time.sleep(0.3)
            found = self.look(run)
        for one in found:
            if one["problems"] and said.get(one["name"]):
                one["problems"].insert(0, said[one["name"]])
        return found


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
