"""A few new containers beside the old ones get a share of the requests and are watched; then the new version goes on to
take over, or goes back.

While it is watched the old version serves the rest, and nothing has been taken over: so the way back is that of a roll
in which all services change at once, for the watchdog too.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from opslib.compose.project import Project
from opslib.compose.stack import Stack, look
from opslib.deploy.strategies import answer, roll
from opslib.deploy.strategies.trial import Trial
from opslib.proxy import kinds
from opslib.run.step import Run

Memo = dict[str, Any]

NOT_CONTAINED = (
    "no container of the tools image can run there: if the server is started anew while the new version is watched, "
    "only the next run gives all requests to the old one again"
)


def planned(
    run: Run, project: Project, stack: Stack, services: Sequence[str], told: Mapping[str, Any] | None
) -> Memo | None:
    """What is tried of these services, of which the proxy is told as `told` says, and how; None where there are none,
    and it goes on as a roll. Asks the proxy."""
    deploy, proxy = run.target.host.deploy, kinds.of(run.target.host.deploy.proxy)
    if not services or proxy is None or told is None:
        run.note("nothing new is behind a proxy that runs, so nothing is tried first: as rolling", warning=True)
        return None
    counting = proxy.counting(run.target, project, stack)
    if not counting.files:
        run.note(f"{told['name']} cannot count answers, so health alone is watched{_why(counting.without)}",
                 warning=True)  # fmt: skip
    elif counting.without:
        run.note(f"of some requests no answers are counted{_why(counting.without)}", warning=True)
    few = {name: few_of(project.services[name].replicas, deploy.weight) for name in services}
    return {"weight": deploy.weight, "seconds": deploy.hold, "few": few, "files": dict(counting.files)}


def few_of(replicas: int, weight: int) -> int:
    """How many containers the share of requests, in percent, needs."""
    return max(1, math.ceil(replicas * weight / 100))


def _why(without: Sequence[str]) -> str:
    return f": its access_log leaves out {', '.join(without)} (docs/deploy.md, canary)" if without else ""


def show(memo: Memo) -> str:
    """For the plan."""
    few = " and ".join(f"{number} of {name}" for name, number in memo["few"].items())
    watched = "health, and 5xx and latency against the old" if memo["files"] else "health alone"
    return f"first {few} get {memo['weight']} % of the requests for {memo['seconds']:.0f} s, watched for {watched}"


def tried(run: Run, project: Project, state: Mapping[str, Any], memo: Memo) -> None:
    """Start the few beside the old ones of the roll `state`, give them their share, and watch. Returns when it goes on;
    raises OpsError, with figures, when it goes back."""
    old, names = state["old"], roll.in_order(project, memo["few"])
    services = {
        name: dataclasses.replace(one, replicas=memo["few"].get(name, one.replicas))
        for name, one in project.services.items()
    }
    few = dataclasses.replace(project, services=services)
    roll.beside(run, few, names, old)
    trial = Trial(run, few, state, memo, look(run.target, project.name))
    trial.mix()
    answer.listen(run)
    trial.watch()
    answer.deaf(run.target)
