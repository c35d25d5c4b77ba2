"""Which backup sets may go: those whose every artifact is in enough newer sets that are whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from opslib.backup.sets import SetInfo


def outdated(sets: Sequence[SetInfo], last: int, named: Collection[str] = ()) -> list[SetInfo]:
    """The sets (oldest first) that may be removed when `last` are to stay; those in `named` stay in any case.

    Counted is by artifact: a set of the databases alone never pushes out the last ones that hold the uploads. Only
    whole sets count, and only they are removed: what is broken is left for a person to look at. The safety copies of
    restores are counted apart.
    """
    gone: list[SetInfo] = []
    for safety in (False, True):
        newer: Counter[str] = Counter()
        for one in reversed([one for one in sets if one.whole and one.safety is safety]):
            files = [artifact.file for artifact in one.manifest.artifacts] if one.manifest else []
            if files and one.id not in named and all(newer[file] >= last for file in files):
                gone.append(one)
            newer.update(files)
    return sorted(gone, key=lambda one: one.id)
