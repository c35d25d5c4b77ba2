"""A certificate got or renewed, by steps: the site, a look whether the names lead here, certbot, and what is shown."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opslib.certbot import answer, around, before, disk, limits, ports, reachable, renewal, served
from opslib.certbot.certificate import DUE
from opslib.certbot.disk import Disk
from opslib.certbot.run import ask, issue_words, server_words, shell
from opslib.certbot.wanted import Wanted, chosen
from opslib.compose.recognise import recognise_project
from opslib.errors import BadSettings, OpsError
from opslib.proxy import site_steps
from opslib.proxy.place import webroot_of
from opslib.run.record import Record, failed
from opslib.run.step import AnyStep, Run, Step, recoveries

Memo = dict[str, Any]
REAL = "https://acme-v02.api.letsencrypt.org/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
# The accounts at an ACME server, aside: certbot makes a new one.
_ASIDE = (
    '[ ! -e "$1/accounts/$2" ] || { mkdir -p "$1/accounts.gone-$3" && mv "$1/accounts/$2" "$1/accounts.gone-$3/"; }'
)


@dataclass(frozen=True, slots=True)
class Options:
    """Which certificates, and how. `root`: the project here, where `certbot: ca:` is."""

    root: Path
    domain: str | None = None
    staging: bool = False
    dry_run: bool = False
    force: bool = False
    unchecked: bool = False
    renew: bool = False

    def ca(self, run: Run) -> Path | None:
        """The CA to trust beside those that everybody trusts."""
        return before.ca_file(run, self.root)


def steps(run: Run, options: Options) -> list[AnyStep]:
    """Everything up to the certificate that is shown. Raises BadSettings, and OpsError where it could only fail."""
    host = run.target.host
    wanted = chosen(host, options.domain)
    options.ca(run)
    if options.staging and host.certbot.server:
        raise BadSettings("--staging is Let's Encrypt's, and the host file names another `certbot: server:`",
                          host=run.host, left="everything")  # fmt: skip
    around.refuse(around.look(run.target, recognise_project(run.target, host)), wanted, host)
    sites = [one.name for one in wanted if one.site]
    made: list[AnyStep] = []
    if sites and not options.renew:
        made += site_steps.steps(run)
    made.append(_certificates(wanted, options))
    if options.dry_run:
        return made
    if sites and not options.renew:
        made.append(_live(sites))
    return [*made, _shown(wanted, options), renewal.step()]


def judge(record: Record) -> None:
    """The certificate on the disk is not the success: what is shown is. So is a hook that failed an error."""
    for host in record.hosts:
        told = [text for one in host.result.get("certificates", []) for text in one.get("problems", [])]
        hooks = host.result.get("hooks", [])
        if host.ok and (told or hooks):
            what = "certbot has done its part, and yet:\n    " + "\n    ".join([*hooks, *told])
            failed(host, OpsError(what, left="the certificates on the disk, which are good",
                                  next=f"mend it, then inv certbot.renew --host {host.host} shows whether it is")
                   .on(host.host))  # fmt: skip


def _certificates(wanted: Sequence[Wanted], options: Options) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        found = disk.look(run.target)
        before.refuse_host(run, found)
        due = {}
        for one in wanted:
            for twin in found.twins(one.name):
                run.note(f"{twin} is there beside {one.name}: certbot was once called without --cert-name. "
                         f"inv certbot.delete --domain {twin}, when nothing serves it", warning=True)  # fmt: skip
            if why := _due(run, one, found, options):
                due[one.name] = why
        run.facts["disk"] = found
        return {"due": due, "dry": options.dry_run} if due else None

    def do(run: Run, memo: Memo) -> str:
        asked = [one for one in wanted if one.name in memo["due"]]
        _prove_names(run, asked, options)
        for one in asked:
            _one(run, one, options)
        run.changed = not options.dry_run
        return ", ".join(memo["due"]) + (" would be given" if options.dry_run else "")

    return Step("certificates", look, do, show=lambda memo: "; ".join(f"{n}: {w}" for n, w in memo["due"].items()))


def _due(run: Run, one: Wanted, found: Disk, options: Options) -> str:
    """Why certbot is asked for it; "" where what is there does."""
    kept = found.kept.get(one.name)
    have = kept.certificate if kept else None
    if options.renew:
        if kept is None or have is None:
            raise OpsError(f"there is no certificate {one.name} to renew", host=run.host, left="everything",
                           next=f"inv certbot.issue --host {run.host}")  # fmt: skip
    elif options.dry_run:
        return "tried, nothing is kept"
    elif have is None or kept is None:
        return "there is none yet"
    elif not have.covers(one.domains):
        return f"other names: now {', '.join(have.names)}"
    elif kept.renewal.get("server", "") not in ("", _server(run, options)):
        if options.staging:
            raise BadSettings(f"{one.name} has a certificate of {kept.renewal['server']}: one for trying would take "
                              "its place", host=run.host, left="everything", next="--dry-run tries it")  # fmt: skip
        return f"from another ACME server than {kept.renewal['server']}"
    if options.force:
        return "as --force says"
    left = have.left(found.now)
    return f"{have.days(found.now)} days left" if left < DUE else ""


def _server(run: Run, options: Options) -> str:
    return run.target.host.certbot.server or (STAGING if options.staging else REAL)


def _prove_names(run: Run, asked: Sequence[Wanted], options: Options) -> None:
    """Whatever can be known before the ACME server is asked. Raises OpsError."""
    challenge = run.target.host.certbot.challenge[0]
    if challenge == "standalone" and (holder := ports.holder(run.target, 80)):
        raise OpsError(f"certbot has to answer on port 80 by itself, and {holder} has it", host=run.host,
                       left="everything", next="stop that for a minute, or `certbot: challenge: webroot`")  # fmt: skip
    if challenge != "webroot" or options.unchecked:
        return
    domains = [name for one in asked for name in one.domains]
    try:
        for unsure in reachable.check(run, domains):
            run.note(unsure, warning=True)
    except OpsError as error:
        spec, holder = run.target.host.deploy.proxy, ports.holder(run.target, 80)
        ours = spec is not None and spec.service and f"-{spec.service}-" in holder
        if holder and not ours:
            error.what += f"\n    port 80 of the server: {holder}"
            error.message = error.text()
        raise


def _one(run: Run, one: Wanted, options: Options) -> None:
    """Have certbot get or renew it. Raises OpsError, after it was written down for the limits."""
    host, webroot = run.target.host, webroot_of(run.target.host, run.target.root)
    if not (options.staging or options.dry_run):
        limits.refuse(run, one.domains)
    words = _words(run, one, options, webroot)
    text, good = ask(run.target, webroot, *words)
    if not good and answer.no_account(text):
        run.note("the ACME server does not know the account of this host any more: a new one is made", warning=True)
        at = urlsplit(_server(run, options)).netloc
        run.target.run(shell(host, _ASIDE, host.certbot.directory, at, time.strftime("%Y%m%dT%H%M%S")))
        # not `renew`, which would ask for the old one
        text, good = ask(run.target, webroot, *_words(run, one, replace(options, renew=False, force=True), webroot))
    names = [name.domain for name in answer.failed_names(text)]
    if not (options.staging or options.dry_run):
        limits.note(run, one.name, one.domains, names, good)
    if not good:
        left = f"{one.name}'s certificate as it was, and what nginx shows"
        error = answer.failure(text, run.host, left)
        if "port 80 of the host is taken" in error.what and (holder := ports.holder(run.target, 80)):
            error.what = f"port 80 of the host is taken by {holder}"
            error.message = error.text()
        raise error
    if hooks := answer.failed_hooks(text):
        run.result.setdefault("hooks", []).extend(f"{one.name}: {hook}" for hook in hooks)


def _words(run: Run, one: Wanted, options: Options, webroot: str) -> list[str]:
    host = run.target.host
    if options.renew:
        words = ["renew", "--non-interactive", "--cert-name", one.name, "--no-random-sleep-on-renew"]
        words += ["--force-renewal"]  # whether it is due has been decided here
        # the test of a renewal would go to Let's Encrypt's staging server, whatever the renewal file says
        dry = ["--dry-run", *server_words(host)] if options.dry_run else []
        return [*words, *host.certbot.options, *dry]
    words = issue_words(host, one.name, one.domains, webroot)
    found: Disk = run.facts["disk"]
    if options.force or found.certificate(one.name) is not None:
        words = [word if word != "--keep-until-expiring" else "--force-renewal" for word in words]
    if options.staging:
        words += ["--staging"]
    elif not server_words(host) and not options.dry_run:
        words += ["--server", REAL]  # not that of a renewal file which was made for trying
    return [*words, "--dry-run"] if options.dry_run else words


def _live(sites: Collection[str]) -> Step[Memo]:
    """The sites show what is on the disk now."""
    inner = site_steps.site_step((), ())

    def look(run: Run) -> Memo | None:
        return None if run.plan else site_steps.site_step(sites, ()).look(run)

    def do(run: Run, memo: Memo) -> object:
        return site_steps.site_step(sites, ()).do(run, memo)

    return Step("site with its certificate", look, do, inner.undo, show=inner.show)


def _shown(wanted: Sequence[Wanted], options: Options) -> Step[Memo]:
    def check(run: Run) -> served.Check:
        found = disk.look(run.target)
        have = {name: kept.certificate for name, kept in found.kept.items() if kept.certificate}
        return served.Check(wanted, have, options.ca(run), trust=not options.staging)

    def look(run: Run) -> Memo | None:
        if run.plan:
            return None
        run.facts["check"] = check(run)
        run.result["certificates"] = run.facts["check"].look(run)
        bad = [one["name"] for one in run.result["certificates"] if one["problems"]]
        return {"names": bad} if bad else None

    def do(run: Run, memo: Memo) -> str:
        run.result["certificates"] = run.facts["check"].mend(run, memo["names"])
        bad = [one["name"] for one in run.result["certificates"] if one["problems"]]
        return f"not as it should be: {', '.join(bad)}" if bad else "after a reload"

    return Step("shown", look, do)


_NONE = Options(Path())
RECOVERIES = recoveries(_certificates((), _NONE), _live(()), _shown((), _NONE), renewal.step())
