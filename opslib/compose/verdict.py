"""Whether a container is healthy: decided from what was seen, without looking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opslib.compose.checks import Answer, Check
from opslib.compose.project import Service
from opslib.compose.stack import Container


@dataclass(frozen=True, slots=True)
class Verdict:
    """`good`, or `failed` for good, or neither: wait on. `seen` says why, in a few words."""

    seen: str
    good: bool = False
    failed: bool = False


def judge(
    service: Service,
    seen: Container,
    *,
    one_shot: bool,
    restarts: int,
    check: Check | None,
    answer: Answer | None,
    now: float,
    stable: float,
    settled: float = 0.0,
) -> Verdict:
    """The verdict on one container. `restarts` is its count when the wait began, `now` the server's own clock (Unix
    time), `stable` the seconds that a service without any check must have run, `settled` those of one with a check."""
    if seen.state in ("exited", "dead"):
        completes = one_shot or (seen.restart_policy in ("no", "on-failure") and not seen.ports and check is None
                                 and not service.ports)  # fmt: skip
        if seen.exit_code == 0 and completes and seen.state == "exited":
            return Verdict("completed", good=True)
        return Verdict(f"it {ended(seen)}", failed=True)
    if seen.state == "restarting":
        return Verdict(f"it keeps restarting: it {ended(seen)}", failed=True)
    if seen.restart_count > restarts:
        return Verdict("it has restarted by itself", failed=True)
    if seen.state == "paused":
        return Verdict("it is paused", failed=True)
    if seen.state != "running":
        return Verdict(f"it is {seen.state}", failed=seen.state == "removing")
    if one_shot:
        return Verdict("it has not completed yet")
    if seen.health == "unhealthy":
        output = f": {' '.join(seen.health_output.split())[:300]}" if seen.health_output else ""
        return Verdict(f"its health check fails{output}", failed=True)
    if seen.health == "starting":
        return Verdict("its health check has not passed yet")
    age = now - unix(seen.started_at)
    running = f"running for {max(0.0, age):.0f} s"
    if check is not None and not (answer is not None and check.good(answer)):
        return Verdict(check.shown(answer))
    if check is not None or seen.health == "healthy":
        shown = check.shown(answer) if check is not None else "healthy"
        return Verdict(shown, good=True) if age >= settled else Verdict(f"{shown}, {running}")
    return Verdict(running, good=age >= stable)


def ended(seen: Container) -> str:
    """How the last end of a container reads."""
    if seen.oom_killed:
        return "was killed for using too much memory"
    return f"ended with exit code {seen.exit_code}"


def unix(text: str) -> float:
    """Docker's time (RFC 3339 with up to nine decimals) as Unix time; 0 for one that is none."""
    whole, _, rest = text.rstrip("Z").partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :] if rest else ""
    try:
        return datetime.fromisoformat(f"{whole}.{(digits + '000000')[:6]}{zone or '+00:00'}").timestamp()
    except ValueError:
        return 0.0
