"""What a proxy can say of the answers of each server behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Counting:
    """`files`: what is to stand beside the files of the services, by name, while answers are counted; none where that
    cannot be. `without`: the parts of its configuration whose requests are not counted."""

    files: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
