"""What has become much smaller than it was: perhaps somebody lost it, and the old sets are all that is left of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opslib.backup.manifest import Artifact
    from opslib.backup.sets import SetInfo

NOISE = 256 * 1024  # bytes that an artifact may lose whatever its size: a small one is soon half as large


@dataclass(frozen=True, slots=True)
class Shrunk:
    """An artifact of the newest set that has it, with the bytes of what is in it; and the largest there has been since
    a person last agreed."""

    title: str
    stem: str
    now: int
    was: int
    now_in: str
    was_in: str

    def as_json(self) -> dict[str, object]:
        """For a record's result."""
        return {name: getattr(self, name) for name in ("title", "stem", "now", "was", "now_in", "was_in")}


def shrunk(sets: Sequence[SetInfo], share: float, agreed: Mapping[str, str]) -> list[Shrunk]:
    """What has lost more than this share (0.5: half) of what it was. `sets` are oldest first; `agreed` names by stem
    the set in which its size was found right: older ones are not compared any more. Only whole sets count, and no
    safety copies."""
    seen: dict[str, list[tuple[SetInfo, Artifact]]] = {}
    for one in sets:
        if one.whole and not one.safety:
            for artifact in one.manifest.artifacts if one.manifest else ():
                if agreed.get(artifact.stem) == one.id:
                    seen.pop(artifact.stem, None)
                seen.setdefault(artifact.stem, []).append((one, artifact))
    found = []
    for stem, history in seen.items():
        newest, now = history[-1]
        largest, was = max(history, key=lambda pair: pair[1].raw_bytes)
        lost = was.raw_bytes - now.raw_bytes
        if lost > NOISE and lost > share * was.raw_bytes:
            found.append(Shrunk(now.title, stem, now.raw_bytes, was.raw_bytes, newest.id, largest.id))
    return found
