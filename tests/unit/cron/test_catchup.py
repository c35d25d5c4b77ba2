import fcntl
import time
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from opslib.cron import block, catchup, wanted
from opslib.cron.catchup import CatchUp, overdue
from opslib.cron.crontab import Crontab
from opslib.cron.held import Line
from opslib.signals import files
from opslib.signals.outcome import Memory, begun

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(text):
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("schedule", "delay", "last", "now", "due"),
    [
        ("0 2 * * *", 0, "2026-11-28T02:00:01", "2026-11-29T01:00", None),
        ("0 2 * * *", 0, "2026-11-28T02:00:01", "2026-11-29T02:10", "2026-11-29T02:00"),
        ("0 2 * * *", 0, "2026-11-29T02:00:01", "2026-11-29T02:10", None),
        ("0 2 * * *", 0, "2026-11-20T02:00:01", "2026-11-29T09:00", "2026-11-21T02:00"),  # many nights, one run
        ("0 2 * * *", 0, "2026-11-28T02:00:01", "2026-11-30T01:30", None),  # comes soon by itself
        ("0 2 * * *", 1500, "2026-11-28T02:25:01", "2026-11-29T02:24", None),  # it is delayed still
        ("0 2 * * *", 1500, "2026-11-28T02:25:01", "2026-11-29T02:26", "2026-11-29T02:25"),
        ("@hourly", 0, "2026-11-20T02:00", "2026-11-29T02:26", None),
        ("0 2 * * *", 0, "2026-11-29T01:59:59.9", "2026-11-29T02:10", None),  # the clock was set back a little
        ("30 2 * * *", 0, "2027-03-27T02:30:01", "2027-03-28T04:10", "2027-03-28T03:00"),  # no half past two that day
        ("30 2 * * *", 0, "2026-10-25T02:30:01", "2026-10-25T12:00", None),  # and two of them
        ("0 4 1 * *", 0, "2026-10-01T04:00:01", "2026-11-29T09:00", "2026-11-01T04:00"),
        ("0 0 30 2 *", 0, "2026-10-01T04:00:01", "2026-11-29T09:00", None),
    ],
)
def test_what_is_overdue(schedule, delay, last, now, due):
    line = Line("backup.all", schedule, delay, True, "")
    found = overdue(line, berlin(last).astimezone(timezone.utc), berlin(now))
    assert found == (due and berlin(due))


@settings(max_examples=40)
@given(
    st.sampled_from(["0 2 * * *", "30 6 * * sun", "15 1,13 1-15 * *", "0 */5 * * *", "0 2 13 * fri"]),
    st.integers(0, 3600), st.lists(st.tuples(st.integers(1, 40 * 60), st.booleans()), min_size=1, max_size=30),
)  # fmt: skip
def test_whenever_the_machine_is_off_no_turn_is_run_twice_and_the_last_one_not_missed(schedule, delay, spans):
    """A month of a machine that is on and off: cron begins what comes while it is on; every 20 minutes of being on
    what is overdue is begun."""
    line = Line("backup.all", schedule, delay, True, "")
    now = last = berlin("2027-03-15T12:00")
    begins = []
    for minutes, on in spans:
        end = now + timedelta(minutes=minutes)
        if on:
            turns = []  # which cron sees while the machine is on, and that end their delay before it goes off
            for turn in CronSim(schedule, now):
                if (begin := turn + timedelta(seconds=delay)) > end:
                    break
                turns.append(begin)
            looks = [now + timedelta(minutes=m) for m in range(5, minutes, 20)]
            # of two at once the turn is first: what is overdue waits a minute, and looks again
            for at, late in sorted([(t, False) for t in turns] + [(t, True) for t in looks]):
                if not late or overdue(line, last, at):
                    begins.append(at)
                    last = at
        now = end
    for one, two in pairwise(begins):
        between = next(CronSim(schedule, one - timedelta(seconds=delay))) + timedelta(seconds=delay)
        assert between <= two, "a turn lies between any two begins"
    if spans[-1][1] and spans[-1][0] > 150:  # minutes: longer than a delay, and what comes by itself
        assert overdue(line, last, now - timedelta(minutes=25)) is None, "it was caught up"


@pytest.fixture
def missed(project, tmp_path, monkeypatch):
    """A job that was due three hours ago, installed two days ago; it writes the time into a file."""
    monkeypatch.setattr(catchup, "SETTLE", 0.0)
    monkeypatch.setattr(catchup, "BOOT", 0.0)
    now = datetime.now(catchup.clock.zone()[1])
    at = now - timedelta(hours=3)
    text = "echo it ran; date >>ran"
    job = block.Job(
        str(project), f"{at.minute} {at.hour} * * *", ("sh", "-c", text, "backup.all", "--host", "local"), {"PATH": "/bin"},
        str(wanted.log_file(project, "local")),
    )  # fmt: skip
    wanted.log_file(project, "local").parent.mkdir(parents=True)
    later = block.Later(str(project), ("inv", "cron.catchup", "--host", "local"), {}, 0)
    Crontab().write(block.install("", str(project), "local", [job], later, now - timedelta(days=2)))
    return project


def catch_up(root, heard, plan=False):
    return CatchUp(root, "local", wanted.log_file(root, "local"), heard.append).run(plan=plan)


def test_it_is_run_once(missed):
    heard = []
    changed, result = catch_up(missed, heard, plan=True)
    assert (changed, [one["task"] for one in result["overdue"]], heard) == (False, ["backup.all"], [])
    assert catch_up(missed, heard)[0] is True
    assert "was due at" in heard[0].text
    assert (missed / "ran").read_text().count("\n") == 1
    assert "it ran" in wanted.log_file(missed, "local").read_text()
    assert catch_up(missed, heard) == (False, {"overdue": []})
    assert (missed / "ran").read_text().count("\n") == 1


def test_what_began_in_time_is_not_overdue(missed):
    with files.remembered(files.memory_file(missed, "local")) as (_, replace):
        replace(begun(Memory(), "backup.all", time.time() - 3 * 3600 + 60))
    assert catch_up(missed, [])[0] is False


def test_a_job_that_is_delayed_by_its_line_is_left_to_it(missed):
    with open(block.waits(str(wanted.log_file(missed, "local"))), "w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert catch_up(missed, [])[0] is False
    assert catch_up(missed, [])[0] is True


def test_one_at_a_time(missed):
    with open(f"{wanted.log_file(missed, 'local')}.catchup", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert catch_up(missed, [])[0] is False


def test_a_machine_that_has_only_just_started_is_given_time(missed, monkeypatch):
    monkeypatch.setattr(catchup, "BOOT", 1e12)
    assert catch_up(missed, [])[0] is False
