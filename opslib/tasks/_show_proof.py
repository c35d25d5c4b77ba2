"""How verifications, drills and coverage look on a screen; with `--json` the same results are printed as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opslib.tasks._show import SEVERITY
from opslib.tasks._show_backup import counted
from opslib.ui.text import age, seconds

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.ui import Ui

PROVES = {
    "manifest": "the manifest can be read, and every file is there with its length",
    "digest": "every file is what was written; what is in it was not read",
    "content": "every file is what was written, and can be read to its end",
}


def verified(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """backup.verify."""
    ui.say(f"set {host.result['set']}")
    if host.ok:
        ui.say(PROVES[host.result["depth"]])
    for one in host.result.get("artifacts", ()):
        mark, style = SEVERITY["ok" if one["ok"] else "error"]
        how = one["why"] or (f"digest and {one['content']}" if one["content"] else "digest")
        ui.say(f"{one['file']}: {how}", mark=f"{mark} ", mark_style=style)
    return {"SET": host.result["set"], "PROVEN": host.result["depth"] if host.ok else "no"}


def drilled(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """backup.drill."""
    result = host.result.get("drill", {})
    if not host.ok or "restored" not in result:
        return {"SET": result.get("set", "")}
    rows = [[one["title"], counted(one["counts"]) or "loaded, not counted", _compared(one["compared"]),
             f"{one['seconds']:.1f} s"] for one in result["restored"]]  # fmt: skip
    ui.table(["RESTORED", "COUNTED", "COMPARED BESIDE", "TIME"], rows, right=[3])
    for one in result["restored"]:
        if left := one["compared"]["left_out"]:
            more = f" and {len(left) - 5} more" if len(left) > 5 else ""
            ui.say(f"{one['title']}: only counted, without a hash: {', '.join(left[:5])}{more}", "dim")
    ui.say(f"the set {result['set']} can be restored; here that takes {result['seconds']:.0f} s")
    return {"SET": result["set"], "RESTORED IN": seconds(result["seconds"])}


def _compared(what: dict[str, Any]) -> str:
    contents = f"contents of {what['contents']}" if what["contents"] else ""
    definitions = "definitions" if what["definitions"] else ""
    return ", ".join(filter(None, (contents, definitions, "every byte" if what["bytes"] else "")))


def covered(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """backup.coverage: what is not protected stands first, and below the table why, and what to do about it."""
    if "coverage" not in host.result:
        return {}
    found, stores = host.result["coverage"], host.result["stores"]
    if not found:
        ui.say(f"nothing of project {host.result['project']} could hold data")
        return {}
    of = 1 + len(stores)
    rows = [
        [one["what"], " ".join(one["services"]), one["state"].replace("unprotected", "NOT PROTECTED"),
         age(one["age"]) if one["set"] else "", f"{len(one['places'])} of {of}" if one["set"] else "",
         _last_drill([one]) if one["set"] else "", _copied(one)]
        for one in found
    ]  # fmt: skip
    ui.table(["WHAT", "SERVICE", "STATE", "AGE", "PLACES", "DRILLED", "NEWEST SET"], rows, right=[3])
    for one in stores:
        if one["error"] is not None:
            ui.say(f"what is there is not known: {one['error']}", mark="! ", mark_style=SEVERITY["warning"][1])
    mark, style = SEVERITY["error"]
    bare = [one for one in found if one["state"] == "unprotected"]
    for why, do in dict.fromkeys((one["why"], one["do"]) for one in bare):
        named = ", ".join(one["what"] for one in bare if (one["why"], one["do"]) == (why, do))
        ui.say(f"{named}: {why}", mark=f"{mark} ", mark_style=style)
        if do:
            ui.say(f"  {do}", "dim")
    held = [one for one in found if one["set"]]
    weakest = {
        "AGE": age(max(one["age"] for one in held)),
        "PLACES": f"{min(len(one['places']) for one in held)} of {of}",
        "DRILLED": _last_drill(held),
    } if held else {}  # fmt: skip
    return {"PROTECTED": str(host.result["protected"]), "NOT": str(host.result["unprotected"]), **weakest}


def _last_drill(rows: Sequence[dict[str, Any]]) -> str:
    """How long ago all of it had been drilled."""
    if any(one["drill"] is None for one in rows):
        return "never"
    return f"{age(max(one['drill'] for one in rows))} ago"


def _copied(one: dict[str, Any]) -> str:
    """The set; the sources, where these are not called like what they copy; and what else is to be said."""
    kind, _, name = one["what"].partition(" ")
    own = one["sources"] in ([], [one["what"]], [f"files {name}" if kind == "folder" else ""])
    by = "" if own or not one["set"] else f"by {' and '.join(one['sources'])}"
    why = one["why"] if one["state"] != "unprotected" else ""
    return ", ".join(filter(None, (one["set"], by, why)))
