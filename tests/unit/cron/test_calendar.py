import os
import re
import shutil
import subprocess
from datetime import datetime, timezone
from itertools import islice

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.cron.calendar import on_calendar
from opslib.settings.schedule import WORDS, cron


@pytest.mark.parametrize(
    ("schedule", "expressions"),
    [
        ("0 2 * * *", ["*-*-* 02:00:00"]),
        ("@hourly", ["*-*-* *:00:00"]),
        ("@weekly", ["Sun *-*-* 00:00:00"]),
        ("@yearly", ["*-01-01 00:00:00"]),
        ("*/15 1-3 * * *", ["*-*-* 01,02,03:00,15,30,45:00"]),
        ("30 6 * * sun", ["Sun *-*-* 06:30:00"]),
        ("30 6 * * 5-7", ["Sun,Fri,Sat *-*-* 06:30:00"]),
        ("0 4 1 jan-mar *", ["*-01,02,03-01 04:00:00"]),
        ("0 2 13 * fri", ["*-*-13 02:00:00", "Fri *-*-* 02:00:00"]),  # either of both
        ("0 2 */2 * fri", ["Fri *-*-01,03,05,07,09,11,13,15,17,19,21,23,25,27,29,31 02:00:00"]),  # both
        ("0 2 * * 0-6", ["Sun,Mon,Tue,Wed,Thu,Fri,Sat *-*-* 02:00:00"]),
        ("0 2 1 * 0-7", ["*-*-01 02:00:00", "Sun,Mon,Tue,Wed,Thu,Fri,Sat *-*-* 02:00:00"]),
        ("* * * * *", ["*-*-* *:*:00"]),
    ],
)
def test_what_systemd_is_told(schedule, expressions):
    assert on_calendar(schedule) == expressions


@pytest.mark.parametrize("schedule", ["5/15 * * * *", "0 2 1,10/7 * *"])
def test_what_crons_do_not_agree_on_is_refused(schedule):
    with pytest.raises(ValueError, match="crons do not agree"):
        on_calendar(schedule)


def field(low, high):
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"), number.map(str), st.integers(2, 7).map(lambda step: f"*/{step}"),
        st.lists(number.map(str), min_size=1, max_size=3).map(",".join),
        # Not of one number alone: cronsim takes 3-3/2 for 3-59/2.
        st.tuples(st.lists(number, min_size=2, max_size=2, unique=True).map(sorted), st.integers(1, 7)).map(
            lambda found: f"{found[0][0]}-{found[0][1]}/{found[1]}"
        ),
    )  # fmt: skip


fields = [field(low, high) for low, high in ((0, 59), (0, 23), (1, 28), (1, 12), (0, 7))]
schedules = st.one_of(st.tuples(*fields).map(" ".join).map(cron), st.sampled_from(sorted(WORDS)))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
@settings(max_examples=40)
@given(schedules)
def test_systemd_comes_round_when_cron_does(schedule):
    now = datetime(2027, 2, 27, 17, 3, tzinfo=timezone.utc)
    wanted = list(islice(CronSim(WORDS.get(schedule, schedule), now), 5))
    done = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=5", "--base-time=2027-02-27 17:03:00", *on_calendar(schedule)],
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.findall(r"(?:elapse|Iter\. #\d): \w+ (\S+ \S+) UTC", done.stdout)
    turns = sorted({datetime.strptime(one, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc) for one in found})
    assert turns[:5] == wanted
