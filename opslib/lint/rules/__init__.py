"""All rules of `inv lint` that are opslib's own."""

from __future__ import annotations

from opslib.lint.rule import Rule

RULES: tuple[Rule, ...] = ()
