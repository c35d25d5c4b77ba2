"""How the results of `inv host.…` look on a screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opslib.findings import COSTS
from opslib.tasks._show_env import MARKS
from opslib.ui.text import age

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.ui import Show, Ui


def checked(*, several: bool) -> Show:
    """host.check: a line for each thing that was looked at, and below it what is wrong and what to do. Of several hosts
    only what is wrong."""

    def show(ui: Ui, host: HostRecord) -> Mapping[str, str]:
        rows, findings = host.result["looked_at"], host.result["findings"]
        width = max(len(row["name"]) for row in rows)
        for row in rows:
            wrong = [one for one in findings if one["rule"] == row["name"]]
            if wrong or not several:
                _row(ui, row, wrong, width)
        counts = Counter(one["cost"] for one in findings)
        told = ", ".join(f"{counts[cost]} {cost}" for cost in COSTS if counts[cost])
        texts = {row["name"]: row["text"] for row in rows}
        return {"SYSTEM": host.result["machine"]["name"], "DOCKER": texts["docker"].split(",")[0], "FOUND": told}

    return show


def _row(ui: Ui, row: Mapping[str, str], wrong: list[dict[str, Any]], width: int) -> None:
    mark, style = MARKS[wrong[0]["cost"]] if wrong else ("✓", "green")  # the worst comes first
    ui.say(f"{row['name'].ljust(width)}  {row['text']}", mark=f"{mark} ", mark_style=style)
    for one in wrong:
        if one["what"] != row["text"]:
            ui.say(f"{' ' * (width + 4)}{one['what']}  [{one['cost']}]")
        if one["fix"]:
            ui.say(f"{' ' * (width + 6)}{one['fix']}", "dim")


def listed(*, several: bool) -> Show:
    """host.list."""

    def show(ui: Ui, host: HostRecord) -> Mapping[str, str]:
        found = host.result
        if "address" not in found:
            return {}
        told = {
            "ADDRESS": found["address"] or "this machine",
            "BY WAY OF": ", ".join(found["jump"] or ()),
            "GROUPS": ", ".join(found["groups"]),
            "PROJECT": found["project"] or "",
            "SYSTEM": f"{found['system']}, {found['arch']}" if "system" in found else "",
            "UP": age(found["up"]) if "up" in found else "",
            "": "" if found.get("deployed", True) else "nothing deployed yet",
        }
        told = {name: text for name, text in told.items() if text}
        if not several:
            ui.table(["HOST", *told], [[host.host, *told.values()]])
        return told

    return show


def described(ui: Ui, host: HostRecord) -> None:
    """host.init."""
    found = host.result
    ui.say(f"{'written' if found['written'] else 'it would be written'}: {found['file']}",
           mark="✓ " if found["written"] else "  ", mark_style="green")  # fmt: skip
    for line in found["text"].splitlines():
        ui.say(f"  {line}", "dim")
    for note in found["notes"]:
        ui.say(note, mark="! ", mark_style="yellow")
    if found["written"]:
        ui.say(f"next: inv host.check --host {host.host}")


def host_keys(ui: Ui, host: HostRecord) -> None:
    """host.trust."""
    for key in host.result["keys"]:
        how = "is known" if key["known"] else f"written to {key['file']}" if "file" in key else "is not known"
        ui.say(f"{key['machine']}: {key['type']} key {key['fingerprint']} {how}")
