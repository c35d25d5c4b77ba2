"""How the results of `inv scan…` look on a screen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opslib.tasks._show_env import MARKS
from opslib.ui.text import age, size

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.ui import Ui

_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "dim", "unknown": "dim"}
_SHOWN = 40  # lines of vulnerabilities; all of them are in the reports


def scanned(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """scan."""
    result = host.result
    if "images" not in result:
        return {}
    ui.table(["IMAGE", "SERVICES", "SYSTEM", *map(str.upper, result["counts"])], _images(result),
             right=[3, 4, 5, 6, 7])  # fmt: skip
    told = [one for one in result["vulnerabilities"] if one["verdict"] == "fails"]
    for one in told[:_SHOWN]:
        vulnerability(ui, one)
    if len(told) > _SHOWN:
        ui.say(f"and {len(told) - _SHOWN} more of them", "dim")
    for one in result["findings"]:
        finding(ui, one)
    ui.say(_others(result))
    ui.say(f"{_scanner(result['scanner'])}; the reports are in {result['folder']}", "dim")
    return {"FAIL IT": str(result["failing"]), "NOT SCANNED": str(result["failed"] or "")}


def _images(result: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for one in result["images"]:
        counts = [str(count) for count in one["counts"].values()] if one["counts"] else ["not scanned", "", "", "", ""]
        system = one["os"] + (" (ended)" if one["ended"] else "")
        rows.append([one["image"], ", ".join(one["services"]), system, *counts])
    return rows


def vulnerability(ui: Ui, one: Mapping[str, Any]) -> None:
    """A line for what it is, and one for what to do."""
    what = f"{one['id']} {one['severity']}: {one['package']} {one['installed']} in {', '.join(one['images'])}"
    ui.say(what + (f": {one['title']}" if one["title"] else ""), mark="✗ ", mark_style=_STYLES[one["severity"]])
    known = f"known here since {one['first'][:10]}"
    fix = f"fixed in {one['fixed']}" if one["fixed"] else "no fix yet"
    ui.say(f"    {fix}; {known}", "dim")


def finding(ui: Ui, one: Mapping[str, Any]) -> None:
    """A secret, a mistake, a base that has ended, an entry that does nothing."""
    mark, style = MARKS[one["cost"]]
    place = f"{one['file']}:{one['line']}" if one["line"] else one["file"]
    ui.say(f"{place + ': ' if place else ''}{one['what']}", mark=f"{mark} ", mark_style=style)
    if one["fix"]:
        ui.say(f"    {one['fix']}", "dim")


def _others(result: Mapping[str, Any]) -> str:
    verdicts = [one["verdict"] for one in result["vulnerabilities"]]
    words = {"due": "fail later, when they are older", "no fix": "have no fix", "ignored": "are ignored",
             "minor": "are of a severity that fails nothing"}  # fmt: skip
    told = [f"{verdicts.count(verdict)} {text}" for verdict, text in words.items() if verdict in verdicts]
    failing, unknown = result["failing"], result["failed"]
    if unknown:
        told.append(f"of {unknown} {'image' if unknown == 1 else 'images'} nobody knows what is in them")
    if failing or not unknown:
        told.insert(0, f"{failing or 'nothing'} {'fail' if failing > 1 else 'fails'} the scan")
    return "; ".join(told)


def _scanner(scanner: Mapping[str, Any]) -> str:
    database = (
        f"its database is {since(scanner['database'])} old" if scanner["database"] else "its database's age unknown"
    )
    return f"{scanner['name']} {scanner['version']} on {scanner['on']}, {database}"


def since(stamp: str) -> str:
    """How long ago that was."""
    return age(max(0.0, time.time() - datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()))


def compared(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """scan.diff."""
    result = host.result
    if "new" not in result:
        return {}
    ui.say(f"scan {result['scan']}, {since(result['at'])} old, beside {result['since']}")
    for one in result["new"]:
        vulnerability(ui, one)
    counts = {word: str(len(result[word])) for word in ("new", "fixed", "still")}
    ui.say(f"{counts['new']} new, {counts['fixed']} fixed, {counts['still']} still there")
    return {word.upper(): count for word, count in counts.items()}


def paged(ui: Ui, host: HostRecord) -> None:
    """scan.report."""
    if "report" in host.result:
        ui.say(host.result["report"])


def configured(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """scan.config."""
    found = host.result.get("findings", [])
    for one in found:
        finding(ui, one)
    if host.ok and not found:
        ui.say("nothing to say", mark="✓ ", mark_style="green")
    return {"FINDINGS": str(len(found))}


def aged(ui: Ui, host: HostRecord) -> None:
    """scan.db."""
    result = host.result
    if "scanner" not in result:
        return
    if "bytes" in result:
        ui.say(f"{result['file']}: {size(result['bytes'])}")
    elif "file" in result:
        ui.say(f"loaded {result['file']}")
    ui.say(_scanner({**result, "name": result["scanner"]}))
