import os

import pytest

from opslib.cron import jobs
from opslib.cron.crontab import Crontab
from opslib.errors import BadSettings, OpsError
from opslib.events import silent
from opslib.settings.load import load_host
from tests.unit.cron.conftest import program


def install(root, name="local", **options):
    return jobs.install(root, load_host(root, name), silent, **{"plan": False, **options})


def test_installed_shown_removed(project, tmp_path):
    assert install(project, plan=True)[0] is False
    assert Crontab().read() == ""
    changed, result = install(project)
    assert changed
    assert result["schedule"] == "0 2 * * *"
    assert install(project)[0] is False
    assert jobs.names(project) == ["local"]
    assert jobs.show(project, "local", silent)[1]["line"] == result["line"]
    assert "'my app'" in result["line"] or "my app'" in result["line"]
    assert jobs.remove(project, "local", plan=True)[0] is False
    assert jobs.remove(project, "local", plan=False)[0] is True
    assert Crontab().read() == ""
    assert jobs.remove(project, "local", plan=False)[0] is False
    assert jobs.show(project, "local", silent)[1]["line"] is None
    assert (tmp_path / ".local/state/opslib").is_dir()


SEVERAL = """backup:
  schedule: {all: "0 2 * * *", postgres: "@hourly", verify: "30 6 * * sun"}
  random_delay: 30m
  limit: 2h
"""


def test_a_line_for_each_task(project):
    (project / "hosts/local.yml").write_text(SEVERAL)
    told = install(project)[1]
    assert [(job["task"], job["schedule"]) for job in told["jobs"]] == [
        ("backup.all", "0 2 * * *"), ("backup.postgres", "@hourly"), ("backup.verify", "30 6 * * sun"),
    ]  # fmt: skip
    ends = [
        job["line"].partition(" -k 10m 7200 ")[2].partition(";")[0].partition(" backup.")[2] for job in told["jobs"]
    ]
    assert ends == [
        "all --host local --yes --wait 10m --signal", "postgres --host local --yes --wait 10m --signal",
        "verify --host local --signal",
    ]  # fmt: skip
    assert len({job["delay"] for job in told["jobs"]}) == 3
    assert all(job["delay"] <= 1800 and f".wait' sleep {job['delay']}; " in job["line"] for job in told["jobs"])
    assert install(project)[0] is False, "the same delays each time"
    assert jobs.show(project, "local", silent)[1]["jobs"] == told["jobs"]


def test_a_host_file_that_says_otherwise_by_now(project):
    install(project)
    heard = []
    jobs.show(project, "local", heard.append)
    assert heard == []
    (project / "hosts/local.yml").write_text(SEVERAL)
    assert jobs.show(project, "local", heard.append)[1]["schedule"] == "0 2 * * *"
    assert "inv cron.install --host local" in heard[0].text


def test_a_block_of_an_earlier_version_is_shown_and_replaced(project, tmp_path):
    old = install(project)[1]["line"].replace("timeout --foreground -v -k 10m 86400 ", "").replace(" --signal", "")
    (tmp_path / "spool").write_text(f"# opslib: {project} local: begin\n{old}\n# opslib: {project} local: end\n")
    heard = []
    assert jobs.show(project, "local", heard.append)[1]["line"] == old
    assert len(heard) == 1
    assert install(project)[0] is True
    assert Crontab().read().count("\n") == 5


def test_what_is_missed_is_caught_up_unless_the_host_file_does_not_want_it(project):
    assert install(project)[1]["catch_up"] is True
    (project / "hosts/local.yml").write_text("backup: {catch_up: no}\n")
    heard = []
    jobs.show(project, "local", heard.append)
    assert "inv cron.install --host local" in heard[0].text
    assert install(project)[1]["catch_up"] is False
    assert "catchup" not in Crontab().read()


@pytest.mark.parametrize(
    ("text", "said"),
    [('{all: "0 2 31 2 *"}', "there is no such day"), ("{}", "names no task")],
)
def test_what_would_never_run_is_refused(project, text, said):
    (project / "hosts/local.yml").write_text(f"backup: {{schedule: {text}}}\n")
    with pytest.raises(BadSettings, match=said):
        install(project)
    assert Crontab().read() == ""


def test_signals_that_could_not_be_sent_are_refused(project, tmp_path):
    (project / "hosts/local.yml").write_text(f"backup: {{signals: {{metrics: {tmp_path}/none}}}}\n")
    with pytest.raises(OpsError, match="is no folder here"):
        install(project)
    assert Crontab().read() == ""


def test_bytes_of_others_stay(project, tmp_path):
    (tmp_path / "spool").write_bytes(b"# caf\xe9\n@daily x\n")
    install(project)
    jobs.remove(project, "local", plan=False)
    assert (tmp_path / "spool").read_bytes() == b"# caf\xe9\n@daily x\n"


def test_programs_in_other_folders_are_on_its_path(project, tmp_path):
    program(tmp_path / "bin/docker", "#!/bin/sh\n")
    line = install(project)[1]["line"]
    assert f"PATH={tmp_path}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin " in line


def test_a_private_key_stands_in_no_crontab(project, monkeypatch):
    monkeypatch.setenv("OPSLIB_AGE_IDENTITY", "AGE-SECRET-KEY-1XYZ")
    monkeypatch.setenv("OPSLIB_AGE_IDENTITY_FILE", "/root/key")
    line = install(project)[1]["line"]
    assert "AGE-SECRET-KEY" not in line
    assert " OPSLIB_AGE_IDENTITY_FILE=/root/key " in line


def test_a_secret_that_only_the_shell_has_is_refused(project, monkeypatch):
    (project / "hosts/local.yml").write_text(
        'backup: {sources: [{redis: {service: redis, password: "${REDIS_PASSWORD}"}}]}\n'
    )
    monkeypatch.setenv("REDIS_PASSWORD", "x")
    with pytest.raises(BadSettings, match=r"cron has none of your shell's variables: .*REDIS_PASSWORD"):
        install(project)
    assert Crontab().read() == ""


def test_a_setting_that_only_the_shell_has_is_refused(project, monkeypatch):
    monkeypatch.setenv("OPSLIB_BACKUP_DIRECTORY", "/elsewhere")
    with pytest.raises(BadSettings, match="without them local is another: OPSLIB_BACKUP_DIRECTORY"):
        install(project)
    (project / ".env").write_text("OPSLIB_BACKUP_DIRECTORY=/elsewhere\n")
    assert install(project)[0]


def test_no_crontab_program(project, tmp_path):
    (tmp_path / "bin/crontab").unlink()
    if not any(os.path.exists(f"{folder}/crontab") for folder in ("/usr/bin", "/bin", "/usr/sbin")):
        with pytest.raises(OpsError, match="no crontab program"):
            install(project)
    program(tmp_path / "bin/crontab", "#!/bin/sh\nexit 127\n")
    with pytest.raises(OpsError) as caught:
        install(project)
    assert "apt-get install cron" in (caught.value.next or "")


def test_a_crontab_program_that_lies_is_found_out(project, tmp_path):
    program(tmp_path / "bin/crontab", "#!/bin/sh\n[ $1 = - ] || echo '@daily x'\n")
    with pytest.raises(OpsError, match="could not be replaced"):
        install(project)


def test_a_crontab_that_may_not_be_read(project, tmp_path):
    program(tmp_path / "bin/crontab", "#!/bin/sh\necho 'You (x) are not allowed to use this program' >&2; exit 1\n")
    with pytest.raises(OpsError, match="not allowed"):
        install(project)
