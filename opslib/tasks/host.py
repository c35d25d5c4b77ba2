"""`inv host.…`: the machines themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.run.record import Record
    from opslib.settings.model import Host
    from opslib.tasks._call import Call


@task(
    "host.check",
    needs="nothing",
    help={
        "fail_on": "loses-data, breaks, exposes or hardening: exit with 3 from there on. Default: breaks",
    },
)
def check(call: Call, fail_on: str | None = None) -> Record:
    """Has the host what opslib needs? What else ails it?

    Services, machine, updates, ports and firewall, certificates, schedule, Docker and the stack, in one round trip.
    Exits with 3 when something is found.
    """
    from opslib.host.check import check
    from opslib.tasks._lint import failing
    from opslib.tasks._show_host import checked

    cost = failing(fail_on)
    return call.glance(lambda run: check(run, cost), show=checked(several=len(call.names) > 1))


@task("host.list", needs="nothing", within="list")
def list_(call: Call) -> Record:
    """List the hosts: what they are, which are reached.

    Without --host every one that has a file.
    """
    from opslib.host.listing import described, look
    from opslib.settings.load import known_hosts_names
    from opslib.tasks._show_host import listed

    if call.host is None and known_hosts_names(call.root) != ["local"]:
        call.host = "@all"
    record = call.glance(look, show=listed(several=len(call.names) > 1))
    usable = {host.name: host for host in call.hosts}
    for entry in record.hosts:
        entry.result = {**(described(usable[entry.host]) if entry.host in usable else {}), **entry.result}
    return record


@task("host.run", needs="nothing")
def run(call: Call) -> Record:
    """Run a command on the hosts: `-- CMD` at the end.

    Each word arrives as it was typed and no shell reads it; for one, `-- bash -c '…'`. The exit code is the command's
    own.
    """
    import sys

    from opslib.host.run import run_there, typed

    argv = typed(sys.argv)
    call.ui.raw = True
    return call.glance(lambda run: run_there(run, argv, apart=call.json))


@task(
    "host.init",
    options=("plan", "yes"),
    needs="nothing",
    positional=("name",),
    help={
        "name": "What the host will be called: hosts/NAME.yml",
        "address": "user@name:port, or an alias of ssh_config. Default: the name",
        "jump": "The machines to pass on the way there, as for ssh -J. Default: as ssh_config says",
    },
)
def init(call: Call, name: str | None = None, address: str | None = None, jump: str | None = None) -> Record:
    """Write a host's file from what the machine has.

    A file that is there is never overwritten.
    """
    from opslib.tasks._host_init import new_host
    from opslib.tasks._show_host import described

    name = name or call.host or ""
    return call.here(lambda one: new_host(call, one, address or one, jump), names=[name], show=described)


@task("host.provision", changes=True, needs="nothing")
def provision(call: Call) -> Record:
    """Make a bare server ready: Docker, firewall, sshd."""
    from opslib.errors import NeedsYes
    from opslib.host.provision.wanted import advise
    from opslib.host.provision.work import Provisioning
    from opslib.tasks._show import provisioned

    made: dict[str, Provisioning] = {}

    def as_login(host: Host) -> Host:
        made[host.name] = Provisioning(call.root, host, call.prompt, plan=call.plan)
        return made[host.name].as_login

    call.adapt, call.advise = as_login, advise
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
    from opslib.tasks._show_host import host_keys

    return call.here(lambda name: _trust(call, name), show=host_keys)


def _trust(call: Call, name: str) -> tuple[bool, dict[str, Any]]:
    from opslib.errors import BadSettings
    from opslib.tasks._host_init import known_keys

    host = call.settings(name)
    if host.address is None:
        if len(call.names) > 1:  # among others, as in @all, it needs none
            return False, {"keys": []}
        raise BadSettings(f"{name} is this machine: it has no host key to trust", left="everything")
    keys = known_keys(call, host)
    return len(keys) > 1, {"keys": keys}


TASKS = (check, list_, run, init, provision, swarm, trust)
