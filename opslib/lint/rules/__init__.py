"""All rules of `inv lint` that are opslib's own."""

from __future__ import annotations

from opslib.lint.rule import Rule
from opslib.lint.rules import certificates, data_loss, env, operation, redis, rolling, running, start_order

RULES: tuple[Rule, ...] = (
    *data_loss.RULES, *redis.RULES, *start_order.RULES, *env.RULES, *operation.RULES, *rolling.RULES,
    *certificates.RULES, *running.RULES,
)  # fmt: skip
"""Those without `running` are pure functions of what the compose files say, and of what is known of the images."""
