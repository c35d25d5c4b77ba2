"""Restore on real engines, here and over SSH: what comes back, what is refused, what is undone."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.backup.manifest import seal
from opslib.backup.restore.options import Options
from opslib.backup.restore.steps import steps
from opslib.command import bash
from opslib.run.record import Record
from opslib.settings.model import Host
from opslib.target.connect import connect
from opslib.target.docker import docker, mount, run_in
from opslib.target.transfer import get, put
from tests.conftest import ROOT
from tests.lab.restore_stack import DATABASE, Trial, brought_up, docker_says

pytestmark = pytest.mark.lab
SERVER = "test-restore"  # a server of its own, whose line may be cut


@pytest.fixture(scope="module", params=["local", "ssh"])
def trial(request: pytest.FixtureRequest) -> Iterator[Trial]:
    yield from brought_up(request, Trial)


@pytest.fixture(scope="module")
def saved(trial: Trial) -> tuple[str, dict[str, Any]]:
    """A set, and what the stack held when it was made."""
    good = trial.seen()
    return trial.backup(), good


def worked(record: Record) -> dict[str, Any]:
    assert record.ok, record.hosts[0].error
    return record.hosts[0].result


def refused(record: Record) -> str:
    """The error of a restore that has touched nothing."""
    assert not record.ok
    assert record.hosts[0].steps == []
    return str(record.hosts[0].error["what"]) if record.hosts[0].error else ""


def failed(record: Record) -> str:
    """The error of a restore that has been undone."""
    assert not record.ok
    assert "undo-failed" not in [step.status for step in record.hosts[0].steps], record.hosts[0].error
    return str(record.hosts[0].error["what"]) if record.hosts[0].error else ""


ALL = ["app", "cache", "db", "plain"]


def test_a_whole_set_comes_back_and_so_does_what_it_replaced(trial: Trial, saved: tuple[str, dict[str, Any]]) -> None:
    made, good = saved
    trial.ruin()
    trial.sql("postgres", 'drop owned by "re\'ader $"')
    result = worked(trial.restore(made))
    assert trial.running() == ALL
    assert trial.seen() == good
    assert trial.python("import os; print(os.listdir('/x'))", volume=f"{trial.name}_plain") == "['dump.rdb']"
    left = trial.sql("postgres", "select datname from pg_database where datname like 'opslib%'")
    assert left == []
    names = trial.target.run(bash('ls -A "$1" "$1"/.opslib', trial.target.root)).text
    assert "restore-" not in names
    assert "run.log" not in names

    safety = result["safety_copy"]
    assert trial.restore("latest").hosts[0].result["restore"]["source"].startswith(f"set {made} ")
    worked(trial.restore(safety, kinds=("redis", "volume")))
    assert trial.redis("cache", "get intruder\n") == ["1"]
    assert "intruder" in trial.python("import os; print(os.listdir('/x'))", volume=f"{trial.name}_uploads")
    worked(trial.restore(made[:-2], kinds=("redis", "volume", "sqlite")))
    assert trial.seen() == good


def test_one_artifact_from_this_machine(trial: Trial, saved: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    made, good = saved
    for name in ("manifest.json", *artifacts(trial, made, "redis.cache", "postgres")):
        get(trial.target, trial.path(made, name), tmp_path / name)
    trial.ruin()
    (dump,) = [path for path in tmp_path.iterdir() if path.name.endswith("dump.zst") and "first" not in path.name]
    worked(trial.restore(str(dump)))
    assert trial.rows() == good["rows"][:2]
    assert trial.redis("cache", "get intruder\n") == ["1"]
    worked(trial.restore(str(tmp_path), kinds=("redis",), service="cache"))
    assert trial.redis("cache", "get key:7\n") == ["value"]
    assert trial.redis("plain", "get intruder\n") == ["1"]
    worked(trial.restore(made, kinds=("redis", "volume", "sqlite", "files")))
    assert trial.seen() == good


def artifacts(trial: Trial, made: str, *beginnings: str) -> list[str]:
    names = trial.target.run(bash('ls "$1"', trial.path(made))).lines
    return [name for name in names if name.startswith(beginnings)]


def liar(trial: Trial, made: str, tmp_path: Path, change: Any) -> str:
    """A copy of a set on the machine, with a manifest that was changed; its folder."""
    name = f"liar {os.urandom(3).hex()}"
    trial.target.run(bash('cp -r -- "$1" "$2"', trial.path(made), f"{trial.target.root}/{name}"))
    get(trial.target, trial.path(made, "manifest.json"), tmp_path / "manifest.json")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    change(manifest)
    (tmp_path / "manifest.json").write_bytes(seal(json.dumps(manifest, indent=2).encode() + b"\n"))
    put(trial.target, tmp_path / "manifest.json", f"{trial.target.root}/{name}/manifest.json")
    return f"./{name}"


def test_what_fails_in_the_middle_is_undone(trial: Trial, saved: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    made, good = saved
    folder = liar(trial, made, tmp_path, more_keys)
    trial.redis("plain", "set later 1\n")
    trial.sql(DATABASE, "create table later (x int)")
    assert "in the set" in failed(trial.restore(folder))  # found out by Redis, when all the others are swapped in
    assert trial.redis("plain", "get later\n", "del later\n") == ["1", "1"]
    trial.sql(DATABASE, "select * from later; drop table later")
    assert trial.seen() == good
    assert trial.running() == ALL
    assert trial.sql("postgres", "select datname from pg_database where datname like 'opslib%'") == []

    short = liar(trial, made, tmp_path, lambda manifest: None)
    (name,) = [one for one in artifacts(trial, made, "postgres") if one.endswith("dump.zst") and "first" not in one]
    cut = """cd -- "$1"; chmod 600 "$2"; d=$(zstd -dcq "$2" | wc -c)
      zstd -dcq "$2" | head -c $((d - 700)) | zstd -q >x; mv x "$2"; stat -c %s "$2"; sha256sum <"$2" """
    size, digest = trial.target.run(bash(cut, f"{trial.target.root}/{short}", name)).lines

    def shorter(manifest: dict[str, Any]) -> None:
        for one in manifest["artifacts"]:
            if one["file"] == name:
                one.update(bytes=int(size), sha256=digest.split()[0])

    again = liar(trial, made, tmp_path, shorter)
    copy = 'cp -f -- "$1/$2/$4" "$1/$3/$4"'
    trial.target.run(bash(copy, trial.target.root, short, again, name))
    assert failed(trial.restore(again))
    assert trial.seen() == good
    assert trial.running() == ALL


def more_keys(manifest: dict[str, Any]) -> None:
    for one in manifest["artifacts"]:
        if one["kind"] == "redis" and one["service"] == "plain":
            for entry in one["counts"].values():
                entry["persistent"] += 1
    # the server that lies is the last of all
    manifest["artifacts"].sort(key=lambda one: one["service"] == "plain")


def test_what_is_not_whole_is_refused(trial: Trial, saved: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    made, _ = saved
    (name,) = artifacts(trial, made, "redis.cache")
    folder = liar(trial, made, tmp_path, lambda manifest: None)
    flip = 'cd -- "$1"; chmod 600 -- "$2"; printf x | dd of="$2" bs=1 seek=50 conv=notrunc status=none'
    trial.target.run(bash(flip, f"{trial.target.root}/{folder}", name))
    assert "SHA-256" in refused(trial.restore(folder))
    worked(trial.restore(folder, kinds=("sqlite",)))  # what is whole of it can be used
    assert "version 99" in refused(trial.restore(liar(trial, made, tmp_path, lambda m: m.update(version=99))))
    trial.target.run(bash('rm -f -- "$1/manifest.json"', f"{trial.target.root}/{folder}"))
    assert "manifest" in refused(trial.restore(folder))


def test_into_another_place_overwrites_nothing(trial: Trial, saved: tuple[str, dict[str, Any]]) -> None:
    made, good = saved
    name, volume = """o'ther "$x" ü""", f"{trial.name}_other"
    before = {one.name: one.started_at for one in trial.look().containers}
    try:
        worked(trial.restore(made, kinds=("postgres",), database=DATABASE, into=name))
        assert trial.sql(name, "select count(*) from facts") == trial.sql(DATABASE, "select count(*) from facts")
        assert "is there already" in refused(trial.restore(made, kinds=("postgres",), database=DATABASE, into=name))
        (file,) = artifacts(trial, made, "volume.uploads")
        worked(trial.restore(trial.path(made, file), into=volume))
        assert "dangling" in trial.python("import os; print(os.listdir('/x'))", volume=volume)
        assert "is there already" in refused(trial.restore(trial.path(made, file), into=volume))
        worked(trial.restore(made, kinds=("files",), into="copied 'files'"))
        assert trial.target.run(bash('ls -A "$1"', f"{trial.target.root}/copied 'files'")).lines
        assert "takes one thing" in refused(trial.restore(made, into="several"))
        assert "is there already" in refused(trial.restore(made, kinds=("redis",), service="cache", into=volume))
    finally:
        trial.sql("postgres", f'drop database if exists "{name.replace(chr(34), chr(34) * 2)}"')
        docker_says(trial, "volume", "rm", "-f", volume)
    assert {one.name: one.started_at for one in trial.look().containers} == before
    assert trial.seen() == good


def test_a_set_of_another_host(trial: Trial, saved: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    made, _ = saved
    (file,) = artifacts(trial, made, "volume.uploads")
    volume = f"{trial.name}_copied"
    there = connect(Host(name="staging", path=str(tmp_path), project=f"{trial.name}-x", compose=("compose.yml",)))
    options = Options(trial.path(made, file), into=volume, here=trial.here, origin=trial.target)
    try:
        worked(trial.carry_out("restore.volumes", lambda run: steps(run, options), there))
        assert "dangling" in there.run(run_in(there.host, f"{trial.images}busybox:1", "ls", "/x",
                                              mounts=[mount("volume", volume, "/x")])).lines  # fmt: skip
    finally:
        there.run(docker(there.host, "volume", "rm", "-f", volume))
        there.close()
    assert not list((tmp_path / ".opslib").glob("restore-*"))


def test_a_volume_that_is_gone_is_made_anew(trial: Trial, saved: tuple[str, dict[str, Any]]) -> None:
    made, good = saved
    volume = f"{trial.name}_uploads"
    words = ("volume", "inspect", "--format", "{{json .Labels}}", volume)
    labels = json.loads(docker_says(trial, *words))
    docker_says(trial, "rm", "-f", trial.container("app"))
    docker_says(trial, "volume", "rm", volume)
    worked(trial.restore(made, kinds=("volume", "sqlite")))
    assert json.loads(docker_says(trial, *words)) == labels
    trial.bring_up()
    assert trial.seen() == good


def test_an_engine_that_does_not_start(trial: Trial, saved: tuple[str, dict[str, Any]]) -> None:
    made, good = saved
    docker_says(trial, "stop", trial.container("db"))
    harm = "import os; os.truncate('/x/global/pg_control', 100)"
    trial.python(harm, volume=f"{trial.name}_pg")
    result = worked(trial.restore(made, kinds=("postgres",)))
    assert trial.seen() == good
    assert trial.running() == ALL
    held = artifacts(trial, result["safety_copy"], "volume.pg")
    assert len(held) == 1


CHILD = """
import os, pickle, signal, sys
from opslib.backup.restore.options import Options
from opslib.backup.restore.steps import RECOVERIES, steps
from opslib.backup.take import RECOVERIES as TAKING
from opslib.events import StepStarted
from opslib.run.fleet import carry_out
from opslib.run.task import Task
from opslib.settings.model import Host
from opslib.target.connect import connect
host, file, here = pickle.loads(bytes.fromhex(sys.argv[1]))
def tell(event):
    if isinstance(event, StepStarted): print("step", event.step, flush=True)
target = connect(host, tell)
options = Options(file, here=connect(here))
task = Task("restore", lambda run: steps(run, options), known={**TAKING, **RECOVERIES}, wait=60.0)
record = carry_out(task, [target])
print("ended", record.ok, flush=True)
"""


def begun(trial: Trial, file: str, step: str) -> subprocess.Popen[str]:
    """A restore in a process of its own that has begun the step."""
    given = pickle.dumps((trial.host, file, trial.here.host)).hex()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, given], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ)
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == f"step {step}":
            return child
    raise AssertionError(f"the step {step} was not begun")


@pytest.mark.parametrize("step", ["stop services", "load", "swap", "start services"])
def test_the_controller_is_killed(trial: Trial, saved: tuple[str, dict[str, Any]], step: str) -> None:
    made, good = saved
    trial.redis("plain", "set later 1\n")
    child = begun(trial, made, step)
    child.send_signal(signal.SIGKILL)
    child.wait()
    if step != "swap":  # the data are wholly old or wholly new: the watchdog has the services up by itself
        trial.wait_until(lambda: trial.running() == ALL, 120)
    record = trial.carry_out("anything", lambda run: [])
    assert record.ok, record.hosts[0].error
    assert trial.running() == ALL
    there = step != "start services"  # from there on it goes forward
    assert trial.redis("plain", "get later\n", "del later\n") == (["1", "1"] if there else ["", "0"])
    assert trial.seen() == good
    assert trial.sql("postgres", "select datname from pg_database where datname like 'opslib%'") == []
    assert ".opslib" not in trial.python("import os; print(os.listdir('/x'))", volume=f"{trial.name}_uploads")


@pytest.fixture
def faulty(lab: dict[str, Any], ssh_config: Path) -> Iterator[Trial]:
    """The stack on a server whose line may be cut: nobody else works on it."""
    words = ["server", SERVER, "--images", "busybox,postgres,redis,python,debian", "--yes", "--json"]
    made = subprocess.run([str(ROOT / "scripts/lab"), *words], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    (server,) = [one for one in json.loads(made.stdout)["servers"] if one["name"] == SERVER]
    before = ssh_config.read_text()
    ssh_config.write_text(
        f"{before}Host {SERVER}\n  HostName {server['address']}\n  Port {server['port']}\n  User {server['user']}\n"
        f"  IdentityFile {server['key']}\n  IdentitiesOnly yes\n  UserKnownHostsFile {server['known_hosts']}\n"
    )
    os.environ["OPSLIB_SSH_CONFIG"] = str(ssh_config)
    found = Trial("ssh", lab["images_prefix"], SERVER)
    try:
        found.up()
        yield found
    finally:
        fault("heal")
        found.target.reconnect()
        found.down()
        ssh_config.write_text(before)
        subprocess.run([str(ROOT / "scripts/lab"), "server", SERVER, "--down"], check=True, capture_output=True)


def fault(kind: str) -> None:
    subprocess.run([str(ROOT / "scripts/lab"), "fault", SERVER, kind], check=True, capture_output=True)


def inside(trial: Trial) -> list[str]:
    """The services that run, asked inside the server, whatever the state of the line."""
    label = f"label=com.docker.compose.project={trial.name}"
    words = ["docker", "ps", "--filter", label, "--format", '{{.Label "com.docker.compose.service"}}']
    done = subprocess.run(
        ["docker", "exec", f"opslib-lab-{SERVER}", *words], capture_output=True, text=True, check=True
    )
    return sorted(done.stdout.split())


@pytest.mark.full
def test_the_line_is_cut(faulty: Trial) -> None:
    good, made = faulty.seen(), faulty.backup()
    faulty.ruin()
    bad = faulty.redis("plain", "dbsize\n")

    child = begun(faulty, made, "load")
    fault("cut")
    faulty.wait_until(lambda: inside(faulty) == ALL, 150)  # nothing was overwritten: they run again by themselves
    fault("heal")
    out, _ = child.communicate(timeout=200)
    assert "ended False" in out
    faulty.target.reconnect()
    assert faulty.carry_out("anything", lambda run: []).ok
    assert faulty.redis("plain", "dbsize\n") == bad
    assert faulty.running() == ALL

    child = begun(faulty, made, "swap")
    fault("cut")
    out, _ = child.communicate(timeout=300)
    assert "ended False" in out
    assert "app" not in inside(faulty)  # the data may be half: nobody works on them
    fault("heal")
    faulty.target.reconnect()
    record = faulty.carry_out("anything", lambda run: [])  # the run that follows
    assert record.ok, record.hosts[0].error
    assert faulty.redis("plain", "dbsize\n") == bad
    assert faulty.running() == ALL
    assert faulty.sql("postgres", "select datname from pg_database where datname like 'opslib%'") == []
    worked(faulty.restore(made))
    assert faulty.seen() == good


def test_a_plan_names_everything_and_does_nothing(trial: Trial, saved: tuple[str, dict[str, Any]]) -> None:
    made, good = saved
    planned = trial.plan(made)
    shown = planned["restore"]
    titles = {item["title"] for item in shown["items"]}
    assert {f"postgres db/{DATABASE}", "redis cache/cache", "volume uploads"} <= titles
    assert shown["stops"] == ["app"]
    (item,) = [item for item in shown["items"] if item["title"] == f"postgres db/{DATABASE}"]
    held, _, made_from = item["then"].partition(", of postgres 15.")
    assert item["now"] == held == "3 tables, 3,500 rows"
    assert made_from.partition(" ")[2].startswith(f"in {trial.images}postgres:15 on a")
    names = [one["step"] for one in planned["plan"]]
    assert names[:2] == ["backup.prepare", "stop services"]
    assert {"load", "swap"} <= set(names)
    assert trial.running() == ALL
    assert trial.seen() == good
