"""How the results of `inv env.…` look on a screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.ui import Ui

MARKS = {
    "loses data": ("✗", "bold red"),
    "breaks": ("✗", "bold red"),
    "exposes": ("✗", "red"),
    "hardening": ("!", "yellow"),
}
_WAYS = {
    "generated": "generated", "taken": "as the example has them", "derived": "put together from others",
    "asked": "as you have said",
}  # fmt: skip


def made(ui: Ui, host: HostRecord) -> None:
    """env.init."""
    for one in host.result["files"]:
        ways = [f"{', '.join(one[way])} {told}" for way, told in _WAYS.items() if one[way]]
        if not ways and not one["unset"]:
            ui.say(f"{one['file']} has everything that {one['example']} has")
            continue
        ui.say(
            f"{one['file']} from {one['example']}:" if one["made"] else f"new in {one['file']}, from {one['example']}:"
        )
        for way in ways:
            ui.say(f"  {way}")
        if one["unset"]:
            ui.say(f"  {', '.join(one['unset'])}: nobody has said what, so empty", mark="! ", mark_style="yellow")


def found(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """env.check: a line for each finding, the worst first, and below it what to do."""
    findings = host.result.get("findings", [])
    for one in findings:
        mark, style = MARKS[one["cost"]]
        place = f"{one['file']}:{one['line']}" if one["line"] else one["file"]
        ui.say(f"{place}: {one['what']}", mark=f"{mark} ", mark_style=style)
        ui.say(f"    {one['fix']}", "dim")
    if not findings:
        ui.say(f"{', '.join(host.result.get('files', []))}: nothing to say", mark="✓ ", mark_style="green")
    return {"FINDINGS": str(len(findings))}
