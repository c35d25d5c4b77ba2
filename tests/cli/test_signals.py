"""`--signal`, as cron calls it: what a real server hears, what people and Prometheus are told. No engine is needed."""

import json
import signal
import stat
import subprocess
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.conftest import INV
from tests.cli.test_calls import children

HOST = """backup:
  sources: [{files: [notes.txt]}]
  signals:
    ping: {all: "${PING}/all", files: "${PING}/files", verify: "${PING}/verify"}
    notify: ["${ALERTS}"]
    metrics: METRICS
"""
SLOW = """
import opslib
from opslib.command import command
from opslib.tasks._task import task

ns = opslib.namespace()


@task("backup.files", needs="nothing", signals=True)
def slow(call):
    '''Work until somebody interrupts.'''
    return call.look(lambda run: run.target.run(command("sleep", "60")))


ns.add_task(slow, name="slow")
"""


class Site:
    """A project with signals, and what became of them."""

    def __init__(self, project, listener, folder):
        self.project, self.listener, self.home, self.metrics = project, listener, folder / "home", folder / "metrics"
        self.home.mkdir()
        self.metrics.mkdir()
        project.environ["HOME"] = str(self.home)
        (project.root / "compose.yml").unlink()  # no engine is needed then
        project.write("notes.txt", "keep me\n")
        self.host("local")
        self.secrets(PING=f"http://{listener.address}/ping", ALERTS=f"json://ops:hunter2@{listener.address}/alert")

    def host(self, name, text=HOST):
        self.project.write(f"hosts/{name}.yml", text.replace("METRICS", str(self.metrics)))

    def secrets(self, **values):
        self.project.write(".env", "".join(f"{name}={value}\n" for name, value in values.items()))

    def inv(self, *args):
        """Call it -> (how it ended, the paths that were called meanwhile)."""
        self.listener.heard.clear()
        done = self.project.inv(*args)
        assert "hunter2" not in done.out + done.err
        return done, self.listener.paths

    def told(self, path):
        """The text that was posted there."""
        (text,) = [text for one, text in self.listener.heard if one == path]
        return text

    def metric(self, name, host="local"):
        """By task or source, its value."""
        text = (self.metrics / f"opslib-my survey-{host}.prom").read_text()
        (found,) = [one for one in text_string_to_metric_families(text) if one.name == name]
        return {one.labels.get("task") or one.labels["source"]: one.value for one in found.samples}


@pytest.fixture
def site(project, listener, tmp_path):
    return Site(project, listener, tmp_path)


def test_a_backup_that_goes_well(site):
    began = time.time()
    done, heard = site.inv("backup.all", "--signal", "--json")
    assert (done.code, heard) == (0, ["/ping/all/start", "/ping/all"])
    ident = done.json["hosts"][0]["result"]["set"]
    assert site.told("/ping/all").startswith("backup.all on local: done")
    assert f"set {ident}: 1 artifacts" in site.told("/ping/all")
    assert began <= site.metric("opslib_backup_last_success_timestamp_seconds")["notes.txt"] <= time.time()
    assert site.metric("opslib_task_last_run_exit_code") == {"backup.all": 0}
    (file,) = site.metrics.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_failure_each_time_and_the_first_success_after_it(site):
    assert site.inv("backup.all", "--signal")[0].code == 0
    size = site.metric("opslib_backup_size_bytes")
    (site.project.root / "notes.txt").unlink()
    for _ in range(2):
        done, heard = site.inv("backup.all", "--signal")
        assert (done.code, heard) == (1, ["/ping/all/start", "/ping/all/1", "/alert"])
    assert "✗ backup.files" in site.told("/ping/all/1"), "the last lines"
    assert site.told("/ping/all/1").endswith("next: mend that and run the backup again")
    alert = json.loads(site.told("/alert"))
    assert (alert["type"], alert["title"]) == ("failure", "backup.all on local: failed, exit code 1")
    assert "notes.txt could not be backed up" in alert["message"]
    assert site.metric("opslib_task_last_run_exit_code") == {"backup.all": 1}
    assert site.metric("opslib_backup_size_bytes") == size, "the last good one is still known"
    site.project.write("notes.txt", "again\n")
    assert site.inv("backup.all", "--signal")[1] == ["/ping/all/start", "/ping/all", "/alert"]
    alert = json.loads(site.told("/alert"))
    assert (alert["type"], alert["title"]) == ("success", "backup.all on local: works again")
    assert alert["message"].startswith("It had failed 2 times since ")
    assert site.inv("backup.all", "--signal")[1] == ["/ping/all/start", "/ping/all"]


def test_by_hand_nobody_is_told(site):
    (site.project.root / "notes.txt").unlink()
    done, heard = site.inv("backup.all")
    assert (done.code, heard, list(site.metrics.iterdir()), list(site.home.iterdir())) == (1, [], [], [])


def test_each_task_has_an_address_of_its_own(site):
    assert site.inv("backup.files", "--signal")[1] == ["/ping/files/start", "/ping/files"]
    assert site.inv("backup.verify", "--signal")[1] == ["/ping/verify/start", "/ping/verify"]
    assert site.inv("backup.sqlite", "--signal")[1] == ["/alert"], "one without: only that it failed"
    assert site.metric("opslib_task_last_run_exit_code") == {"backup.files": 0, "backup.verify": 0, "backup.sqlite": 1}
    assert set(site.metric("opslib_backup_size_bytes")) == {"notes.txt"}


def test_a_drill_is_known_by_source(site):
    assert site.inv("backup.all", "--signal")[0].code == 0
    began = time.time()
    done, heard = site.inv("backup.drill", "--signal", "--yes")
    assert (done.code, heard) == (0, []), "it has no address here"
    assert began <= site.metric("opslib_backup_last_drill_timestamp_seconds")["notes.txt"] <= time.time()
    assert site.metric("opslib_task_last_run_exit_code") == {"backup.all": 0, "backup.drill": 0}


def test_a_finding_is_no_success(site):
    ident = site.inv("backup.all", "--json")[0].json["hosts"][0]["result"]["set"]
    (file,) = (site.project.root / "backups" / ident).glob("files.*")
    file.chmod(0o600)
    file.write_bytes(b"x" * file.stat().st_size)
    done, heard = site.inv("backup.verify", "--signal")
    assert (done.code, heard) == (3, ["/ping/verify/start", "/ping/verify/3", "/alert"])
    assert site.metric("opslib_task_last_run_exit_code") == {"backup.verify": 3}


def test_a_mistake_elsewhere_in_the_host_file_is_told(site):
    site.host("local", HOST.replace("sources", "surces"))
    done, heard = site.inv("backup.all", "--signal")
    assert (done.code, heard) == (2, ["/ping/all/start", "/ping/all/2", "/alert"])
    assert "unknown key 'backup.surces'" in site.told("/ping/all/2")


def test_a_mistake_in_one_signal_leaves_the_others(site):
    site.secrets(PING=f"http://{site.listener.address}/ping")
    done, heard = site.inv("backup.all", "--signal")
    assert (done.code, heard) == (2, ["/ping/all/start", "/ping/all/2"])
    assert "${ALERTS} is not set" in site.told("/ping/all/2")


def test_an_address_that_is_none_is_never_shown(site):
    site.secrets(PING="ftp://hunter2", ALERTS="hunter2")
    done, heard = site.inv("backup.all", "--signal")
    assert (done.code, heard) == (2, [])
    assert "backup.signals.ping.all: expected an address like https://hc-ping.com/UUID, found '${PING}/all'" in done.err


def test_an_address_stands_in_no_host_file(site):
    site.host("local", HOST.replace("${PING}", "http://127.0.0.1:1"))
    assert "a secret stands here only as ${NAME}" in site.inv("backup.all", "--signal")[0].err


def test_a_run_that_is_locked_out_is_told(site):
    assert site.inv("backup.all")[0].code == 0
    lock = site.project.root / ".opslib/lock"
    with subprocess.Popen(["flock", str(lock), "sh", "-c", "echo; exec cat"], stdin=-1, stdout=-1) as holder:
        assert holder.stdout.readline()
        done, heard = site.inv("backup.all", "--signal")
        holder.stdin.close()
    assert (done.code, heard) == (4, ["/ping/all/start", "/ping/all/4", "/alert"])


def test_each_host_of_a_fleet_has_its_own(site):
    site.host("a", HOST.replace("}/all", "}/a").replace("backup:", "path: a\nbackup:"))
    site.host("b", HOST.replace("}/all", "}/b").replace("backup:", "path: b\nbackup:"))
    for name in "ab":
        site.project.write(f"{name}/notes.txt", "keep me\n")
    done, heard = site.inv("backup.all", "--host", "a,b", "--signal")
    assert (done.code, sorted(heard)) == (0, ["/ping/a", "/ping/a/start", "/ping/b", "/ping/b/start"])
    assert site.told("/ping/a").startswith("backup.all on a: done")
    assert [site.metric("opslib_task_last_run_exit_code", name) for name in "ab"] == [{"backup.all": 0}] * 2
    (site.project.root / "b/notes.txt").unlink()
    done, heard = site.inv("backup.all", "--host", "a,b", "--signal")
    assert {"/ping/a", "/ping/b/1"} <= set(heard), "each host is for itself"
    site.project.write("hosts/b.yml", (site.project.root / "hosts/b.yml").read_text() + "depoly: {}\n")
    done, heard = site.inv("backup.all", "--host", "a,b", "--signal")
    assert {"/ping/a", "/ping/b/2"} <= set(heard), done.out + done.err


def test_signals_that_fail_fail_nothing(site):
    site.secrets(PING="http://127.0.0.1:1/hunter2", ALERTS="nonsense://hunter2")
    site.metrics.rmdir()
    done, heard = site.inv("backup.all", "--signal")
    assert (done.code, heard) == (0, [])
    assert "the ping that says how it ended failed: 127.0.0.1: " in done.out
    assert "the metrics could not be written: " in done.out
    (site.project.root / "notes.txt").unlink()
    done, _ = site.inv("backup.all", "--signal")
    assert (done.code, "not notified by nonsense" in done.out) == (1, True)


def test_where_nothing_can_be_remembered_people_are_told_all_the_same(site):
    (site.home / ".local").write_text("no folder")
    (site.project.root / "notes.txt").unlink()
    done, heard = site.inv("backup.all", "--signal")
    assert (done.code, heard) == (1, ["/ping/all/start", "/ping/all/1", "/alert"])
    assert "is not remembered" in done.out


def test_a_trial_alarms_nobody(site):
    done, heard = site.inv("signals.test")
    assert (done.code, heard) == (0, ["/ping/all/log", "/ping/files/log", "/ping/verify/log", "/alert"])
    assert json.loads(site.told("/alert"))["type"] == "info"
    assert "✓ ping all: sent" in done.out
    assert "✓ metrics: sent" in done.out
    assert site.inv("backup.all", "--signal")[0].code == 0
    file = site.metrics / "opslib-my survey-local.prom"
    before = file.read_text()
    file.unlink()
    assert site.inv("signals.test")[0].code == 0
    assert file.read_text() == before, "nothing of what is remembered was changed"


def test_a_trial_says_what_fails(site):
    site.secrets(PING="http://127.0.0.1:1/hunter2", ALERTS="nonsense://hunter2")
    site.metrics.rmdir()
    done, _ = site.inv("signals.test", "--json")
    (host,) = done.json["hosts"]
    assert (done.code, host["error"]["what"]) == (
        3, "nobody would hear of a failure by ping all, ping files, ping verify, notify nonsense, metrics",
    )  # fmt: skip
    assert "Connection refused" in host["result"]["signals"][0]["why"]
    site.host("local", "backup: {sources: [{files: [notes.txt]}]}\n")
    done, _ = site.inv("signals.test")
    assert (done.code, "names no `backup: signals:`" in done.err) == (2, True)


def test_without_signals_in_the_host_file_the_option_does_nothing(site):
    site.host("local", "backup: {sources: [{files: [notes.txt]}]}\n")
    done, heard = site.inv("backup.all", "--signal")
    assert (done.code, heard, done.err) == (0, [], "")


def test_the_line_of_a_crontab_tells_with_an_empty_environment(site):
    programs = site.project.root / "bin"
    site.project.write("bin/crontab", '#!/bin/sh\n[ "$1" = -l ] && cat "$HOME/tab" 2>/dev/null || cat >"$HOME/tab"\n')
    (programs / "crontab").chmod(0o755)
    site.project.environ["PATH"] = f"{programs}:{site.project.environ['PATH']}"
    done, _ = site.inv("cron.install", "--json")
    assert done.code == 0, done.out
    (job,) = done.json["hosts"][0]["result"]["jobs"]
    assert "hunter2" not in (site.home / "tab").read_text()
    command = job["line"].removeprefix("0 2 * * * ").replace("\\%", "%")
    ran = subprocess.run(["env", "-i", "sh", "-c", command], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", ""), "nothing for cron to mail"
    assert site.listener.paths == ["/ping/all/start", "/ping/all"]
    (look,) = [line for line in (site.home / "tab").read_text().split("\n") if "cron.catchup" in line]
    command_of_look = " ".join(look.split(" ")[5:]).replace("\\%", "%")
    looked = subprocess.run(["env", "-i", "sh", "-c", command_of_look], capture_output=True, text=True, check=True)
    assert (looked.stdout, looked.stderr) == ("", ""), "nothing was missed"
    (memory,) = (site.home / ".local/state/opslib").glob("*.json")
    assert list(json.loads(memory.read_text())["begun"]) == ["backup.all"]
    (site.project.root / "notes.txt").unlink()
    ran = subprocess.run(["env", "-i", "sh", "-c", command], capture_output=True, text=True, check=False)
    assert "notes.txt could not be backed up" in ran.stdout
    assert site.listener.paths[2:] == ["/ping/all/start", "/ping/all/1", "/alert"]


def test_a_plan_tells_nobody(site):
    done, heard = site.inv("backup.all", "--signal", "--plan")
    assert (done.code, heard) == (2, [])
    assert "with --plan none begins" in done.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_ends_a_task_is_told(site, number):
    site.project.write("tasks.py", SLOW)
    process = subprocess.Popen(
        [*INV, "slow", "--signal"], cwd=site.project.root, env=site.project.environ, stdout=-1, stderr=-1, text=True
    )
    until(lambda: children(process.pid))
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert site.listener.paths == ["/ping/files/start", "/ping/files/130", "/alert"]


def test_what_ends_a_task_before_it_has_begun_is_told(site):
    site.project.write("tasks.py", SLOW)
    site.listener.answer = lambda path: time.sleep(2) or 200 if path.endswith("/start") else 200
    process = subprocess.Popen([*INV, "slow", "--signal"], cwd=site.project.root, env=site.project.environ, stderr=-1)
    until(lambda: site.listener.paths)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert site.listener.paths == ["/ping/files/start", "/ping/files/130", "/alert"]


def until(there):
    deadline = time.monotonic() + 20
    while not there() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert there()
