import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslib.cron.block import Job, install, installed, remove
from opslib.errors import BadSettings, OpsError


def job(root="/srv/app", host="prod", schedule="0 2 * * *", log="/home/o/app-prod.log", **env):
    argv = ("/srv/venv/bin/inv", "backup.all", "--host", host, "--yes", "--wait", "10m")
    return Job(root, host, schedule, argv, {"PATH": "/usr/bin:/bin", "HOME": "/home/o", **env}, log)


def test_the_line():
    assert job().line() == (
        "0 2 * * * cd /srv/app && { date; env PATH=/usr/bin:/bin HOME=/home/o "
        "/srv/venv/bin/inv backup.all --host prod --yes --wait 10m; } "
        "2>&1 >>/home/o/app-prod.log | tee -a /home/o/app-prod.log; "
        "find /home/o/app-prod.log -size +1024k -exec mv {} {}.1 ';'"
    )


def test_percent_blanks_and_quotes_reach_the_shell_as_they_are(tmp_path):
    root = tmp_path / "50% off it's $HOME \\% é"
    root.mkdir()
    log = root / "out put.log"
    told = Job(
        str(root), "prod", "* * * * *", ("sh", "-c", 'echo "$PWD|$HOME"; echo bad >&2'), {"HOME": "/h"}, str(log)
    )
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
    told = Job(str(tmp_path), "prod", "* * * * *", ("true",), {}, str(log))
    subprocess.run(["sh", "-c", told.command()], check=True)
    assert not log.exists()
    assert (tmp_path / "a b.log.1").stat().st_size > 1100 * 1024


def test_installed_twice_is_installed_once():
    once = install("", job())
    assert once == f"# opslib: /srv/app prod: begin\n{job().line()}\n# opslib: /srv/app prod: end\n"
    assert install(once, job()) == once


def test_a_new_schedule_takes_the_place_of_the_old():
    text = install("# mine\n@daily x\n", job()) + "1 1 * * * y\n"
    changed = install(text, job(schedule="@hourly"))
    assert changed == text.replace("0 2 * * *", "@hourly")


def test_each_host_and_project_has_its_own():
    text = install(install(install("", job()), job(host="test")), job(root="/srv/app2"))
    assert sorted(installed(text, "/srv/app")) == ["prod", "test"]
    assert installed(text, "/srv/app2") == {"prod": job(root="/srv/app2").line()}
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
