"""When a window is open."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from opslib.settings.window import window


@pytest.mark.parametrize(
    "text, at, open_",
    [
        ("mon-fri 09:00-16:30 UTC", "2026-11-30 09:00", True),  # a Monday
        ("mon-fri 09:00-16:30 UTC", "2026-11-30 08:59", False),
        ("mon-fri 09:00-16:30 UTC", "2026-11-30 16:30", False),
        ("mon-fri 09:00-16:30 UTC", "2026-11-29 10:00", False),
        ("sat-mon 9:00-10:00 UTC", "2026-11-29 09:30", True),
        ("tue,thu 9:00-10:00 UTC", "2026-12-03 09:30", True),
        ("tue,thu 9:00-10:00 UTC", "2026-12-02 09:30", False),
        ("sun 22:00-02:00 UTC", "2026-11-30 01:59", True),
        ("sun 22:00-02:00 UTC", "2026-11-30 22:30", False),
        ("mon 00:00-24:00 UTC", "2026-11-30 23:59", True),
        ("mon 09:00-10:00 Europe/Berlin", "2026-11-30 08:30", True),
        ("mon 09:00-10:00 Europe/Berlin", "2026-11-30 09:30", False),
    ],
)
def test_open_or_not(text: str, at: str, open_: bool) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=timezone.utc)
    assert window(text).holds(now) is open_
    assert window(text).holds(now.astimezone(ZoneInfo("Asia/Tokyo"))) is open_
    assert str(window(text)) == text


def test_without_a_zone_it_is_this_machines() -> None:
    local = datetime(2026, 11, 30, 9, 30).astimezone()
    assert window("mon 09:00-10:00").holds(local.astimezone(timezone.utc))
