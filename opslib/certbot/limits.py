"""Let's Encrypt's rate limits, counted here so that they are seen before they are met.

https://letsencrypt.org/docs/rate-limits/: 50 certificates of a registered domain in 7 days (renewals of the same names
do not count), 5 of exactly the same names in 7 days, 5 failed validations of a name in an hour.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opslib.errors import OpsError
from opslib.state import lines

if TYPE_CHECKING:
    from opslib.run.step import Run

WEEK, HOUR = 7 * 86400.0, 3600.0
SAME, DOMAIN, FAILED = 5, 50, 5
_SECOND = {"ac", "co", "com", "edu", "gov", "net", "or", "org"}  # before a country: example.co.uk is a registered one


def path(state: str) -> str:
    """The file in which each asking is written down."""
    return f"{state}/certbot/asked.jsonl"


def note(run: Run, name: str, domains: Sequence[str], failed: Iterable[str], ok: bool) -> None:
    """Write down that the ACME server was asked."""
    entry = {"at": round(time.time()), "name": name, "domains": sorted(domains), "failed": sorted(failed), "ok": ok,
             "server": run.target.host.certbot.server or "letsencrypt"}  # fmt: skip
    lines.append(run.target, path(run.target.state), entry)


def read(run: Run) -> list[dict[str, Any]]:
    """The last askings of the same ACME server."""
    server = run.target.host.certbot.server or "letsencrypt"
    return [one for one in lines.read(run.target, path(run.target.state), last=500) if one.get("server") == server]


def look(asked: Iterable[dict[str, Any]], domains: Sequence[str], now: float) -> tuple[list[str], str | None]:
    """What is nearly used up, in words, and why the ACME server would refuse this, if it would."""
    week = [one for one in asked if one["ok"] and now - one["at"] < WEEK]
    hour = [one for one in asked if not one["ok"] and now - one["at"] < HOUR]
    warnings: list[str] = []
    for used, most, span, what in _used(week, hour, domains):
        if len(used) >= most:
            free = datetime.fromtimestamp(sorted(used)[-most] + span, timezone.utc)
            return warnings, f"{len(used)} of {most} {what}; the next one is free at {free:%Y-%m-%d %H:%M} UTC"
        if len(used) >= most - 1:
            warnings.append(f"{len(used)} of {most} {what}")
    return warnings, None


def refuse(run: Run, domains: Sequence[str]) -> None:
    """Warn before a limit. Raises OpsError where the ACME server would refuse. Those of other ACME servers than Let's
    Encrypt's nobody knows."""
    server = run.target.host.certbot.server
    if server is not None and not (urlsplit(server).hostname or "").endswith(".letsencrypt.org"):
        return
    warnings, full = look(read(run), domains, time.time())
    if full:
        raise OpsError(f"the rate limit is reached: {full}", host=run.host, left="everything: it was not asked",
                       next="wait, or try with --staging")  # fmt: skip
    for one in warnings:
        run.note(f"near the rate limit: {one}", warning=True)


def _used(week: Sequence[dict[str, Any]], hour: Sequence[dict[str, Any]],
          domains: Sequence[str]) -> Iterable[tuple[list[float], int, float, str]]:  # fmt: skip
    same = [one["at"] for one in week if one["domains"] == sorted(domains)]
    yield same, SAME, WEEK, "certificates with exactly these names in 7 days"
    for owner in sorted({registered(one) for one in domains}):
        # of equal names only the first is new, the others are renewals
        sets = {tuple(one["domains"]): one["at"] for one in week if owner in map(registered, one["domains"])}
        if tuple(sorted(domains)) not in sets:
            yield list(sets.values()), DOMAIN, WEEK, f"certificates of {owner} in 7 days"
    for name in domains:
        yield [one["at"] for one in hour if name in one["failed"]], FAILED, HOUR, f"failures of {name} in an hour"


def registered(domain: str) -> str:
    """The domain that somebody has bought, as far as the name alone tells (the list of all endings is long, and this
    only counts)."""
    parts = domain.removeprefix("*.").split(".")
    return ".".join(parts[-3:] if len(parts) > 2 and len(parts[-1]) == 2 and parts[-2] in _SECOND else parts[-2:])
