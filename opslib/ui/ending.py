"""How a task ended, as a person reads it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from opslib.errors import Unhealthy
from opslib.ui.diff import diff
from opslib.ui.plain import redraws
from opslib.ui.text import clean, seconds

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.ui import Ui


def errors(hosts: Sequence[HostRecord]) -> None:
    """What went wrong on each of the hosts; what many of them say is said once."""
    same: dict[tuple[str, str, str], list[str]] = {}
    for host in hosts:
        if host.error is not None:
            what, left, then = (clean(host.error[key] or "") for key in ("what", "left", "next"))
            same.setdefault((what, left, then), []).append(host.host)
    for said, names in same.items():
        _error(", ".join(names), *said)


def _error(names: str, what: str, left: str, then: str) -> None:
    """What happened, what was left as it was, and what to type next."""
    red, plain = ("\x1b[1;31m", "\x1b[0m") if redraws(sys.stderr) and not os.environ.get("NO_COLOR") else ("", "")
    print(f"{red}{names}: {what}{plain}", file=sys.stderr)
    if left:
        print(f"  left as it was: {left}", file=sys.stderr)
    if then:
        print(f"  next: {then}", file=sys.stderr)
    sys.stderr.flush()


def plan(ui: Ui, host: HostRecord) -> Mapping[str, str]:
    """The steps that would be done; of several hosts, which of them goes when."""
    steps = host.result["plan"]
    if not steps and host.error is None:
        ui.say("nothing to do")
    if "diff" in host.result:
        diff(ui, host.result["changes"], host.result["diff"], host.result["strategy"])
    if steps:
        ui.table(["STEP", "WHAT IT WOULD DO"], [[step["step"], step["what"]] for step in steps])
    return {"TURN": str(host.result["turn"])} if "turn" in host.result else {}


def hosts(ui: Ui, records: Sequence[HostRecord], columns: Mapping[str, Mapping[str, str]]) -> None:
    """The table of several hosts, a row for each: how it ended, what `columns` say of its result, how long it took and
    what went wrong."""
    names = list(dict.fromkeys(name for own in columns.values() for name in own))
    rows = []
    for host in records:
        what = (host.error or {}).get("what") or ""
        told = [columns.get(host.host, {}).get(name, "") for name in names]
        rows.append([host.host, _how(host), *told, seconds(host.seconds), what.split("\n")[0]])
    ui.table(["HOST", "RESULT", *names, "TIME", ""], rows, right=[2 + len(names)])


def _how(host: HostRecord) -> str:
    if host.ok:
        return "changed" if host.changed else "ok"
    return "findings" if host.code == Unhealthy.exit_code else "failed"
