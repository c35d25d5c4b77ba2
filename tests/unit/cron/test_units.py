import os
import shutil
import subprocess

import pytest

from opslib.cron.block import Job
from opslib.cron.units import name, owner, parse, service, timer
from opslib.errors import BadSettings

ODD = '/srv/it\'s "50% off" \\ $HOME ${X} é; x'


def job(root="/srv/app", schedule="0 2 * * *", task="backup.all", **more):
    argv = (f"{root}/.venv/bin/inv", task, "--host", "prod", "--yes", "--wait", "10m", "--signal")
    return Job(root, schedule, argv, {"PATH": "/usr/bin:/bin", "HOME": "/home/o"}, "/unused", **more)


def test_the_timer():
    assert timer("prod", job(schedule="0 2 13 * fri", random_delay=1800, delay=417), catch_up=True) == (
        """# opslib: /srv/app prod
# backup.all --signal: 0 2 13 * fri
[Unit]
Description=opslib: backup.all of prod

[Timer]
OnCalendar=*-*-13 02:00:00
OnCalendar=Fri *-*-* 02:00:00
Persistent=true
RandomizedDelaySec=1800
FixedRandomDelay=true
AccuracySec=1s

[Install]
WantedBy=timers.target
"""
    )


def test_the_service():
    text = service("prod", job(limit=3600))
    assert (
        "\nExecStart=/usr/bin/env -C /srv/app PATH=/usr/bin:/bin HOME=/home/o /srv/app/.venv/bin/inv backup.all "
        "--host prod --yes --wait 10m --signal\n"
    ) in text
    assert "\nKillMode=mixed\nTimeoutStartSec=3600\nTimeoutStopSec=10min\n" in text


def test_the_name_tells_projects_with_one_name_apart():
    one, two = name("/srv/my app", "prod", "backup.all"), name("/home/my app", "prod", "backup.all")
    assert one != two
    assert one.startswith("opslib-my-app-")
    assert one.endswith("-prod-all")


@pytest.mark.parametrize("catch_up", [True, False])
@pytest.mark.parametrize("root", ["/srv/app", ODD])
def test_the_texts_say_what_they_were_made_of(root, catch_up):
    told = job(root=root, schedule="@hourly", random_delay=60, task="backup.verify")
    texts = timer("prod", told, catch_up=catch_up), service("prod", told)
    line, catches_up = parse("x", *texts)
    assert (line.task, line.schedule, line.delay, line.signals) == ("backup.verify", "@hourly", 60, True)
    assert (line.unit, catches_up) == ("x.timer", catch_up)
    assert [owner(text) for text in texts] == [(root, "prod")] * 2


@pytest.mark.parametrize("text", ["", "[Unit]\n", "# a timer\n"])
def test_a_unit_of_somebody_else_is_nobodys(text):
    assert owner(text) is None


@pytest.mark.parametrize("root", ["/srv/a\nb", "/srv/a\udcff"])
def test_a_path_that_systemd_cannot_be_told(root):
    with pytest.raises(BadSettings, match="systemd cannot be told"):
        timer("prod", job(root=root), catch_up=True)


def test_a_schedule_that_crons_do_not_agree_on():
    with pytest.raises(BadSettings, match=r"write 5-59/15"):
        timer("prod", job(schedule="5/15 * * * *"), catch_up=True)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
@pytest.mark.parametrize("root", ["plain", 'it\'s "50% off" \\ $HOME ${X} é; x'])
def test_systemd_finds_nothing_wrong(tmp_path, root):
    folder = tmp_path / root
    program = folder / ".venv/bin/inv"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    told = job(root=str(folder), random_delay=60)
    unit = tmp_path / name(told.root, "prod", told.task)
    unit.with_name(f"{unit.name}.timer").write_text(timer("prod", told, catch_up=True))
    unit.with_name(f"{unit.name}.service").write_text(service("prod", told))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"{unit}.timer", f"{unit}.service"],
        env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert str(tmp_path) not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
