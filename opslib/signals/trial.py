"""Each signal of a host, tried while somebody looks: an alarm that was never heard is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opslib.command import Secret
from opslib.errors import BadSettings, OpsError, Unhealthy
from opslib.run.record import Record, failed
from opslib.settings.model import Host
from opslib.signals import files, metrics
from opslib.signals.notify import notify, service
from opslib.signals.ping import ping

_TEXT = "This is a trial of opslib's signals. Nothing has happened."


def attempt(root: Path, host: Host) -> dict[str, Any]:
    """Send each signal in a way that alarms nobody: a ping as a mere log entry, a notification that says it is a trial,
    the metrics as they are. What became of each. Raises BadSettings where the host has no signals."""
    signals = host.backup.signals
    tried = [(f"ping {name}", ping(url, "log", _TEXT)) for name, url in signals.ping.items()]
    tried += [(f"notify {service(url)}", _notify(url, host.name)) for url in signals.notify]
    if signals.metrics is not None:
        tried.append(("metrics", _write(signals.metrics, root, host.name)))
    if not tried:
        raise BadSettings("the host file names no `backup: signals:`", host=host.name, left="everything")
    return {"signals": [{"signal": name, "ok": not why, "why": why or None} for name, why in tried]}


def judge(record: Record) -> None:
    """Turn what failed into findings (exit 3)."""
    for host in record.hosts:
        wrong = [one["signal"] for one in host.result.get("signals", ()) if not one["ok"]]
        if wrong:
            what = f"nobody would hear of a failure by {', '.join(wrong)}"
            failed(host, Unhealthy(what, next=f"mend that, and try again: inv signals.test --host {host.host}"))


def _notify(url: Secret, host: str) -> str:
    try:
        failed = notify([url], "trial", f"opslib: a trial for {host}", _TEXT)
    except OpsError as error:
        return f"{error.what}: {error.next}"
    return (
        "apprise could not send it; `apprise -vv -b trial -c FILE` says why, FILE holding the address" if failed else ""
    )


def _write(folder: str, root: Path, host: str) -> str:
    try:
        with files.remembered(files.memory_file(root, host)) as (memory, _):
            text = metrics.render(memory, root.name, host)
        files.write(files.metrics_file(folder, root, host), text.encode(), mode=0o644)
    except OSError as error:
        return str(error)
    return ""
