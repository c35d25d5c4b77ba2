"""How the results of `inv env.…` look on a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opslib.run.record import HostRecord, Record
    from opslib.ui import Show, Ui

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


def differing(record: Record, *, every: bool) -> Show:
    """env.diff: below the last host one table of all, a row for each variable that differs, or for every one."""
    seen = [host for host in record.hosts if "keys" in host.result]

    def show(ui: Ui, host: HostRecord) -> Mapping[str, str]:
        if host is seen[-1]:
            _beside(ui, seen, every=every)
        return {"DIFFERS": str(sum(not one["same"] for one in host.result["keys"]))}

    return show


def _beside(ui: Ui, hosts: Sequence[HostRecord], *, every: bool) -> None:
    ui.of_all()
    headers, rows = ["VARIABLE"], dict[str, list[str]]()
    names = sorted({one["name"] for host in hosts for one in host.result["keys"]})
    for host in hosts:
        file, keys = host.result["file"], {one["name"]: one for one in host.result["keys"]}
        shown = [("here", f"{file} HERE"), ("there", f"{host.host}:{file}")]
        for column, header in [one for one in shown if host.result[one[0]] and one[1] not in headers]:
            headers.append(header)
            for name in names:
                rows.setdefault(name, []).append(_mark(keys[name][column] if name in keys else None))
        headers.append(f"{host.host} RUNS" if len(hosts) > 1 else "RUNS")
        for name in names:
            rows.setdefault(name, []).append(_running(keys[name]["running"] if name in keys else {}))
    shown_rows = [[name, *cells] for name, cells in rows.items() if every or _differs(cells)]
    if shown_rows:
        ui.table(headers, shown_rows)
    same = len(rows) - len(shown_rows)
    if same or not rows:
        ui.say(f"{same} variables are the same everywhere", "dim")


def _differs(cells: Sequence[str]) -> bool:
    """Whether a row is worth a look. What no container has says nothing."""
    return len({cell for cell in cells if cell}) > 1


def _mark(mark: str | None) -> str:
    return "not set" if mark is None else mark or "empty"


def _running(marks: Mapping[str, str]) -> str:
    """The mark that all services have, or each of theirs."""
    if len(set(marks.values())) == 1:
        return _mark(next(iter(marks.values())))
    return ", ".join(f"{service} {_mark(mark)}" for service, mark in marks.items())


def pushed(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """env.push."""
    result = host.result
    if host.ok:
        ui.say(f"{result['file']} on {host.host}: {_keys(result['keys'])}")
        if result["restarted"]:
            ui.say(f"release {result['release']}: restarted {', '.join(result['restarted'])}")
    return {"FILE": result["file"], "KEYS": _keys(result["keys"]), "RESTARTED": ", ".join(result["restarted"])}


def pulled(ui: Ui, host: HostRecord) -> None:
    """env.pull."""
    result = host.result
    ui.say(f"{result['file']} here: {_keys(result['keys'])}")
    if result["kept"]:
        ui.say(f"the one before it is {result['kept']}", "dim")


def _keys(keys: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{how}: {', '.join(names)}" for how, names in keys.items() if names) or "no variable differs"


def renewed(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """env.rotate."""
    result = host.result
    if host.ok:
        ui.say(f"{result['key']} is renewed in {result['file']}" + _of_users(result["users"]))
        if others := [name for name in result["variables"] if name != result["key"]]:
            ui.say(f"with it {', '.join(others)}")
        if result["restarted"]:
            ui.say(f"release {result['release']}: restarted {', '.join(result['restarted'])}")
        ui.say(f"the old value is kept: inv env.rotate {result['key']} --undo --host {host.host}", "dim")
    return {"KEY": result["key"], "OF": ", ".join(result["users"]), "RESTARTED": ", ".join(result["restarted"])}


def _of_users(users: Sequence[str]) -> str:
    return f", and is the password of {', '.join(users)}: the old one is refused" if users else ""
