"""How the results of tasks look on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.ui import Ui

_SEVERITY = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "bold red")}


def findings(ui: Ui, host: HostRecord) -> None:
    """host.check: a line for each thing that was looked at, and below it what to do."""
    width = max(len(finding["rule"]) for finding in host.result["findings"])
    for finding in host.result["findings"]:
        mark, style = _SEVERITY[finding["severity"]]
        ui.say(f"{finding['rule'].ljust(width)}  {finding['what']}", mark=f"{mark} ", mark_style=style)
        if finding["do"]:
            ui.say(f"{' ' * (width + 4)}{finding['do']}", "dim")


def host_keys(ui: Ui, host: HostRecord) -> None:
    """host.trust."""
    for key in host.result["keys"]:
        how = "is known" if key["known"] else f"written to {key['file']}" if "file" in key else "is not known"
        ui.say(f"{key['machine']}: {key['type']} key {key['fingerprint']} {how}")


def cron_job(ui: Ui, host: HostRecord) -> None:
    """cron.install, cron.show, cron.remove."""
    job = host.result
    if job["line"] is None:
        ui.say(f"{host.host}: nothing in the crontab")
        return
    ui.say(f"{host.host}: {job['schedule']}, output in {job['log']}")
    ui.say(f"  {job['line']}", "dim")
