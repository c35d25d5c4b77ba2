"""What a run is to carry out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opslib.run.rollout import Rollout
from opslib.run.step import AnyStep, Recovery, Run
from opslib.target.base import Target

Steps = Callable[[Run], list[AnyStep]]


@dataclass(frozen=True)
class Task:
    """What is carried out: a name, the steps for a host (made under the lock, after recovery), and what is known of the
    steps that any earlier run may have left behind. `together`: all hosts end new, or all old, as far as the `rollout`
    says. `peer` opens another host of such a run, to ask it whether it had committed; None where it cannot be reached.
    `onward`: what its steps have done stays, whatever becomes of the run, as each can be done again; the next run goes
    on. `detail` goes into the journal. `live` tells, at the end, what runs on a host."""

    name: str
    steps: Steps
    known: Mapping[str, Recovery] = field(default_factory=dict)
    peer: Callable[[str], Target | None] = lambda name: None
    wait: float = 0.0
    plan: bool = False
    detail: Mapping[str, object] = field(default_factory=dict)
    together: bool = True
    onward: bool = False
    rollout: Rollout = field(default_factory=Rollout)
    live: Callable[[Run], dict[str, Any]] | None = None
