"""Who writes stands still while it is copied, in one window: the steps before and after the copies. Either those who
write to the volumes that the host file says so of, or, for one point in time, every service but the databases."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.backup import services
from opslib.backup.manifest import Moment
from opslib.backup.others import writes
from opslib.backup.source import Snapshots
from opslib.backup.sqlite import SqliteFile
from opslib.backup.tree import NamedVolume
from opslib.compose.stack import Stack, look
from opslib.errors import Cancelled, HostLost, OpsError, Unhealthy
from opslib.run import watchdog
from opslib.run.record import now
from opslib.run.step import NotYet, Run, Step
from opslib.settings import kinds

if TYPE_CHECKING:
    from opslib.backup.source import Source
    from opslib.settings.model import Host

Memo = dict[str, Any]
_DONE = {"stop": "stopped", "pause": "paused"}
_KILLED = 137  # how a container ends whose grace period was over


@dataclass(frozen=True, slots=True)
class Writer:
    """A container that may write to volumes (their titles; none: to whatever there is), and what it does while they are
    copied: stop or pause."""

    container: str
    service: str
    how: str
    volumes: tuple[str, ...]


def wanted(host: Host) -> bool:
    """Whether the host file asks for a window at all."""
    return any(isinstance(one, kinds.Volume) and one.consistency != "live" for one in host.backup.sources)


def held(sources: Iterable[Source], *, consistent: bool = False) -> list[Source]:
    """The sources that are copied in the window: volumes, and the SQLite files in those whose writers are stopped.
    A writer that is only paused may hold a lock on its SQLite file for as long as it is paused. For one point in time
    it is all that has no snapshot; only a deploy writes the files of the project."""
    sources = list(sources)
    if consistent:
        return [one for one in sources if not isinstance(one, Snapshots) and one.kind != "project"]
    how = {one.volume: one.consistency for one in sources if isinstance(one, NamedVolume)}
    return [
        one
        for one in sources
        if (isinstance(one, NamedVolume) and one.consistency != "live")
        or (isinstance(one, SqliteFile) and one.volume and how.get(one.source) == "stop")
    ]


def writers(stack: Stack, volumes: Sequence[NamedVolume]) -> tuple[list[Writer], list[str]]:
    """The running containers of the project that may write to the volumes, and warnings about those that go on. One
    that has been paused before writes nothing, and stays as it is."""
    found: list[Writer] = []
    warnings: list[str] = []
    for one in stack.containers:
        mine = [volume for volume in volumes if writes(one, volume.volume)]
        if not mine or one.state not in ("running", "restarting"):
            continue
        how = "stop" if any(volume.consistency == "stop" for volume in mine) else "pause"
        titles = tuple(volume.title for volume in mine)
        if one.one_off:
            warnings.append(f"{', '.join(titles)}: container {one.name} goes on: it was made by docker compose run")
        elif how == "pause" and one.state == "restarting":
            warnings.append(f"{', '.join(titles)}: container {one.name} restarts again and again, and is not paused")
        else:
            found.append(Writer(one.name, one.service, how, titles))
    return found, warnings


def everyone(stack: Stack, engines: Collection[str]) -> tuple[list[Writer], list[str]]:
    """For one point in time: the running containers of the project but the `engines`, all to be stopped; and who may
    write all the same. A pause would not do: who is paused between two writes has done the one and not the other."""
    found: list[Writer] = []
    others: list[str] = []
    for one in stack.containers:
        if one.name in engines or not one.running:
            continue
        if one.one_off:
            others.append(f"container {one.name} goes on: it was made by docker compose run")
        elif one.state == "paused":
            others.append(f"container {one.name} was paused before, perhaps in the middle of something")
        else:
            found.append(Writer(one.name, one.service, "stop", ()))
    return found, others


def hold(facts: str) -> Step[Memo]:
    """Have the writers stand still. `facts` is where the run keeps what the backup works on."""

    def looking(run: Run) -> Memo | None:
        if facts not in run.facts:
            raise NotYet("which containers write to the volumes")
        work = run.facts[facts]
        volumes = [one for one in held(work.found.sources) if isinstance(one, NamedVolume)]
        if work.consistent:
            found, warnings = everyone(look(run.target, work.project), work.found.engines)
            going = [*work.found.outside, *warnings]
            run.facts |= {"went on": going, "engines": work.found.engines, "still at": now()}
        elif volumes:
            found, warnings = writers(look(run.target, work.project), volumes)
        else:
            return None
        for warning in warnings:
            run.note(warning, warning=True)
        work.found.warnings += warnings
        run.facts["held"], run.facts["project"] = found, work.project
        return _memo(run, work.project, found) if found else None

    def do(run: Run, memo: Memo) -> str:
        stack, tools = look(run.target, memo["project"]), run.facts[facts].tools
        run.facts["held since"] = services.hold(run, stack, tools, memo["stop"], memo["pause"])
        run.facts["still at"] = now()
        return _show(memo)

    return Step("backup.hold", looking, do, undo, show=_show)


def _memo(run: Run, project: str, found: Sequence[Writer]) -> Memo:
    titles = {how: sorted({title for one in found if one.how == how for title in one.volumes}) for how in _DONE}
    why = {how: titles[how] or ["one point in time"] for how in _DONE}
    names = {how: [one.container for one in found if one.how == how] for how in _DONE}
    return {"project": project, "run": run.id, **names, "for": why}


def _show(memo: Mapping[str, Any]) -> str:
    return "; ".join(f"{how} {', '.join(memo[how])} for {', '.join(memo['for'][how])}" for how in _DONE if memo[how])


def undo(run: Run, memo: Memo) -> None:
    """Let the writers go on, unless that has been done, by the backup itself or by its watchdog."""
    if watchdog.armed(run.target, memo["run"]):
        services.let_go(run.target, memo["run"], look(run.target, memo["project"]), memo["stop"], memo["pause"])


def release() -> Step[Memo]:
    """Let the writers go on, and see that they do. What does not come back is kept for `not_back`: the copies are
    good."""

    def looking(run: Run) -> Memo | None:
        found = run.facts.get("held")
        return {"containers": [one.container for one in found]} if found else None

    def do(run: Run, memo: Memo) -> str:
        found: list[Writer] = run.facts["held"]
        names = {how: [one.container for one in found if one.how == how] for how in _DONE}
        stack = look(run.target, run.facts["project"])
        if "went on" in run.facts:
            _stood(run, stack, names["stop"])
        try:
            seconds = _told(run, found, services.release(run.target, run.id, stack, names["stop"], names["pause"]))
            services.healthy(run.target, stack, memo["containers"])
        except (Cancelled, HostLost):
            raise
        except OpsError as error:
            services.start_anyway(run.target, stack, names["stop"], names["pause"])
            if "held" not in run.result:
                _told(run, found, time.monotonic())
            watchdog.disarm(run.target, run.id)
            run.result["not_back"] = {"what": error.what, "next": error.next}
            run.note(f"not everything came back after the copy: {error.what}", warning=True)
            return "not everything came back"
        return f"{len(found)} containers, after {seconds} s"

    return Step("backup.release", looking, do, show=lambda memo: ", ".join(memo["containers"]))


def _stood(run: Run, stack: Stack, stopped: Sequence[str]) -> None:
    """Note for the moment who had to be killed, and who was started by somebody before it was over."""
    killed = {one.service for one in stack.containers if one.name in stopped and one.exit_code == _KILLED}
    run.facts["killed"] = sorted(killed)
    again = everyone(stack, run.facts["engines"])[0]
    run.facts["went on"] += [f"container {one.container} was started meanwhile" for one in again]


def _told(run: Run, found: Sequence[Writer], ended: float) -> float:
    """Write into the record how long they stood still."""
    seconds: float = round(ended - run.facts["held since"], 1)
    run.result["held"] = [
        {"container": one.container, "service": one.service, "how": _DONE[one.how], "volumes": list(one.volumes),
         "seconds": seconds} for one in found
    ]  # fmt: skip
    return seconds


def moment(run: Run) -> Moment:
    """What the set says of its one point in time, once all have gone on."""
    stood = run.result.get("held", [])
    return Moment(
        at=run.facts["still at"], seconds=max((one["seconds"] for one in stood), default=0.0),
        stopped=tuple(sorted({one["service"] for one in stood})), killed=tuple(run.facts.get("killed", ())),
        went_on=tuple(run.facts["went on"]),
    )  # fmt: skip


def went_on(result: Mapping[str, Any]) -> OpsError | None:
    """The finding for a set that is not of one point in time, though it was to be."""
    moment = result.get("consistent") or {}
    if not moment.get("went_on"):
        return None
    return Unhealthy(f"not everything is of one point in time: {'; '.join(moment['went_on'])}",
                     left=f"the set {result['set']}, which is whole",
                     next="stop that for the time of the backup, and run it again")  # fmt: skip


def not_back(result: Mapping[str, Any], host: str) -> OpsError | None:
    """The error of a backup after which not every writer came back."""
    failed = result.get("not_back")
    if not failed:
        return None
    return OpsError(f"after the copy not every service came back: {failed['what']}", host=host,
                    left=f"the set {result['set']}, which is whole", next=failed["next"])  # fmt: skip
