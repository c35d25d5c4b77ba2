"""How a task ended, as a person reads it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from opslib.errors import Unhealthy
from opslib.ui.plain import redraws
from opslib.ui.text import clean, seconds

if TYPE_CHECKING:
    from opslib.run.record import HostRecord
    from opslib.ui import Ui


def error(host: HostRecord) -> None:
    """What happened, what was left as it was, and what to type next."""
    assert host.error is not None
    what, left, then = (clean(host.error[key] or "") for key in ("what", "left", "next"))
    red, plain = ("\x1b[1;31m", "\x1b[0m") if redraws(sys.stderr) and not os.environ.get("NO_COLOR") else ("", "")
    print(f"{red}{host.host}: {what}{plain}", file=sys.stderr)
    if left:
        print(f"  left as it was: {left}", file=sys.stderr)
    if then:
        print(f"  next: {then}", file=sys.stderr)
    sys.stderr.flush()


def plan(ui: Ui, host: HostRecord) -> None:
    """The steps that would be done."""
    steps = host.result["plan"]
    if not steps and host.error is None:
        ui.say("nothing to do")
    if steps:
        ui.table(["STEP", "WHAT IT WOULD DO"], [[step["step"], step["what"]] for step in steps])


def row(host: HostRecord) -> list[str]:
    """A line of the table of several hosts."""
    what = (host.error or {}).get("what") or ""
    how = "changed" if host.changed else "ok"
    if not host.ok:
        how = "findings" if host.code == Unhealthy.exit_code else "failed"
    return [host.host, how, seconds(host.seconds), what.split("\n")[0]]
