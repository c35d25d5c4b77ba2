"""How the results of tasks look on a screen; with `--json` the same results are printed as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from opslib.ui.text import seconds

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.ui import Ui

SEVERITY = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "bold red")}


# -- deploy, migrate.…, releases, rollback, ps


def released(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """deploy, rollback. Of several hosts: what runs where."""
    result = host.result
    if "set" in result:
        ui.say(f"backup set {result['set']} was made first")
        for one in result["uncovered"]:
            ui.say(f"nothing backs up {one['what']}: {one['do']}", mark="! ", mark_style="yellow")
    if host.ok and host.changed:
        before = f", before it {result['previous']}" if result.get("previous") else ""
        ui.say(f"release {result['release']}{before}; {_switched(result)}")
    live = result.get("live", {})
    return {"RELEASE": live.get("release") or "", "STRATEGY": live.get("strategy") or "", "IS": live.get("state", "")}


def _switched(result: Mapping[str, Any]) -> str:
    ways = {name: one["how"] for name, one in result["strategy"]["services"].items()}
    beside = sorted(name for name, how in ways.items() if how == "beside")
    took = f"the switch took {seconds(result['gap_seconds'])}"
    if not beside:
        return took
    others = f"; of the rest {took}" if result["gap_seconds"] else ""
    return f"{', '.join(beside)}: new ones beside the old ones{others}"


def answered(ui: Ui, host: HostRecord) -> None:
    """deploy.promote, deploy.abort."""
    if host.ok:
        ui.say(f"{host.result['deploy']} {'goes on' if host.result['answer'] == 'promote' else 'goes back'}")


def migrated(ui: Ui, host: HostRecord) -> None:
    """migrate."""
    if "after" in host.result:
        before, after = (host.result[key] or "an unknown revision" for key in ("before", "after"))
        ui.say(f"the schema is at {after}" + (f", it was at {before}" if before != after else ""))


def schema(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """migrate.status."""
    found = host.result
    ui.say(f"the schema is at {found['revision'] or 'no revision'}")
    if found["recorded"] and found["recorded"] != found["revision"]:
        ui.say(f"the live release left it at {found['recorded']}", mark="! ", mark_style="yellow")
    if found["pending"] is not None:
        ui.say(f"pending: {', '.join(found['pending']) or 'nothing'}")
    return {
        "SCHEMA": found["revision"] or "",
        "PENDING": "" if found["pending"] is None else str(len(found["pending"])),
    }


def releases(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """releases."""
    if not host.result["releases"]:
        ui.say("nothing was deployed here yet")
        return {"RELEASE": "none"}
    rows = [
        [one["id"], "live" if one["current"] else one["outcome"], "" if one["adopted"] else one["strategy"],
         _commit(one), one["by"], _images(one["brought"]), _schema(one), _origin(one)]
        for one in host.result["releases"]
    ]  # fmt: skip
    ui.table(["RELEASE", "STATE", "STRATEGY", "COMMIT", "BY", "NEW IMAGES", "SCHEMA", ""], rows)
    live = next((one for one in host.result["releases"] if one["current"]), None)
    if live is None:
        return {"RELEASE": "none"}
    return {"RELEASE": live["id"], "STRATEGY": live["strategy"], "COMMIT": _commit(live), "BY": live["by"]}


def drift(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """releases --check."""
    found = host.result["drift"]
    if not found:
        ui.say(f"{host.host} is as release {host.result['release']} was", mark="✓ ", mark_style="green")
    else:
        ui.table(["WHAT", "NAME", ""], [[one["kind"], one["name"], one["what"]] for one in found])
    return {"DIFFERS": str(len(found))}


def release(ui: Ui, host: HostRecord) -> None:
    """releases --show."""
    one = host.result["release"]
    facts = {
        "release": f"{one['id']}, {one['outcome']}", "made": f"{one['at']} by {one['by']}", "commit": _commit(one),
        "strategy": one["strategy"], "what": _origin(one), "schema": _schema(one) or one["revision"] or "",
        "backup": f"{one['backup']}, the data before it" if one["backup"] else "",
    }  # fmt: skip
    for name, text in facts.items():
        if text:
            ui.say(f"{name.ljust(8)} {text}")
    ui.table(["SERVICE", "IMAGE", "KEPT AS"], [[name, pin["name"], pin["tag"]] for name, pin in one["images"].items()])
    by_hand(ui, "to bring it back without opslib, on the server:", host.result["by_hand"])


def services(ui: Ui, host: HostRecord) -> None:
    """ps."""
    rows = [
        [
            one["service"],
            f"{one['state']}, {one['health']}" if one["health"] else one["state"],
            seconds(one["uptime"]) if one["uptime"] is not None else "",
            one["image"],
            " ".join(one["ports"]),
        ]
        for one in host.result["services"]
    ]
    if rows:
        ui.table(["SERVICE", "STATE", "UP", "IMAGE", "PORTS"], rows, right=[2])
    else:
        ui.say(f"nothing of {host.result['project']} is there")


def _commit(one: dict[str, Any]) -> str:
    return f"{(one['commit'] or '')[:12]}{' and changes' if one['dirty'] else ''}"


def _images(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _schema(one: dict[str, Any]) -> str:
    """What its migration made of the schema; nothing where there was none."""
    if not one["migration"]:
        return ""
    before, after = (one["migration"][key] or "unknown" for key in ("before", "after"))
    return after if before == after else f"{before} → {after}"


def _origin(one: dict[str, Any]) -> str:
    if one["adopted"]:
        return "what was running before opslib"
    if one["variables"]:
        return f"{'rotated' if one['rotated'] else 'env'}: {', '.join(one['variables'])}"
    return f"rollback to {one['restored']}" if one["restored"] else ""


# -- cron, signals


def cron_job(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """cron.install, cron.show, cron.remove."""
    found = host.result
    if not found["installed"]:
        ui.say(f"{host.host}: nothing in the crontab, and no timer of systemd")
        return {"TASKS": "none"}
    missed = "what is missed is caught up" if found["catch_up"] else "what is missed stays undone"
    by = "" if found["scheduler"] == "crontab" else f"by {found['scheduler']}, "
    ui.say(f"{host.host}: {by}output in {found['log']}, times in {found['zone']}, {missed}")
    for job in found["jobs"]:
        up_to = "up to " if job["unit"] else ""
        later = f", {up_to}{seconds(job['delay'])} later" if job["delay"] else ""
        soon = f"; next {job['next'].replace('T', ' ')}" if job["next"] else ""
        ui.say(f"  {job['task']}: {job['schedule']}{later}{soon}")
        ui.say(f"    {job['unit'] + ': ' if job['unit'] else ''}{job['line']}", "dim")
    coming = min((job["next"] for job in found["jobs"] if job["next"]), default="", key=datetime.fromisoformat)
    return {"TASKS": str(len(found["jobs"])), "NEXT": coming.replace("T", " ")}


def cron_there(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """The same with --there."""
    found = host.result
    row: Mapping[str, str] = {"TASKS": "none"}
    if "environment" in found:
        new = "new" if found["new_environment"] else "there already"
        ui.say(f"{host.host}: {found['there']}/{found['environment']}, {new}, with {found['python']}")
    for file in found.get("files", ()):
        ui.say(f"  new or changed: {file}")
    if "jobs" in found:
        row = cron_job(ui, host)
    elif not found["installed"]:
        ui.say(f"{host.host}: nothing is installed there")
    for folder in found.get("left", ()):
        ui.say(f"{host.host}: left there is {folder}, with opslib, tasks.py and .env; to remove it too, there:")
        ui.say(f"  {found['by_hand']}", "dim")
    return row


def caught_up(ui: Ui, host: HostRecord) -> None:
    """cron.catchup --plan."""
    for one in host.result["overdue"]:
        ui.say(f"{host.host}: {one['task']} was due at {one['due'].replace('T', ' ')} and did not begin")
    if not host.result["overdue"]:
        ui.say(f"{host.host}: nothing was missed")


def tried(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """signals.test."""
    for one in host.result["signals"]:
        mark, style = SEVERITY["ok" if one["ok"] else "error"]
        ui.say(f"{one['signal']}: {one['why'] or 'sent'}", mark=f"{mark} ", mark_style=style)
    sent = sum(one["ok"] for one in host.result["signals"])
    return {"SENT": f"{sent} of {len(host.result['signals'])}"}


def provisioned(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """host.provision."""
    found = host.result
    if host.ok and not found["todo"]:
        ui.say(f"{host.host}: {found['system']}, all as its file wants it", mark="✓ ", mark_style="green")
    return {"DONE": ", ".join(found.get("done", ()))}


def by_hand(ui: Ui, title: str, commands: Sequence[str]) -> None:
    """Commands to type, under a title; nothing where there are none."""
    if commands:
        ui.say(f"\n{title}")
        for command in commands:
            ui.say(f"  {command}", "dim")
