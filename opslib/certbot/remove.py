"""A certificate revoked, or only deleted: first nginx goes back to its own, which nobody trusts, and does not fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from opslib.certbot import answer, disk
from opslib.certbot.run import ask
from opslib.certbot.wanted import all_of
from opslib.errors import BadSettings
from opslib.proxy import site_steps
from opslib.proxy.place import webroot_of
from opslib.run.step import AnyStep, Run, Step, recoveries

Memo = dict[str, Any]
How = Literal["revoke", "delete"]
REASONS = ("unspecified", "keycompromise", "affiliationchanged", "superseded", "cessationofoperation")


def names(run: Run, domain: str | None) -> list[str]:
    """The certificates that are meant, by their names on the host. Raises BadSettings."""
    found = disk.look(run.target)
    if domain is None:
        raise BadSettings("--domain says which certificate", host=run.host, left="everything",
                          next=f"there are {', '.join(found.kept) or 'none'}")  # fmt: skip
    wanted = {name: one.name for one in all_of(run.target.host) for name in one.domains}
    asked = [wanted.get(one.strip(), one.strip()) for one in domain.split(",") if one.strip()]
    if unknown := [one for one in asked if one not in found.kept]:
        raise BadSettings(f"there is no certificate {', '.join(unknown)} on the host", host=run.host,
                          left="everything", next=f"there are {', '.join(found.kept) or 'none'}")  # fmt: skip
    return asked


def steps(run: Run, asked: Sequence[str], how: How, reason: str) -> list[AnyStep]:
    """Take these certificates away. Raises BadSettings for a reason that ACME does not know."""
    if reason not in REASONS:
        raise BadSettings(f"--reason {reason}: expected one of {', '.join(REASONS)}", host=run.host, left="everything")
    sites = [one.name for one in all_of(run.target.host) if one.site and one.name in asked]
    first = [_first(sites)] if sites else []
    return [*first, _gone(asked, how, reason)]


def _first(sites: Sequence[str]) -> Step[Memo]:
    inner = site_steps.site_step((), sites)
    return Step("site with its own certificate", inner.look, inner.do, inner.undo, show=inner.show)


def _gone(asked: Sequence[str], how: How, reason: str) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        return {"names": list(asked), "how": how}

    def do(run: Run, memo: Memo) -> str:
        host, webroot = run.target.host, webroot_of(run.target.host, run.target.root)
        kept = disk.look(run.target).kept
        for name in memo["names"]:
            words = ["delete", "--non-interactive", "--cert-name", name]
            if how == "revoke":
                words = ["revoke", "--non-interactive", "--cert-name", name, "--reason", reason,
                         "--delete-after-revoke", *host.certbot.options]  # fmt: skip
                if server := kept[name].renewal.get("server"):  # who gave it, whatever the host file says by now
                    words += ["--server", server]
            said, good = ask(run.target, webroot, *words)
            if not good:
                raise answer.failure(said, run.host, f"{name}'s certificate")
            run.changed = True
        run.result.update(gone=memo["names"], how=how)
        return ", ".join(memo["names"])

    return Step("certificates gone", look, do, show=lambda memo: f"{memo['how']} {', '.join(memo['names'])}")


RECOVERIES = recoveries(_first(()), _gone((), "delete", "unspecified"))
