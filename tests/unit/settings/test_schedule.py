from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from opslib.settings.schedule import turn_before

EAST = timezone(timedelta(hours=5))
SUNDAY = datetime(2026, 11, 29, 1, 30, tzinfo=EAST)


@pytest.mark.parametrize(
    ("schedule", "first", "second"),
    [
        ("0 2 * * *", "2026-11-28T02:00", "2026-11-27T02:00"),
        ("*/20 * * * *", "2026-11-29T01:20", "2026-11-29T01:00"),
        ("30 4 * * mon-fri", "2026-11-27T04:30", "2026-11-26T04:30"),
        ("0 0 1 * *", "2026-11-01T00:00", "2026-10-01T00:00"),
        ("0 3 29 2 *", "2024-02-29T03:00", "2020-02-29T03:00"),
        ("@hourly", "2026-11-29T01:00", "2026-11-29T00:00"),
        ("@midnight", "2026-11-29T00:00", "2026-11-28T00:00"),
        ("@daily", "2026-11-29T00:00", "2026-11-28T00:00"),
        ("@weekly", "2026-11-29T00:00", "2026-11-22T00:00"),
        ("@monthly", "2026-11-01T00:00", "2026-10-01T00:00"),
        ("@yearly", "2026-01-01T00:00", "2025-01-01T00:00"),
        ("@annually", "2026-01-01T00:00", "2025-01-01T00:00"),
    ],
)
def test_the_last_times_that_it_came_round_in_the_time_zone_of_now(schedule: str, first: str, second: str) -> None:
    assert [turn_before(schedule, SUNDAY, count) for count in (1, 2)] == [
        datetime.fromisoformat(text).replace(tzinfo=EAST) for text in (first, second)
    ]


def test_one_that_never_comes_round() -> None:
    assert turn_before("0 0 30 2 *", SUNDAY, 2) is None
