"""Which backup sets stay: counted by artifact, over whole sets alone, with the rule that keeps each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opslib.backup.sets import SetInfo
    from opslib.settings.keep import Keep

# Periods are UTC's: an hour or a day that a change of clocks repeats or leaves out is none of them. Weeks are ISO's.
PERIODS = {"hourly": "%Y-%m-%dT%H", "daily": "%Y-%m-%d", "weekly": "%G-W%V", "monthly": "%Y-%m", "yearly": "%Y"}
"""By rule, how a set's time names the period that it stands for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a set, and why, as a person reads it."""

    set: SetInfo
    keep: bool
    why: str

    def as_json(self) -> dict[str, object]:
        """For a record's result."""
        return {"set": self.set.id, "folder": self.set.folder, "keep": self.keep, "why": self.why}


def verdicts(sets: Sequence[SetInfo], keep: Keep, named: Mapping[str, str] | None = None) -> list[Verdict]:
    """What becomes of each set, oldest first. `sets` are oldest first; `named` says by id why a set stays whatever the
    rules say.

    Each rule is applied to each artifact apart: a set of the databases alone never pushes out the last ones that hold
    the uploads. Only whole sets count, and only they are removed: what is broken is left for a person to look at. The
    safety copies of restores are counted apart, by `last` alone. No rule looks at the clock: when backups stop, nothing
    goes.
    """
    kept = dict(named or {})
    for safety in (False, True):
        group = [one for one in reversed(sets) if one.whole and one.safety is safety]
        if group:
            kept.setdefault(group[0].id, "inv restore.undo goes back to it" if safety else "it is the newest")
        rules: Mapping[str, float] = {"last": keep.rules.get("last", keep.LAST)} if safety else keep.rules
        for having in _by_artifact(group):
            for rule, count in rules.items():
                for one, why in _kept(rule, count, having):
                    kept.setdefault(one.id, why)
    return [_verdict(one, kept) for one in sets]


def _verdict(one: SetInfo, kept: Mapping[str, str]) -> Verdict:
    if not one.whole:
        return Verdict(one, True, f"it does not count, and is left for you to look at: {one.wrong or one.damaged}")
    if not one.manifest or not one.manifest.artifacts:
        return Verdict(one, True, "there is nothing in it")
    return Verdict(one, one.id in kept, kept.get(one.id, "no rule keeps it"))


def _by_artifact(newest_first: Sequence[SetInfo]) -> Iterator[list[SetInfo]]:
    """For each artifact, the sets that have it."""
    having: dict[str, list[SetInfo]] = {}
    for one in newest_first:
        for artifact in one.manifest.artifacts if one.manifest else ():
            having.setdefault(artifact.stem, []).append(one)
    yield from having.values()


def _kept(rule: str, count: float, having: Sequence[SetInfo]) -> Iterator[tuple[SetInfo, str]]:
    """The sets that a rule keeps of those that have an artifact, newest first: `count` sets, or the newest of each of
    the last `count` periods that have any, or those made within `count` seconds of the newest."""
    if rule == "last":
        yield from ((one, f"one of the last {count:g}") for one in having[: int(count)])
    elif rule == "within":
        since = made_at(having[0]) - timedelta(seconds=count)
        yield from ((one, "made within the time that all stay") for one in having if made_at(one) >= since)
    else:
        newest: dict[str, SetInfo] = {}
        for one in having:
            newest.setdefault(made_at(one).strftime(PERIODS[rule]), one)
        for period in sorted(newest, reverse=True)[: int(count)]:
            yield newest[period], f"{rule}, the newest of {period}"


def made_at(one: SetInfo) -> datetime:
    """When it was made, as its manifest says."""
    assert one.manifest is not None
    return moment(one.manifest.created)


def moment(text: str) -> datetime:
    """A time as manifests and the journal have it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
