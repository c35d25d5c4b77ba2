"""The strategy of a deploy or a rollback as a part of its steps."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from opslib.compose.health import wait_healthy
from opslib.compose.project import Project
from opslib.compose.stack import Container, Stack, look
from opslib.deploy import switch
from opslib.deploy.strategies import canary, hold, roll
from opslib.deploy.strategies.choose import Split
from opslib.errors import BadSettings
from opslib.proxy import kinds, site_steps
from opslib.run import watchdog
from opslib.run.step import Run
from opslib.settings.model import Deploy, Strategy
from opslib.state.releases import Release
from opslib.target.base import Target

Memo = dict[str, Any]


def chosen(run: Run, given: Strategy | None, *, back: bool = False) -> Strategy:
    """The strategy: what was typed, else the host file's. A plan says which and why. The way `back` is not tried first:
    who takes it wants the old version for all."""
    strategy = given or run.target.host.deploy.strategy
    why = "as --strategy says" if given else "the default" if strategy == Deploy().strategy else "as the host file says"
    if back and strategy == "canary":
        strategy, why = "rolling", "as there is nothing to try on the way back"
    if run.plan:
        run.note(f"strategy {strategy}, {why}")
    return strategy


def check(run: Run, strategy: Strategy, project: Project, stack: Stack, recreate: Mapping[str, Sequence[str]]) -> None:
    """Refuse what the host file says of services that there are not, and a proxy that could not be told anything.
    Nothing is changed. Raises BadSettings, OpsError."""
    spec = run.target.host.deploy
    unknown = sorted(set(spec.single) - project.services.keys())
    if unknown:
        raise BadSettings(f"`deploy: single:` names {', '.join(unknown)}, and the compose files have no such service",
                          host=run.host, left="everything")  # fmt: skip
    proxy = kinds.of(spec.proxy)
    if proxy is None:
        if strategy in ("blue-green", "canary"):
            raise BadSettings(
                f"the strategy {strategy} needs a proxy that is told which of both serve", host=run.host,
                left="everything", next="`deploy: proxy:` in the host file, or --strategy rolling",
            )  # fmt: skip
        return
    proxy.check(project, run.host)
    site_steps.check(run.target, project)
    own = [word for word in recreate.get(proxy.spec.service, ()) if not word.startswith("depends on ")]
    if not own:  # one that is recreated may be what mends it
        proxy.refuse_broken(run.target, project, stack)


def early(orphans: Sequence[Container], ways: Split) -> list[Container]:
    """What is no longer wanted and goes before anything starts: all of it where nothing is doubled, else what has a
    port that somebody may need. The old version may still ask for the rest."""
    return [one for one in orphans if one.ports or not ways.doubled]


def looked(
    run: Run, strategy: Strategy, ways: Split, project: Project, stack: Stack, before: Memo,
    orphans: Sequence[Container],
) -> Memo | None:  # fmt: skip
    """The memo of a roll, `before` being the way back; None where there is nothing to double and no proxy to tell that
    containers were recreated."""
    proxy = kinds.of(run.target.host.deploy.proxy)
    if not ways.doubled and not (proxy and ways.stopped):
        return None
    ran = {one.service for one in stack.running}
    if not run.plan:
        stack = look(run.target, project.name)
        if proxy is not None:
            proxy.refuse_broken(run.target, project, stack)
    late = [one for one in orphans if one not in early(orphans, ways)]
    told = roll.memo(run.target, project, stack, list(ways.doubled), at_once=strategy == "blue-green")
    behind = proxy.spec.upstreams if proxy and told["proxy"] else {}
    share = [name for name in ways.doubled if name in behind]
    tries = strategy == "canary" and ways.doubled
    tried = canary.planned(run, project, stack, share, told["proxy"]) if tries else None
    told["at once"] = told["at once"] or tried is not None
    return {
        **before, "roll": told, "why": dict(ways.doubled),
        "new": {name: project.services[name].replicas for name in ways.doubled},
        "by name": sorted(name for name in ways.doubled if name not in behind),
        "hold": run.target.host.deploy.hold if strategy == "blue-green" and share else 0,
        "canary": tried,
        # Something new may only be content when what it asks for is new too.
        "first": sorted(one for one in ways.stopped if one in ran or not _needs(project, one) & ways.doubled.keys()),
        "remove": sorted({one.service for one in late}),
    }  # fmt: skip


def _needs(project: Project, service: str) -> set[str]:
    """What the service depends on, as deep as it goes."""
    found: set[str] = set()
    todo = [service]
    while todo:
        new = [on for on in project.services[todo.pop()].depends_on if on in project.services and on not in found]
        found.update(new)
        todo += new
    return found


def rolled(run: Run, memo: Memo, orphans: Sequence[Container], tools: str | None, here: Target | None = None) -> float:
    """Do it, when those that were stopped first are healthy. Returns the seconds for which these were waited for. The
    tools image, where it is needed and is not there, may come from `here`."""
    target, began = run.target, time.monotonic()
    project = switch.released(target, memo["project"], run.id)
    if memo["first"]:
        deploy = target.host.deploy
        checks = switch.checks(target.host, dict.fromkeys(memo["first"]))
        wait_healthy(
            target, project, memo["first"], checks=checks, stable=deploy.stable,
            timeout=switch.patience(deploy, project),
        )  # fmt: skip
    gap = time.monotonic() - began if memo["first"] else 0.0
    keep, tries = bool(memo["hold"]), memo["canary"]
    if keep or tries:
        tools = hold.tools_for(run, here)
    contained = roll.arm(run, project.name, memo["roll"], tools)
    if keep and not contained:
        run.note(hold.NOT_KEPT, warning=True)
    if tries and not contained:
        run.note(canary.NOT_CONTAINED, warning=True)
    roll.begin(run, project, memo["roll"])
    if tries:
        canary.tried(run, project, memo["roll"], tries)
    roll.forward(run, project, memo["roll"], keep=keep and contained)
    if keep and contained and tools is not None:
        hold.begin(run, memo["roll"], tools)
    late = [one for one in orphans if one.service in memo["remove"]]
    if late:
        switch.remove(target, late)
    if not hold.begun(run):
        watchdog.disarm(target, run.id)
    return gap


def show(memo: Memo) -> str:
    """What is doubled, why, and what holds meanwhile."""
    behind = memo["roll"]["proxy"]
    words = []
    for name, why in memo["why"].items():
        words.append(f"{name} ({'; '.join(why)}): {memo['new'][name]} beside {len(memo['roll']['old'][name])}")
    if memo["by name"]:
        names = ", ".join(memo["by name"])
        words.append(
            f"no proxy is told of {names}: Docker's name server gives a new container from its start, "
            "before it is healthy"
        )
    if memo["canary"]:
        words.append(canary.show(memo["canary"]))
    if behind:
        words.append(f"{behind['name']} is told" + (" of all at once" if memo["roll"]["at once"] else ""))
    if memo["hold"]:
        words.append(f"the old ones behind it stay for {memo['hold']:.0f} s")
    return ", ".join(words + [f"remove {name}" for name in memo["remove"]])


def stop_first(ways: Split, name: str, why: Sequence[str]) -> str:
    """How a service is recreated, in words."""
    reason = ways.stopped.get(name, "")
    return f"recreate {name} ({'; '.join(why)})" + (f", the old one stops first: {reason}" if reason else "")


def gap(strategy: Strategy, stack: Stack, services: Sequence[str], last: Release | None) -> str:
    """How long what is recreated does not serve, as far as that can be told beforehand: as long as with the last
    release of the same strategy, or from the stop of what runs until it is healthy."""
    if last is not None and last.gap and last.strategy == strategy:
        return f"; the last switch took {last.gap:.0f} s"
    stops = [one.stop_timeout for name in services for one in stack.service(name) if one.running]
    if not stops:
        return ""
    return f"; nothing answers there from its stop, which takes {max(stops)} s at most, until it is healthy again"
