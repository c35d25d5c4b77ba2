"""What of the running stack is protected: what a backup makes of each mount and each database, the newest whole set
that holds it, in which places that is, and the newest drill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from opslib.backup.manifest import KINDS, Kind, stem
from opslib.backup.offsite.look import in_stores, where_each_is
from opslib.backup.retention import made_at, moment
from opslib.backup.sets import SetInfo, list_sets
from opslib.errors import Unhealthy
from opslib.settings.schedule import turn_before
from opslib.state import journal

if TYPE_CHECKING:
    from opslib.backup.found import Decision, Found
    from opslib.run.step import Run
    from opslib.settings.model import ScheduledTask
    from opslib.target.base import Target

State = Literal["unprotected", "protected", "excluded", "empty", "no data"]
ORDER: tuple[State, ...] = ("unprotected", "protected", "excluded", "empty", "no data")
"""As they are shown: what needs a person first."""
TASKS: dict[Kind, str] = {"volume": "volumes"}
"""How the task of a kind is called in a schedule, where it is not called like the kind."""
TURNS = 2  # so often has the schedule come round without a new set: then what is there is too old


@dataclass(frozen=True, slots=True)
class Row:
    """One mount or database. `sources` are the titles of what copies it. `set` is the newest whole set that holds all
    of that, "" for none, `age` the seconds since it was made, `places` where it is whole, `drill` the seconds since all
    of that was last restored for a trial. `why` and `do` say what is to be said of the state, and what to do about it.
    """

    what: str
    services: tuple[str, ...]
    state: State
    sources: tuple[str, ...] = ()
    set: str = ""
    age: float | None = None
    why: str = ""
    do: str = ""
    places: tuple[str, ...] = ()
    drill: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For a record's result."""
        return {
            "what": self.what, "services": list(self.services), "state": self.state, "sources": list(self.sources),
            "set": self.set or None, "age": _whole(self.age), "places": list(self.places), "drill": _whole(self.drill),
            "why": self.why or None, "do": self.do or None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What is judged by: the sets, oldest first; by kind since when it is due; by stem when an artifact was last
    drilled; by its id where a set is whole."""

    host: str
    now: datetime
    sets: Sequence[SetInfo] = ()
    due: Mapping[Kind, datetime] = field(default_factory=dict)
    drills: Mapping[str, datetime] = field(default_factory=dict)
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def coverage(run: Run, here: Target | None = None) -> None:
    """Put into the run's result, as `coverage`, what is protected and what is not. `here` is this machine's engine, for
    the tools image. A store that cannot be asked is in the result, and no error.

    Raises Unhealthy where something that holds data is not protected, BadSettings as a backup does.
    """
    project, found = _look(run.target, here)
    sets = [one for one in list_sets(run.target) if one.manifest is not None and one.manifest.project == project]
    now = datetime.now(timezone.utc)
    due = due_by_kind(run.target.host.backup.schedule, now.astimezone())
    stores = in_stores(run)
    places = places_by_set(sets, {one.name: one.sets for one in stores if one.error is None})
    drilled = drills(journal.read_with(run.target, "drill"))
    rows = judge(found.decisions, Known(run.host, now, sets, due, drilled, places))
    bare = [one for one in rows if one.state == "unprotected"]
    run.result.update(
        project=project, coverage=[one.as_json() for one in rows], unprotected=len(bare),
        protected=sum(one.state == "protected" for one in rows), stores=[one.as_json() for one in stores],
    )  # fmt: skip
    if bare:
        named = ", ".join(one.what for one in bare[:5]) + (", …" if len(bare) > 5 else "")
        raise Unhealthy(f"{len(bare)} not protected: {named}", host=run.host, next=bare[0].do)


def _look(target: Target, here: Target | None) -> tuple[str, Found]:
    """The project's name, and what a backup would find of it."""
    from opslib.backup.sources import survey, survey_here
    from opslib.compose.engine import look_at_engine
    from opslib.compose.recognise import recognise_project
    from opslib.compose.stack import look
    from opslib.images.tools import ensure_tools

    host = target.host
    if host.is_local and not host.compose:
        return host.project or target.root.rsplit("/", 1)[-1], survey_here(target)
    look_at_engine(target)
    tools = ensure_tools(target, here)
    name = recognise_project(target, host)
    return name, survey(target, look(target, name), tools, KINDS)


# -- deciding


def due_by_kind(schedule: Mapping[ScheduledTask, str], now: datetime) -> dict[Kind, datetime]:
    """By kind the time since which a set of it must have been made: the task for all and its own one have come round
    `TURNS` times since, whichever does oftener. A kind that no task copies is not in it."""
    found: dict[Kind, datetime] = {}
    for kind in KINDS:
        times = [one for name, one in schedule.items() if name in ("all", TASKS.get(kind, kind))]
        turns = [turn for one in times if (turn := turn_before(one, now, TURNS)) is not None]
        if turns:
            found[kind] = max(turns)
    return found


def drills(entries: Sequence[Mapping[str, Any]]) -> dict[str, datetime]:
    """By stem when an artifact was last restored for a trial, of the journal's lines about drills, oldest first."""
    found = {}
    for entry in entries:
        if entry.get("ok") and isinstance(entry["drill"], dict):
            for file in entry["drill"].get("files", ()):
                found[stem(file)] = moment(entry["at"])
    return found


def places_by_set(here: Sequence[SetInfo], there: dict[str, list[SetInfo]]) -> dict[str, tuple[str, ...]]:
    """By its id the places in which a set is whole."""
    return {
        one["id"]: tuple(name for name, why in one["places"].items() if why is None)
        for one in where_each_is(here, there)
    }


def judge(decisions: Sequence[Decision], known: Known) -> list[Row]:
    """A row for each decision, what is not protected first. Only whole sets count, and no safety copies. A set that was
    made before its kind was due is too old."""
    newest = {artifact.stem: one for one in known.sets if one.whole and not one.safety and one.manifest
              for artifact in one.manifest.artifacts}  # fmt: skip
    rows = [_row(one, newest, known) for one in decisions]
    return sorted(rows, key=lambda one: ORDER.index(one.state))


def _row(one: Decision, newest: Mapping[str, SetInfo], known: Known) -> Row:
    if one.becomes == "refused":
        return Row(one.what, one.services, "unprotected", why=f"{one.why}: until then no set is made at all", do=one.do)
    if one.becomes == "uncovered":
        return Row(one.what, one.services, "unprotected", why=one.why, do=one.do)
    if one.becomes != "copied":
        return Row(one.what, one.services, one.becomes, why=one.why)
    titles, backup = tuple(each.title for each in one.sources), f"inv backup.all --host {known.host}"
    missing = [each.title for each in one.sources if each.stem not in newest]
    if one.empty and (missing or not one.sources):
        return Row(one.what, one.services, "empty", titles, why="it holds nothing")
    if missing:
        why = "it is in no set yet" if len(missing) == len(titles) else f"{', '.join(missing)}: in no set yet"
        return Row(one.what, one.services, "unprotected", titles, why=why, do=backup)
    held = {each.stem: newest[each.stem] for each in one.sources}
    oldest = min(held.values(), key=made_at)
    row = Row(
        one.what, one.services, "protected", titles, oldest.id, _since(made_at(oldest), known.now), one.why,
        places=_common([known.places.get(each.id, ()) for each in held.values()]),
        drill=_drilled(list(held), known),
    )  # fmt: skip
    if any(each.kind in known.due and made_at(held[each.stem]) < known.due[each.kind] for each in one.sources):
        why = f"`backup: schedule:` has come round {TURNS} times since its newest set"
        return replace(row, state="unprotected", why=why, do=backup)
    return row


def _common(places: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The places that have all of several sets."""
    return tuple(name for name in places[0] if all(name in other for other in places))


def _drilled(stems: Sequence[str], known: Known) -> float | None:
    """The seconds since all of it had been drilled; None where some of it never was."""
    if not all(each in known.drills for each in stems):
        return None
    return _since(min(known.drills[each] for each in stems), known.now)


def _since(then: datetime, now: datetime) -> float:
    return max(0.0, (now - then).total_seconds())


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
