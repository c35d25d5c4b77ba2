"""How the results of `inv build…` look on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.ui.text import size

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.ui import Ui


def built(ui: Ui, host: HostRecord) -> None:
    """build."""
    rows = [
        [service, one["image"], size(one["bytes"]), size(one["before"]) if one["before"] is not None else ""]
        for service, one in host.result.get("images", {}).items()
    ]
    if rows:
        ui.table(["SERVICE", "IMAGE", "SIZE", "BEFORE"], rows, right=[2, 3])
    if host.result.get("version"):
        ui.say(f"version {host.result['version']}")


def weighed(ui: Ui, host: HostRecord) -> None:
    """build.sizes."""
    rows = [_row(one) for one in host.result["images"]]
    if not rows:
        return
    ui.table(["SERVICE", "IMAGE", "NOW", "RELEASED", "CHANGE", "LIMIT", "BASE"], rows, right=[2, 3, 4, 5])
    for one in host.result["images"]:
        for layer in one["layers"]:
            ui.say(f"{one['service']}: {size(layer['bytes'])} by {layer['instruction']}", "dim")


def _row(one: dict[str, Any]) -> list[str]:
    now, released, limit, base = one["bytes"], one["released"], one["limit"], one["base"]
    change = now - released if now is not None and released is not None else None
    return [
        one["service"],
        one["image"],
        size(now) if now is not None else "not there",
        size(released) if released is not None else "",
        "" if change is None else f"{'-' if change < 0 else '+'}{size(abs(change))}" if change else "none",
        size(limit) + (" !" if one["over"] else "") if limit is not None else "",
        "" if base is None else base["name"] + (f" {size(base['bytes'])}" if base["bytes"] is not None else ""),
    ]


def pushed(ui: Ui, host: HostRecord) -> None:
    """build.push."""
    rows = [[one["service"], one["image"], one["digest"] or ""] for one in host.result.get("pushed", [])]
    if rows:
        ui.table(["SERVICE", "PUSHED AS", "DIGEST"], rows)
