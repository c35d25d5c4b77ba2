"""Every domain of a host: what is on the disk, what is shown, how long that lasts, and who renews it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.certbot import around, disk, revocation, served
from opslib.certbot.around import Around
from opslib.certbot.before import SKEW, ca_file
from opslib.certbot.certificate import LATE, Certificate
from opslib.certbot.disk import Disk, Kept
from opslib.certbot.tls import Served
from opslib.certbot.wanted import Wanted, all_of
from opslib.compose.recognise import recognise_project
from opslib.errors import BadSettings, OpsError, Unhealthy
from opslib.findings import Finding, as_json, ranked
from opslib.settings.sites import named

if TYPE_CHECKING:
    from opslib.run.step import Run


def status(run: Run, root: Path) -> None:
    """Put certificates and findings into the run's result. Raises Unhealthy where somebody has to look: less than a
    quarter of a lifetime is left, what is shown is not what is on the disk, or is not trusted, or nothing renews."""
    host, ca = run.target.host, ca_file(run, root)
    seen = around.look(run.target, recognise_project(run.target, host))
    found = _disk(run, seen)
    wanted = _all(all_of(host), found, seen)
    if not wanted:
        raise BadSettings("there is no certificate, and the host file names no domain", host=run.host,
                          left="everything", next="docs/certbot.md shows how sites get theirs")  # fmt: skip
    entries, findings = [], []
    for one in wanted:
        entry, told = _one(run, one, found, seen, ca)
        entries.append(entry)
        findings += told
    findings += _whole(run, wanted, found, seen)
    run.result.update(certificates=entries, findings=as_json(ranked(findings)), **seen.as_json())
    if findings:
        worst = ranked(findings)[0]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise Unhealthy(worst.what + more, host=run.host, left="everything", next=worst.fix or None)


def _disk(run: Run, seen: Around) -> Disk:
    """What certbot has; nothing where a proxy does it by itself and the host has no certbot to be asked."""
    try:
        return disk.look(run.target)
    except OpsError:
        if seen.proxies:
            return Disk(time.time(), 0, {}, ())
        raise


def _all(wanted: Sequence[Wanted], found: Disk, seen: Around) -> list[Wanted]:
    """What the host file names, what certbot has beside it, and what a proxy of its own says that it serves."""
    every = list(wanted)
    names = {one.name for one in every}
    for kept in found.kept.values():
        if kept.name not in names and kept.certificate is not None:
            every.append(Wanted(kept.name, kept.certificate.names, False))
    have = {name for one in every for name in one.domains}
    for domains, _ in seen.proxies.values():
        every += [Wanted(named((name,)), (name,), False) for name in domains if name not in have]
    return every


def _one(run: Run, one: Wanted, found: Disk, seen: Around,
         ca: Path | None) -> tuple[dict[str, Any], list[Finding]]:  # fmt: skip
    now, kept = time.time(), found.kept.get(one.name)
    have = kept.certificate if kept else None
    listed = any(one.name == each.name for each in all_of(run.target.host))
    shown, missed = served.shown(run.target, one.domains, ca)
    visible = shown if listed or have is None else [each for each in shown if each[1].certificate.serial == have.serial]
    told = [Finding("certificate-not-shown" if "not the one" in text else "certificate-bad", "breaks", text,
                    f"inv certbot.renew --host {run.host}")
            for text in served.problems(have, visible, now)]  # fmt: skip
    if listed or not found.kept:
        told += [Finding("certificate-unreachable", "breaks", text, "open port 443, and see that nginx runs")
                 for text in missed]  # fmt: skip
    answer = revocation.look(have) if have else "not told"
    if answer == "revoked":
        told.append(Finding("certificate-revoked", "breaks", f"{one.name}: the ACME server has revoked it",
                            f"inv certbot.issue --force --host {run.host}"))  # fmt: skip
    if have is None and one.site:  # what is shown is the first one, and that is all there is to say
        told = []
    told += _ages(run, one, have, shown, now)
    return {
        "name": one.name, "domains": list(one.domains), "site": one.site,
        "disk": have.as_json(now) if have else None,
        "served": [{"name": name, "at": each.at, "seen": each.seen, "trusted": each.trusted, "why": each.why,
                    **each.certificate.as_json(now)} for name, each in shown],
        "unreachable": missed, "revoked": answer, "renewed": have.as_json(now)["begins"] if have else None,
        "by": _said(kept, "authenticator"), "server": _said(kept, "server"),
    }, told  # fmt: skip


def _said(kept: Kept | None, key: str) -> str:
    return kept.renewal.get(key, "") if kept else ""


def _ages(run: Run, one: Wanted, have: Certificate | None, shown: Sequence[tuple[str, Served]],
          now: float) -> list[Finding]:  # fmt: skip
    """A certificate that is late, once: as it is shown where it is shown."""
    certificates = [each.certificate for _, each in shown if not each.certificate.itself] or ([have] if have else [])
    late = [each for each in certificates if each.left(now) < LATE]
    if late:
        soon = min(late, key=lambda each: each.ends)
        return [Finding("certificate-late", "breaks", f"{one.name} has {soon.days(now)} days left, "
                        f"{max(0, round(100 * soon.left(now)))} % of its lifetime: nothing has renewed it",
                        f"inv certbot.renew --host {run.host} says why")]  # fmt: skip
    if have is None and one.site:
        return [Finding("certificate-missing", "breaks", f"{one.name} has no certificate yet",
                        f"inv certbot.issue --host {run.host}")]  # fmt: skip
    return []


def _whole(run: Run, wanted: Sequence[Wanted], found: Disk, seen: Around) -> list[Finding]:
    """What is wrong with all of it."""
    told = []
    if found.kept and not seen.renewers:
        told.append(Finding("nothing-renews", "breaks", "nothing renews the certificates: no timer and no cron does",
                            f"inv certbot.issue --host {run.host}"))  # fmt: skip
    if len(seen.renewers) > 1 and any(one.mine for one in seen.renewers):
        told.append(Finding("renewed-twice", "hardening", "two renew: " + ", ".join(one.what for one in seen.renewers),
                            f"inv certbot.issue --host {run.host} takes opslib's line out"))  # fmt: skip
    for one in wanted:
        told += [Finding("certificate-twin", "hardening", f"{twin} is there beside {one.name}: certbot was once called "
                         "without --cert-name", f"inv certbot.delete --domain {twin} --host {run.host}, when nothing "
                         "serves it") for twin in found.twins(one.name)]  # fmt: skip
    if abs(found.now - time.time()) > SKEW:
        told.append(Finding("clock", "breaks", f"the host's clock differs by {abs(found.now - time.time()):.0f} s",
                            "sudo timedatectl set-ntp true there"))  # fmt: skip
    return told
