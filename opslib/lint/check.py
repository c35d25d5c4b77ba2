"""Asking the rules, and making findings of what they say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opslib.compose.environment import is_placeholder
from opslib.findings import Cost, Finding
from opslib.lint.model import Model
from opslib.lint.rule import Edit, Rule
from opslib.lint.rules import RULES


@dataclass(frozen=True, slots=True)
class Hit:
    """A finding, and the change that would mend it, where there is a safe one."""

    finding: Finding
    edit: Edit | None = None


def check(model: Model, rules: Sequence[Rule] = RULES, *, running: bool = False, cost: Cost | None = None) -> list[Hit]:
    """What the rules say of a stack; those that look at what runs only with `running`, with `cost` only those of it.
    Whatever is a secret is masked; what everybody tries first is none, and would be found in the midst of words."""
    asked = [rule for rule in rules if (running or not rule.running) and (cost is None or rule.cost == cost)]
    found = [(rule, one) for rule in asked for one in rule.check(model)]
    secrets = [one for one in model.project.secrets() if not is_placeholder(one)] if found else []
    return [
        Hit(
            Finding(
                rule.id, rule.cost, _masked(one.what, secrets), _masked(one.fix, secrets), one.place.file,
                one.place.line, one.service,
            ),
            one.edit,
        )
        for rule, one in found
    ]  # fmt: skip


def _masked(text: str, secrets: Iterable[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
