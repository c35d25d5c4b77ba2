"""What `inv host.trust` and `inv host.init` ask, and what the second writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.tasks._call import Call


def known_keys(call: Call, host: Host) -> list[dict[str, Any]]:
    """The host keys on the way to the host, and its own, each shown and asked about where it is not known; with --plan
    only the first such. Raises CannotConnect, NeedsYes."""
    from opslib.host import trust
    from opslib.target.ssh_config import of_host

    keys: list[dict[str, Any]] = []
    while True:  # the first unknown machine on the way, then the next one
        key = trust.inspect(of_host(host), host_name=host.name, prompt=call.prompt)
        entry = {"machine": key.machine, "type": key.key_type, "fingerprint": key.fingerprint, "known": key.known}
        keys.append(entry)
        if key.known or (call.plan and not key.changed):
            return keys
        if not key.changed:
            which = f"{'the hop ' if key.hop else ''}{key.machine}"
            call.confirm(f"{which} shows the {key.key_type} key\n  {key.fingerprint}\nIs it the right one?")
        entry["file"] = str(trust.trust(key))


def new_host(call: Call, name: str, address: str, jump: str | None) -> tuple[bool, dict[str, Any]]:
    """Look at the machine and write the host's file. Raises BadSettings, CannotConnect, NeedsYes."""
    from opslib.errors import BadSettings
    from opslib.host import describe
    from opslib.settings import units
    from opslib.settings.model import Host

    if not name:
        raise BadSettings("host.init needs a name", left="everything", next="inv host.init prod --address user@name")
    path = describe.free_name(call.root, name)
    try:
        at, hops = units.address(address), None if jump is None else units.hops(jump)
    except ValueError as error:
        raise BadSettings(f"--address {address!r} --jump {jump!r}: {error}", left="everything") from None
    host = Host(name=name, path=".", address=at, jump=hops)
    keys = known_keys(call, host)
    if not keys[-1]["known"]:  # a plan, for which nothing is written
        raise BadSettings(f"{keys[-1]['machine']} is not known yet, so a plan cannot look at it", left="everything",
                          next=f"inv host.init {name} …, without --plan")  # fmt: skip
    found = describe.describe(host, call.connections.open, call.root.name)
    if not call.plan:
        describe.write(path, found.text)
    return not call.plan, {
        "file": f"hosts/{name}.yml", "written": not call.plan, "text": found.text, "system": found.system,
        "docker": found.docker, "project": found.project, "notes": list(found.notes), "keys": keys,
    }  # fmt: skip
