"""From what was typed to an exit code: no traceback for anything that a user can cause."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.exceptions import Exit

from opslib.errors import Cancelled, OpsError
from opslib.run.record import unforeseen
from opslib.settings.load import FLAGS, adopt
from opslib.tasks._call import Call
from opslib.tasks._signals import Signalling
from opslib.ui import Ui

if TYPE_CHECKING:
    from invoke.context import Context

    from opslib.run.record import Record
    from opslib.tasks._spec import Spec


def perform(c: Context, spec: Spec, given: dict[str, Any]) -> Record:
    """Run a task's body, show how it ended, and return the record; raises Exit with its code where that is not 0."""
    shared = ("host", "plan", "yes", "signal", "json", "debug")
    options = {name: given.pop(name) for name in shared if name in given}
    flags = {name: given.pop(name) for name in FLAGS if name in given}
    ui = Ui(json=options["json"], debug=options["debug"])
    settings = {name: text for name, text in flags.items() if text is not None}
    call = Call(spec, Path(c.config.opslib.root), ui, context=c, flags=settings, **options)
    signals = Signalling(call)
    try:
        adopt(call.root)
        signals.begin()
        if spec.needs != "nothing":
            _ = call.hosts  # every mistake in the settings is found before anything is done
        record = spec.body(call, **given)
    except OpsError as error:
        ui.trace(error)
        record = call.ended(error)
    except KeyboardInterrupt:
        record = call.ended(Cancelled("interrupted"))
    except Exit:
        raise
    except Exception as bug:
        ui.trace(bug)
        record = call.ended(unforeseen(bug))
    finally:
        ui.pause()
        call.connections.close()
    _say_again(record)
    ui.end(record, call.show)
    signals.end(record)
    if record.exit:
        raise Exit(code=record.exit)
    return record


def _say_again(record: Record) -> None:
    """What was interrupted and undone is begun again by what was typed."""
    typed = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    for host in record.hosts:
        if host.code == Cancelled.exit_code and host.error and host.error["left"] and not host.error["next"]:
            host.error["next"] = f"{typed}, when you are ready"
