"""A Swarm of one node, formed of a host."""

from __future__ import annotations

from typing import Any

from opslib.compose import swarm
from opslib.compose.engine import look_at_engine
from opslib.errors import BadSettings, CommandFailed, OpsError
from opslib.run.step import AnyStep, Run, Step, recoveries
from opslib.target.docker import docker

Memo = dict[str, Any]

ADDRESS = "127.0.0.1"
"""Who else is in a Swarm of one node? So nobody need reach it, and a new address of the machine breaks nothing."""


def steps(run: Run, address: str | None) -> list[AnyStep]:
    """Form a Swarm of the host alone, announced at `address` (None: its loopback), unless it leads one already.

    Raises OpsError where it is a worker of another, or its engine has `live-restore`; BadSettings where it leads one
    that is announced elsewhere than `address`.
    """
    look_at_engine(run.target)
    return [_form(address)]


def _form(address: str | None) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        seen, host = swarm.look(run.target, ""), run.host
        run.result.update(state=seen.state, nodes=list(seen.nodes), address=None)
        if seen.state == "active":
            _there(run, seen.manager, address)
            return None
        if seen.state != "inactive":
            raise OpsError(f"the machine's part in a Swarm is {seen.state}", host=host, left="everything",
                           next="docker info there; docker swarm unlock, or docker swarm leave --force")  # fmt: skip
        if seen.live_restore:
            raise OpsError(
                "`live-restore` is on in the engine's daemon.json, and with it there can be no Swarm", host=host,
                left="everything",
                next='take "live-restore" out of /etc/docker/daemon.json there, sudo systemctl reload docker, and run '
                "this again",
            )  # fmt: skip
        return {"address": address or ADDRESS}

    def do(run: Run, memo: Memo) -> str:
        at = memo["address"]
        try:
            run.target.run(docker(run.target.host, "swarm", "init", "--advertise-addr", at, "--listen-addr",
                                  f"{at}:2377", limit=120))  # fmt: skip
        except CommandFailed as error:
            said = (error.stderr.strip().splitlines() or [error.what])[-1]
            raise OpsError(
                f"the Swarm was not formed: {said}", host=run.host, next="choose another --address"
            ) from None
        seen = swarm.look(run.target, "")
        run.result.update(state=seen.state, nodes=list(seen.nodes), address=at)
        return _shown(memo)

    return Step("swarm", look, do, _leave, show=_shown)


def _there(run: Run, manager: bool, address: str | None) -> None:
    if not manager:
        raise OpsError("the machine is a worker of a Swarm already", host=run.host, left="everything",
                       next="docker swarm leave there, if nothing of it is needed")  # fmt: skip
    at = run.target.run(docker(run.target.host, "info", "--format", "{{.Swarm.NodeAddr}}")).text.strip()
    run.result.update(address=at)
    if address not in (None, at):
        raise BadSettings(f"the Swarm that is there is announced at {at}, and that cannot be changed", host=run.host,
                          left="everything", next="leave out --address")  # fmt: skip
    run.note(f"it leads a Swarm already: {len(run.result['nodes'])} node(s), announced at {at}")


def _leave(run: Run, memo: Memo) -> None:
    """It never was. Nothing can have been deployed to it by then."""
    run.target.run(docker(run.target.host, "swarm", "leave", "--force", limit=60), check=False)


def _shown(memo: Memo) -> str:
    return f"a Swarm of this node, announced at {memo['address']}"


RECOVERIES = recoveries(_form(None))
