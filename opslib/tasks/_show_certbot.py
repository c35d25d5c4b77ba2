"""How the results of `inv certbot…` and `inv deploy.proxy` look on a screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opslib.tasks._show_scan import finding

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.ui import Ui


def issued(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """certbot.issue, certbot.renew."""
    found = host.result.get("certificates", [])
    for one in found:
        if one["disk"] and not one["problems"]:
            ui.say(f"{one['name']}: {', '.join(one['disk']['names'])}, {one['disk']['days']} days left, shown as it is "
                   "on the disk")  # fmt: skip
    if by := host.result.get("renewed_by"):
        ui.say(f"renewed by {', '.join(by)}", "dim")
    days = [one["disk"]["days"] for one in found if one["disk"]]
    return {"CERTIFICATES": str(len(found)), "DAYS LEFT": str(min(days)) if days else ""}


def statuses(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """certbot.status."""
    found = host.result.get("certificates")
    if found is None:
        return {}
    ui.table(["CERTIFICATE", "NAMES", "ON DISK", "SHOWN", "TRUSTED", "REVOKED", "SINCE", "FROM"],
             [_row(one) for one in found])  # fmt: skip
    for one in host.result["findings"]:
        finding(ui, one)
    by, own = host.result["renewed_by"], host.result["own_acme"]
    ui.say(f"renewed by {', '.join(by) or 'nobody'}" + (f"; {', '.join(own)} by itself" if own else ""), "dim")
    days = [days for one in found for days in _days(one)]
    return {"CERTIFICATES": str(len(found)), "DAYS LEFT": str(min(days)) if days else ""}


def _row(one: Mapping[str, Any]) -> list[str]:
    disk, shown = one["disk"], one["served"]
    if one["site"] and disk is None and shown:
        return [one["name"], ", ".join(one["domains"]), "none", "the first one", "no", "", "", ""]
    serials = {each["serial"] for each in shown}
    days = f"{min(each['days'] for each in shown)} days" if shown else "nobody answers"
    same = "" if not disk or serials <= {disk["serial"]} else ", another one"
    trusted = "yes" if shown and all(each["trusted"] for each in shown) else next(
        (each["why"] for each in shown if not each["trusted"]), "")  # fmt: skip
    issuer = disk["issuer"] if disk else shown[0]["issuer"] if shown else ""
    return [one["name"], ", ".join(one["domains"]), f"{disk['days']} days" if disk else "none", days + same, trusted,
            one["revoked"] if one["revoked"] != "not told" else "", (one["renewed"] or "")[:10], issuer]  # fmt: skip


def _days(one: Mapping[str, Any]) -> list[float]:
    return [each["days"] for each in one["served"]] or ([one["disk"]["days"]] if one["disk"] else [])


def removed(ui: Ui, host: HostRecord) -> None:
    """certbot.revoke, certbot.delete."""
    if host.ok and "gone" in host.result:
        ui.say(f"{host.result['how']}d: {', '.join(host.result['gone'])}")


def proxied(ui: Ui, host: HostRecord) -> None:
    """deploy.proxy."""
    for one in host.result.get("sites", []) if host.ok else ():
        kind = "its certificate" if one["live"] else "a first one, until inv certbot.issue"
        ui.say(f"{one['site']}: {', '.join(one['domains'])}; nginx shows {kind}")
