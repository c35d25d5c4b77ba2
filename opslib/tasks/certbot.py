"""`inv certbot.…`: certificates by ACME."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.certbot.issue import Options
    from opslib.certbot.remove import How
    from opslib.run.record import Record
    from opslib.run.step import AnyStep, Run
    from opslib.tasks._call import Call

_DOMAIN = "Only the certificate of this domain, or of several with commas"
_TRY = {"dry_run": "Go the whole way with the ACME server's test, and keep nothing"}
_UNCHECKED = {"unchecked": "Ask the ACME server although the names do not seem to lead here"}


@task(
    "certbot.issue",
    changes=True,
    help={
        "domain": _DOMAIN,
        "staging": "From Let's Encrypt's staging server: for trying, browsers do not trust it",
        "force": "Also where the one that is there does",
        **_TRY,
        **_UNCHECKED,
    },
)
def issue(
    call: Call, domain: str | None = None, staging: bool = False, dry_run: bool = False, force: bool = False,
    unchecked: bool = False,
) -> Record:  # fmt: skip
    """Get certificates, and have nginx show them.

    First it sees that each name leads here. It has worked when what is shown is what is on the disk.
    """
    from opslib.certbot.issue import Options

    return _carry_out(call, Options(call.root, domain, staging, dry_run, force, unchecked))


@task(
    "certbot.renew",
    changes=True,
    help={"domain": _DOMAIN, "force": "Also where it is not due", **_TRY, **_UNCHECKED},
)
def renew(
    call: Call, domain: str | None = None, force: bool = False, dry_run: bool = False, unchecked: bool = False
) -> Record:
    """Renew what is due, and see that it is shown.

    Due is what has less than a third of its lifetime left. The host does it by itself (`certbot.issue` sees to that).
    """
    from opslib.certbot.issue import Options

    return _carry_out(call, Options(call.root, domain, False, dry_run, force, unchecked, renew=True))


def _carry_out(call: Call, options: Options) -> Record:
    from opslib.certbot.issue import judge, steps
    from opslib.tasks._show_certbot import issued

    record = call.carry_out(lambda run: steps(run, options), show=issued)
    judge(record)
    return record


@task("certbot.status", needs="nothing")
def status(call: Call) -> Record:
    """How long does each certificate last?

    On the disk and as it is shown, with its chain. Exits with 3 when less than a quarter of a lifetime is left, or
    what is shown is another one.
    """
    from opslib.certbot.status import status
    from opslib.tasks._show_certbot import statuses

    return call.look(lambda run: status(run, call.root), show=statuses)


@task(
    "certbot.revoke",
    changes=True,
    help={"domain": _DOMAIN, "reason": "keycompromise, superseded, cessationofoperation. Default: unspecified"},
)
def revoke(call: Call, domain: str | None = None, reason: str | None = None) -> Record:
    """Revoke a certificate, and delete it.

    Its site goes on with one that nobody trusts, until `certbot.issue`.
    """
    return _remove(call, domain, "revoke", reason or "unspecified")


@task("certbot.delete", changes=True, help={"domain": f"{_DOMAIN}; or its name, like example.com-0001"})
def delete(call: Call, domain: str | None = None) -> Record:
    """Delete a certificate, without revoking it.

    Its site goes on with one that nobody trusts, until `certbot.issue`.
    """
    return _remove(call, domain, "delete", "unspecified")


def _remove(call: Call, domain: str | None, how: How, reason: str) -> Record:
    from opslib.certbot.remove import names, steps
    from opslib.tasks._show_certbot import removed

    call.destructive()

    def ask(run: Run) -> list[AnyStep]:
        asked = names(run, domain)
        call.confirm(f"{how.capitalize()} {', '.join(asked)} on {run.host}?", run.target)
        return steps(run, asked, how, reason)

    return call.carry_out(ask, show=removed)


TASKS = (issue, renew, status, revoke, delete)
