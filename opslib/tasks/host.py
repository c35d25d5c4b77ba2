"""`inv host.…`: the machines themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.settings.model import Host
    from opslib.tasks._call import Call


@task("host.check", needs="nothing")
def check(call: Call) -> Record:
    """Has the host what opslib needs? Are services healthy?

    Exits with 3 when something is missing or not healthy.
    """
    from opslib.host.check import check
    from opslib.tasks._show import findings

    return call.look(check, show=findings)


@task("host.provision", changes=True, needs="nothing")
def provision(call: Call) -> Record:
    """Make a bare server ready: Docker, firewall, sshd."""
    from opslib.errors import NeedsYes
    from opslib.host.provision.work import Provisioning
    from opslib.tasks._show import provisioned

    made: dict[str, Provisioning] = {}

    def as_login(host: Host) -> Host:
        made[host.name] = Provisioning(call.root, host, call.prompt, plan=call.plan)
        return made[host.name].as_login

    call.adapt = as_login
    seen = call.look(lambda run: made[run.host].look(run), show=provisioned)
    if call.plan or not any(one.changes or one.interrupted for one in made.values()):
        return seen
    for name, one in made.items():
        if one.stops and not (call.yes or call.ui.person.there):
            raise NeedsYes(f"{one.stops}; that needs --yes", host=name, left="everything",
                           next="look at it with --plan, then run it with --yes")  # fmt: skip
        if one.stops:
            call.confirm(f"{name}: {one.stops}. Go on?")
        one.agreed = bool(one.stops) or call.yes
    return call.carry_out(lambda run: made[run.host].steps(run), show=provisioned, onward=True)


@task(
    "host.swarm",
    changes=True,
    needs="nothing",
    help={"address": "Where it is announced, for nodes that join later; default: the loopback, where none can"},
)
def swarm(call: Call, address: str | None = None) -> Record:
    """Make the host a Swarm of one node.

    Where it leads one already nothing is done.
    """
    from opslib.host.swarm import steps

    return call.carry_out(lambda run: steps(run, address))


@task("host.trust", options=("plan", "yes"), needs="nothing")
def trust(call: Call) -> Record:
    """Show a new server's key, ask, and remember it."""
    from opslib.tasks._show import host_keys

    return call.here(lambda name: _trust(call, name), show=host_keys)


def _trust(call: Call, name: str) -> tuple[bool, dict[str, Any]]:
    from opslib.errors import BadSettings
    from opslib.host import trust
    from opslib.target.ssh_config import resolve

    host = call.settings(name)
    if host.address is None:
        if len(call.names) > 1:  # among others, as in @all, it needs none
            return False, {"keys": []}
        raise BadSettings(f"{name} is this machine: it has no host key to trust", left="everything")
    keys: list[dict[str, Any]] = []
    while True:  # the first unknown machine on the way, then the next one
        key = trust.inspect(resolve(str(host.address)), host_name=name, prompt=call.prompt)
        entry = {"machine": key.machine, "type": key.key_type, "fingerprint": key.fingerprint, "known": key.known}
        keys.append(entry)
        if key.known or (call.plan and not key.changed):
            return len(keys) > 1, {"keys": keys}
        if not key.changed:
            call.confirm(f"{key.machine} shows the {key.key_type} key\n  {key.fingerprint}\nIs it the right one?")
        entry["file"] = str(trust.trust(key))


TASKS = (check, provision, swarm, trust)
