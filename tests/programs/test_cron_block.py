import os
import signal
import subprocess
import time
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.cron.block import Job, Later, at_once, installed, parse, remove, since
from opslib.cron.block import install as install_jobs
from opslib.errors import BadSettings, OpsError


def job(root="/srv/app", host="prod", schedule="0 2 * * *", log="/home/o/app-prod.log", task="backup.all", **more):
    argv = ("/srv/venv/bin/inv", task, "--host", host, "--yes", "--wait", "10m", "--signal")
    return Job(root, schedule, argv, {"PATH": "/usr/bin:/bin", "HOME": "/home/o"}, log, **more)


def install(text, *jobs, root="/srv/app", host="prod"):
    return install_jobs(text, root, host, jobs)


def test_the_line():
    assert job().line() == (
        "0 2 * * * log=/home/o/app-prod.log; cd /srv/app && { date; env PATH=/usr/bin:/bin HOME=/home/o "
        "timeout --foreground -v -k 10m 86400 /srv/venv/bin/inv backup.all --host prod --yes --wait 10m --signal; } "
        '2>&1 >>"$log" | tee -a "$log"; '
        """find "$log" -size +1024k -exec mv {} {}.1 ';'"""
    )


def test_a_delay_and_a_limit():
    line = job(delay=417, limit=3600).line()
    assert line.startswith('0 2 * * * log=/home/o/app-prod.log; flock -s "$log.wait" sleep 417; cd /srv/app && ')
    assert " -k 10m 3600 /srv/venv/bin/inv " in line


@pytest.mark.parametrize(
    ("schedule", "delay", "task"), [("0 2 * * *", 0, "backup.all"), ("@hourly", 5, "backup.verify")]
)
def test_a_line_says_what_it_was_made_of(schedule, delay, task):
    line = parse(job(schedule=schedule, delay=delay, task=task).line())
    assert (line.task, line.schedule, line.delay, line.signals) == (task, schedule, delay, True)


@pytest.mark.parametrize("folder", ["/home/o", "/it's $HOME/50% off; sleep 3; x"])
def test_without_its_delay_a_line_is_what_was_asked_for(folder):
    told = job(delay=5, log=f"{folder}/a.log", root=folder)
    assert parse(told.line()).delay == 5
    assert at_once(parse(told.line())) == job(log=f"{folder}/a.log", root=folder).command()


def test_while_a_job_is_delayed_others_can_tell(tmp_path):
    log = str(tmp_path / "a b.log")
    probe = ["flock", "-n", f"{log}.wait", "true"]
    command = Job(str(tmp_path), "@daily", ("true",), {}, log, delay=300).command()
    delayed = subprocess.Popen(["sh", "-c", command], start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(probe, check=False).returncode == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert subprocess.run(probe, check=False).returncode == 1
    finally:
        os.killpg(delayed.pid, signal.SIGTERM)
        delayed.wait()
    deadline = time.monotonic() + 60
    while subprocess.run(probe, check=False).returncode and time.monotonic() < deadline:
        time.sleep(0.02)
    assert subprocess.run(probe, check=False).returncode == 0


def test_a_line_of_an_earlier_version_sends_no_signals():
    old = "0 2 * * * cd /srv/app && { date; env A=b /srv/inv backup.all --host prod --yes --wait 10m; } 2>&1 >>L"
    line = parse(old)
    assert (line.task, line.schedule, line.delay, line.signals) == ("backup.all", "0 2 * * *", 0, False)


def test_percent_blanks_and_quotes_reach_the_shell_as_they_are(tmp_path):
    root = tmp_path / "50% off it's $HOME \\% é"
    root.mkdir()
    log = root / "out put.log"
    told = Job(str(root), "* * * * *", ("sh", "-c", 'echo "$PWD|$HOME"; echo bad >&2'), {"HOME": "/h"}, str(log))
    line = told.line().removeprefix("* * * * * ")
    # cron: `\%` is a percent sign, any other backslash stays
    done = subprocess.run(
        ["env", "-i", "sh", "-c", line.replace("\\%", "%")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "bad\n"  # what cron mails
    assert log.read_text().splitlines()[1:] in (["bad", f"{root}|/h"], [f"{root}|/h", "bad"])


def test_a_long_log_is_put_aside(tmp_path):
    log = tmp_path / "a b.log"
    log.write_bytes(b"x" * 1100 * 1024)
    told = Job(str(tmp_path), "* * * * *", ("true",), {}, str(log))
    subprocess.run(["sh", "-c", told.command()], check=True)
    assert not log.exists()
    assert (tmp_path / "a b.log.1").stat().st_size > 1100 * 1024


def test_at_the_limit_the_task_alone_is_told_to_end_and_then_killed(tmp_path):
    """What it has started must still be there: it is needed to undo."""
    log, marks = tmp_path / "log", tmp_path / "marks"
    text = 'trap "echo told >>marks" TERM; (trap "echo child >>marks" TERM; sleep 5) >/dev/null 2>&1 & until [ -s end ]; do wait; done'
    stubborn = Job(str(tmp_path), "@daily", ("bash", "-c", text), {"PATH": "/usr/bin:/bin"}, str(log), limit=1)
    command = stubborn.command().replace("-k 10m", "-k 1")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=25, check=True)
    assert marks.read_text() == "told\n"
    assert "sending signal TERM" in done.stdout, "cron mails it"
    assert "sending signal KILL" in log.read_text()


def test_installed_twice_is_installed_once():
    once = install("", job())
    assert once == f"# opslib: /srv/app prod: begin\n{job().line()}\n# opslib: /srv/app prod: end\n"
    assert install(once, job()) == once


def test_a_new_schedule_takes_the_place_of_the_old():
    text = install("# mine\n@daily x\n", job()) + "1 1 * * * y\n"
    changed = install(text, job(schedule="@hourly"))
    assert changed == text.replace("0 2 * * *", "@hourly")


def test_several_lines_are_one_block():
    both = job(), job(task="backup.verify", schedule="@weekly")
    text = install("@daily x\n", *both)
    assert [line.text for line in installed(text, "/srv/app")["prod"]] == [one.line() for one in both]
    assert install(text, *both) == text
    assert install(text, job()) == install("@daily x\n", job())
    assert remove(text, "/srv/app", "prod") == "@daily x\n"


def test_each_host_and_project_has_its_own():
    text = install("", job())
    text = install(text, job(host="test"), host="test")
    text = install(text, job(root="/srv/app2"), root="/srv/app2")
    assert sorted(installed(text, "/srv/app")) == ["prod", "test"]
    assert installed(text, "/srv/app2") == {"prod": [parse(job(root="/srv/app2").line())]}
    left = remove(text, "/srv/app", "prod")
    assert sorted(installed(left, "/srv/app")) == ["test"]
    assert sorted(installed(left, "/srv/app2")) == ["prod"]


def test_a_last_line_without_end_is_ended():
    assert install("@daily x", job()).startswith("@daily x\n# opslib")


@given(st.text(st.characters(exclude_characters="\r", exclude_categories=())))
def test_every_other_line_stays_byte_for_byte(text):
    with_it = install(text, job())
    ended = text if not text or text.endswith("\n") else text + "\n"
    assert remove(with_it, "/srv/app", "prod") == ended
    assert install(with_it, job()) == with_it
    assert remove(text, "/srv/app", "prod") == text


LATER = Later("/srv/app", ("/srv/venv/bin/inv", "cron.catchup", "--host", "prod"), {"HOME": "/home/o"}, 7)
NOON = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)


def test_what_looks_for_missed_jobs():
    assert LATER.line() == (
        "7,27,47 * * * * cd /srv/app && env HOME=/home/o /srv/venv/bin/inv cron.catchup --host prod"
    )
    text = install_jobs("", "/srv/app", "prod", [job()], LATER, NOON)
    assert [line.task for line in installed(text, "/srv/app")["prod"]] == ["backup.all", "cron.catchup"]
    assert since(text, "/srv/app", "prod") == NOON
    assert since(install("", job()), "/srv/app", "prod") is None
    assert since("", "/srv/app", "prod") is None


def test_it_counts_from_the_last_change_of_the_block():
    text = install_jobs("@daily x\n", "/srv/app", "prod", [job()], LATER, NOON)
    evening = NOON.replace(hour=20)
    assert install_jobs(text, "/srv/app", "prod", [job()], LATER, evening) == text
    other = install_jobs(text, "/srv/app", "prod", [job(schedule="@daily")], LATER, evening)
    assert since(other, "/srv/app", "prod") == evening
    assert install_jobs(text, "/srv/app", "prod", [job()]) == install("@daily x\n", job())
    assert remove(text, "/srv/app", "prod") == "@daily x\n"


@pytest.mark.parametrize("broken", ["begin", "end"])
def test_half_a_block_is_refused(broken):
    text = f"# opslib: /srv/app prod: {broken}\n"
    for change in (lambda: install(text, job()), lambda: remove(text, "/srv/app", "prod")):
        with pytest.raises(OpsError, match="do not pair up"):
            change()


def test_what_no_crontab_can_hold():
    with pytest.raises(BadSettings, match="line break"):
        job(root="/srv/a\nb").line()
    with pytest.raises(BadSettings, match="characters long"):
        job(root="/srv/" + "a" * 1000).line()
