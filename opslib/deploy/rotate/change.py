"""The one part of a rotation that has two sides: the password that the database has, and the one that services log in
with. Both change together, and go back together.

The intent with both values is on the server's disk before the database is told anything. Whoever comes after a kill
finds it, asks the database which of both it takes, and brings the old one back before the old containers: these would
not become healthy without it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from opslib.command import Secret
from opslib.compose.health import wait_healthy
from opslib.compose.project import Project
from opslib.compose.services import remove_created_command, up, up_command
from opslib.compose.stack import Container, Stack, look
from opslib.deploy import switch
from opslib.deploy.rotate.accounts import Account
from opslib.deploy.rotate.look import Rotation
from opslib.engines import passwords
from opslib.engines.find import look_inside
from opslib.engines.instance import Instance
from opslib.errors import OpsError
from opslib.run import watchdog
from opslib.run.step import Run, Step
from opslib.settings.model import Host
from opslib.state import rotated
from opslib.state.rotated import Intent

Memo = dict[str, Any]


def change_step(what: Rotation) -> Step[Memo]:
    """Tell the database, recreate what uses the variable, wait until all is healthy, and prove by logins that the new
    password is in force and the old one is not."""
    seen = what.seen

    def look(run: Run) -> Memo | None:
        before = switch.memo(seen.name, run.id, seen.previous, None, None)
        users = [[one.service, one.kind, one.user] for one in what.accounts]
        return {**before, "users": users, "services": list(seen.recreate), "remove": []}

    def do(run: Run, memo: Memo) -> str:
        began = time.monotonic()
        target, project = run.target, switch.released(run.target, seen.name, run.id)
        new = Secret(what.new)
        rotated.begin(target, Intent(run=run.id, key=what.key, old=what.old, new=what.new))
        for account, at, _ in _servers(run, seen.stack, memo["users"], (Secret(what.old), new)):
            passwords.put(target, at, account.user, new)
        watchdog.arm(run, _onward(target.host, project, memo["services"]), seen.tools)
        up(target, project, memo["services"], recreate=True, dependencies=False)
        switch.healthy(target, project, settled=target.host.deploy.stable)
        _prove(run, seen.name, memo["users"], Secret(what.old), new)
        watchdog.disarm(target, run.id)
        seen.gap = time.monotonic() - began
        return show(memo)

    return Step("rotate", look, do, back, switches=True, show=show)


def refuse_other(run: Run, what: Rotation) -> None:
    """Raises OpsError where a database does not take the old value: it could not be given back."""
    users = [(one.service, one.kind, one.user) for one in what.accounts]
    for account, at, address in _servers(run, what.seen.stack, users, (Secret(what.old),)):
        if not passwords.takes(run.target, at, account.user, Secret(what.old), address):
            raise OpsError(
                f"{account} is not let in with the {what.key} that {what.name} has", host=run.host, left="everything",
                next=f"give {what.key} the value that the database takes, then inv env.push --restart",
            )  # fmt: skip


def show(memo: Memo) -> str:
    """Whose password it is, and what is recreated."""
    users = ", ".join(str(Account(*one)) for one in memo["users"])
    return f"the password of {users}; recreate {', '.join(memo['services'])}"


def back(run: Run, memo: Memo) -> None:
    """The old password is in force again, then the containers of the release before are back and healthy; idempotent.

    Raises OpsError where the database takes neither of both, or services do not become healthy.
    """
    target = run.target
    wanted = rotated.intent(target)
    if wanted is None or wanted.run != memo["release"]:  # it had not begun
        return
    old, new = Secret(wanted.old), Secret(wanted.new)
    _databases_up(run, memo)
    for account, at, address in _servers(run, look(target, memo["project"]), memo["users"], (old, new)):
        if not (passwords.takes(target, at, account.user, old, address)
                and passwords.asks(target, at, account.user, address)):  # fmt: skip
            passwords.put(target, at, account.user, old)
    switch.back(run, memo)
    rotated.end(target)


def _databases_up(run: Run, memo: Memo) -> None:
    """A database that was about to be recreated runs."""
    target, stack = run.target, look(run.target, memo["project"])
    names = sorted({service for service, _, _ in memo["users"]})
    down = [name for name in names if not any(one.state == "running" for one in stack.service(name))]
    project = switch.previous(target, memo)
    if down:
        up(target, project, down, dependencies=False)
    deploy, checks = target.host.deploy, switch.checks(target.host, dict.fromkeys(names))
    wait_healthy(target, project, names, checks=checks, stable=deploy.stable, timeout=switch.patience(deploy, project))


def _onward(host: Host, project: Project, services: Sequence[str]) -> str:
    """The watchdog's script: services get the password that the database has, whatever becomes of us."""
    created = remove_created_command(host, project.name).masked()
    again = f"{{ {created} && {up_command(host, project, services, dependencies=False).masked()}; }}"
    return f"set -u\n{again} || {{ sleep 2; {again}; }}\n"


def _servers(
    run: Run, stack: Stack, users: Sequence[Sequence[str]], known: Sequence[Secret]
) -> Iterator[tuple[Account, Instance, str]]:
    """Each user with the server that it is of, logged in with one of these passwords or the container's own, and the
    address under which others reach it. Raises OpsError where that cannot be."""
    inside = {one.container.service: one for one in look_inside(run.target, stack)}
    for service, kind, user in users:
        seen = inside.get(service)
        if seen is None or seen.instance is None:
            raise OpsError(f"the {kind} server in service {service} cannot be asked: it does not run, or its container "
                           "lacks its tools", host=run.host, left="its passwords as they are",
                           next=f"inv logs --service {service} --host {run.host}")  # fmt: skip
        at = passwords.admin(run.target, seen.instance, (*known, *seen.passwords))
        yield Account(service, kind, user), at, _address(seen.container)


def _address(container: Container) -> str:
    return next((address for address in container.networks.values() if address), "")


def _prove(run: Run, project: str, users: Sequence[Sequence[str]], old: Secret, new: Secret) -> None:
    """Raises OpsError where the new password is not taken, or the old one still is."""
    target, stack = run.target, look(run.target, project)
    for account, at, address in _servers(run, stack, users, (new, old)):
        if not passwords.asks(target, at, account.user, address):
            run.note(f"{account} is let in without a password: which one is in force cannot be proven", warning=True)
            continue
        if not passwords.takes(target, at, account.user, new, address):
            raise OpsError(f"{account} is not let in with the new password", host=run.host)
        if passwords.takes(target, at, account.user, old, address):
            raise OpsError(f"{account} is still let in with the old password", host=run.host)
