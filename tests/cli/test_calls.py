"""How calls end: exit codes, errors, the JSON object. None of it needs an engine."""

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.cli.conftest import INV

OWN = """
import opslib
from opslib.command import command
from opslib.tasks._task import task

ns = opslib.namespace()


@task("boom", needs="nothing")
def boom(call):
    '''Break.'''
    raise KeyError("x")


@task("sleep", needs="nothing")
def sleep(call):
    '''Work until somebody interrupts.'''
    return call.look(lambda run: run.target.run(command("sleep", "60")))


@task("drop", options=("plan", "yes"), needs="nothing")
def drop(call):
    '''Ask.'''
    call.destructive()
    return call.here(lambda name: (call.confirm("Really?") is None, {}))


ns.add_task(boom)
ns.add_task(sleep)
ns.add_task(drop)
"""


def only_host(done):
    (host,) = done.json["hosts"]
    return host


# -- settings, exit 2


def test_an_unknown_host_has_its_nearest_name_offered(project):
    project.write("hosts/prod.yml", "address: deploy@203.0.113.7\n")
    done = project.inv("deploy", "--host", "prdo")
    assert done.code == 2
    assert "did you mean 'prod'" in done.err
    assert "next: cp hosts/example.yml" in done.err
    assert done.out == ""


def test_a_mistake_in_a_host_file_names_the_line(project):
    project.write("hosts/prod.yml", "address: deploy@203.0.113.7\ndepoly: {}\n")
    done = project.inv("ps", "--host", "prod", "--json")
    assert done.code == done.json["exit"] == 2
    assert only_host(done)["error"]["what"].startswith("hosts/prod.yml:2")
    assert done.json["ok"] is only_host(done)["ok"] is False


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["deploy", "--wait", "soon"], "--wait"),
        (["deploy", "--env", "both"], "--env 'both': expected here or there"),
        (
            ["deploy", "--strategy", "roll"],
            "--strategy 'roll': expected recreate, rolling, blue-green, canary or swarm",
        ),
        (["deploy", "--weight", "0"], "--weight: deploy.weight: expected a share of the requests in percent, 1 to 99"),
        (["deploy", "--strategy", "canary", "--hold", "soon"], "--hold: deploy.hold: expected a duration"),
        (["deploy", "--weight", "10"], "--weight goes with the strategy canary, and it is recreate"),
        (["deploy", "--strategy", "rolling", "--hold", "5m"], "--hold goes with the strategy canary or blue-green"),
        (["rollback", "--strategy", "canary"], "--strategy 'canary': expected recreate, rolling or blue-green"),
        (["rollback", "--strategy", ""], "--strategy '': expected recreate, rolling or blue-green"),
        (["logs", "--tail", "x"], "--tail 'x': expected a number of lines"),
        (["logs", "--follow", "--json"], "--follow has no end"),
        (["restore"], "restore.all needs --file"),
        (["restore", "--bare"], "restore.all needs --file"),
        (["restore", "--file", "latest", "--files", "set"], "--files goes with --bare"),
        (["restore", "--bare", "--file", "latest", "--into", "x"], "leave --into out"),
        (["restore", "--bare", "--file", "latest", "--files", "there"], "expected here or set"),
        (["ps", "--host", "@web"], "unknown group 'web'"),
        (["host.trust"], "is this machine"),
        (["backup.push"], "its host file names no store"),
        (["backup.pull", "--store", "nas"], "its host file names no store"),
        (["backup.prune", "--store", "nas", "--yes"], "its host file names no store"),
        (["backup.verify", "--store", "nas"], "its host file names no store"),
    ],
)
def test_bad_values(project, args, said):
    done = project.inv(*args)
    assert done.code == 2
    assert said in (done.err or done.out)


def test_a_parse_error_is_invokes(project):
    done = project.inv("deploy", "--hots", "x")
    assert (done.code, done.out) == (1, "")


# -- no stack


@pytest.mark.parametrize("task", ["deploy", "build", "ps", "backup", "cron.install"])
def test_where_no_stack_is_two_lines_say_so(project, task):
    (project.root / "compose.yml").unlink()
    done = project.inv(task)
    assert done.code == 2
    assert done.err.count("\n") == 2
    assert done.err.startswith(f"local: no stack here: {project.root} has no compose file")


def test_where_stacks_stand_below_it_says_where(project):
    (project.root / "compose.yml").unlink()
    project.write("examples/rag/tasks.py", "")
    assert "next: cd examples/rag\n" in project.inv("deploy").err


# -- build


@pytest.mark.parametrize(
    "words, said",
    [
        (["build", "--on", "moon"], "--on 'moon': expected local or remote"),
        (["build", "--platform", "arm"], "--platform 'arm': expected a platform like linux/amd64"),
        (["build.sizes", "--service", ","], "--service ',': expected a service's name"),
    ],
)
def test_a_build_of_what_is_none(project, words, said):
    done = project.inv(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


# -- restore's host


def test_restore_never_takes_its_host_from_the_environment(project):
    project.write("hosts/prod.yml", "address: deploy@203.0.113.7\n")
    for environ in ({"OPSLIB_HOST": "prod"}, {}):
        if not environ:
            project.write(".env", "OPSLIB_HOST=prod\n")
        done = project.inv("restore", "--file", "latest", "--yes", **environ)
        assert done.code == 2
        assert "restore.all does not take its host from OPSLIB_HOST (prod)" in done.err
        assert "inv restore.all --host prod" in done.err


def test_restore_takes_one_host(project):
    project.write("hosts/prod.yml", "address: deploy@203.0.113.7\n")
    done = project.inv("restore", "--file", "latest", "--host", "local,prod")
    assert (done.code, "takes one host, not 2" in done.err) == (2, True)


# -- questions, exit 5


def test_a_destructive_task_refuses_without_a_terminal(project):
    done = project.inv("restore", "--file", "latest", "--json")
    assert done.code == done.json["exit"] == 5
    assert "--yes" in only_host(done)["error"]["next"]


@pytest.fixture
def terminal(project):
    """`inv drop` at a terminal: what is typed before the question, the answer -> exit code."""
    project.write("tasks.py", OWN)

    def run(before, answer):
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", LEAD, *INV, "drop"], cwd=project.root, env=project.environ,
            stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        os.write(leader, before)
        shown = b""
        with suppress(OSError):  # the end of a terminal
            while data := os.read(leader, 4096):
                shown += data
                if b"[y/N] " in shown and answer:
                    os.write(leader, answer)
                    answer = b""
        os.close(leader)
        return process.wait(20)

    return run


# Makes the terminal on standard input the session's own, so that its Ctrl-C is a signal, and one that counts: the tests
# may run in the background of a shell, where it is ignored.
LEAD = """import fcntl, os, signal, sys, termios; signal.signal(signal.SIGINT, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"""


@pytest.mark.parametrize(
    ("before", "answer", "code"), [(b"", b"y\n", 0), (b"", b"n\n", 5), (b"y\n", b"\n", 5), (b"", b"\x03", 130)]
)
def test_a_terminal_is_asked(terminal, before, answer, code):
    assert terminal(before, answer) == code


# -- interruption, exit 130


@pytest.mark.parametrize("args", [["sleep"], ["sleep", "--json"]])
def test_ctrl_c(project, args):
    project.write("tasks.py", OWN)
    process = subprocess.Popen(
        [*INV, *args], cwd=project.root, env=project.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 20
    while not (running := children(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted" in (out if "--json" in args else err)
    if "--json" in args:
        assert json.loads(out)["exit"] == 130
    assert running
    assert not any(os.path.exists(f"/proc/{pid}") for pid in running), "what it had started is gone too"


def children(pid):
    """The processes that it has started."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:
            found += [int(word) for word in file.read().split()]
    return found


# -- connections


def test_no_connection_is_an_error_of_that_host(project, tmp_path):
    ssh_config = project.write("ssh_config", "Host *\n  ConnectTimeout 5\n  UserKnownHostsFile /dev/null\n")
    project.write("hosts/a.yml", "address: x@127.0.0.1:1\n")
    looked = project.inv("host.check", "--host", "a,local", "--json", OPSLIB_SSH_CONFIG=str(ssh_config))
    assert looked.code == looked.json["exit"] == 1
    first, second = looked.json["hosts"]
    assert (first["host"], first["ok"], second["host"]) == ("a", False, "local")
    assert "nothing listens" in first["error"]["what"] or "refused" in first["error"]["what"]
    assert second["error"] is None or second["result"]["findings"]
    changed = project.inv("deploy", "--host", "a,local", OPSLIB_SSH_CONFIG=str(ssh_config))
    assert changed.code == 1
    assert "local: not begun, because a could not be reached\n  left as it was: everything" in changed.err


# -- what nobody foresaw


def test_a_bug_is_one_line_and_debug_shows_where(project):
    project.write("tasks.py", OWN)
    done = project.inv("boom")
    assert done.code == 1
    assert done.err.count("\n") == 2
    assert "unexpected KeyError in tasks.py:12: 'x'" in done.err
    assert "--debug" in done.err
    shown = project.inv("boom", "--debug")
    assert 'raise KeyError("x")' in shown.err
    assert project.inv("boom", "--json").json["exit"] == 1


def test_debug_shows_the_commands(project):
    done = project.inv("host.check", "--debug")
    assert "$ bash -c" in done.out


# -- a whole round without an engine: files and SQLite on this machine


@pytest.fixture
def data(project):
    (project.root / "compose.yml").unlink()
    project.write("hosts/local.yml", "backup: {sources: [{sqlite: app.db}, {files: [uploads]}]}\n")
    project.write("uploads/a b.txt", "old")
    with sqlite3.connect(project.root / "app.db") as db:
        db.execute("create table t (x)")
        db.executemany("insert into t values (?)", [(n,) for n in range(10)])
    return project


def test_prune_says_which_rule_keeps_each_set(data):
    made = [only_host(data.inv("backup", "--json"))["result"]["set"] for _ in range(3)]
    data.write("hosts/local.yml", "backup: {sources: [{files: [uploads]}], keep: {last: 1, yearly: 1}}\n")
    plan = data.inv("backup.prune", "--plan")
    assert plan.code == 0, plan.err
    assert [f"REMOVE  {one}" in plan.out for one in made] == [True, True, False]
    assert f"keep    {made[2]}  it is the newest" in plan.out
    assert data.inv("backup.prune").code == 5
    done = data.inv("backup.prune", "--yes")
    assert (done.code, "2 sets removed, 1 stay" in done.out) == (0, True)
    assert only_host(data.inv("backup.list", "--json"))["result"]["sets"][0]["id"] == made[2]


def test_coverage_says_what_is_not_protected_and_what_to_type(data):
    assert data.inv("backup.files").code == 0
    done = data.inv("backup.coverage")
    assert done.code == 3
    first, second = done.out.split("\n")[1:3]
    assert first.split()[:4] == ["sqlite", "app.db", "NOT", "PROTECTED"]
    assert second.split()[:3] == ["files", "uploads", "protected"]
    assert "sqlite app.db: it is in no set yet\n  inv backup.all --host local\n" in done.out
    assert "1 not protected: sqlite app.db" in done.err
    assert data.inv("backup").code == 0
    result = only_host(data.inv("backup.coverage", "--json"))["result"]
    assert (result["protected"], result["unprotected"], result["project"]) == (2, 0, data.root.name)
    assert {one["what"]: one["state"] for one in result["coverage"]} == {
        "sqlite app.db": "protected", "files uploads": "protected",
    }  # fmt: skip


def test_backup_and_restore_without_an_engine(data):
    made = data.inv("backup", "--json")
    assert made.code == 0, made.out
    host = only_host(made)
    assert (made.json["task"], made.json["ok"], host["host"], host["changed"]) == ("backup.all", True, "local", True)
    assert {"name", "status", "seconds"} <= set(host["steps"][0])
    assert made.json["seconds"] > 0
    ident = host["result"]["set"]
    assert ident in data.inv("backup.list", cwd="uploads").out
    assert "app.db" in data.inv("backup.show", "--set", ident).out
    proofs = {"manifest": "with its length", "digest": "was not read", "content": "read to its end"}
    for depth, said in proofs.items():
        shown = data.inv("backup.verify", "--depth", depth)
        assert shown.code == 0 and said in shown.out
    drill = data.inv("backup.verify", "--depth", "restore")
    assert drill.code == 0, drill.err
    assert f"the set {ident} can be restored" in drill.out
    assert "expected manifest, digest, content or restore" in data.inv("backup.verify", "--depth", "deep").err
    assert "leave --set out" in data.inv("backup.drill", "--random", "--set", "latest").err
    (data.root / "uploads/a b.txt").write_text("new")
    with sqlite3.connect(data.root / "app.db") as db:
        db.execute("delete from t")
    plan = data.inv("restore", "--file", "latest", "--plan")
    assert plan.code == 0, plan.err
    assert (data.root / "uploads/a b.txt").read_text() == "new"
    done = data.inv("restore", "--file", "latest", "--yes")
    assert done.code == 0, done.err
    assert (data.root / "uploads/a b.txt").read_text() == "old"
    with sqlite3.connect(data.root / "app.db") as db:
        assert db.execute("select count(*) from t").fetchone() == (10,)
    assert "to go back: inv restore --file" in done.out.strip().split("\n")[-1]


def test_an_encrypted_set_from_the_key_to_the_restore(data):
    key = data.root.parent / "key.txt"
    made = data.inv("backup.key", "--out", str(key))
    assert made.code == 0, made.err
    assert "AGE-SECRET-KEY" not in made.out + made.err
    assert key.stat().st_mode & 0o777 == 0o600
    again = data.inv("backup.key", "--out", str(key))
    assert again.code == 2 and "File exists" in again.err
    shown = data.inv("backup.key", "--json").json["hosts"][0]["result"]
    assert shown["identity"].startswith("AGE-SECRET-KEY-1")
    (public,) = re.findall(r"age1\w+", made.out)
    text = f"backup: {{sources: [{{sqlite: app.db}}, {{files: [uploads]}}], encrypt_to: {public}}}\n"
    data.write("hosts/local.yml", text)
    backup = data.inv("backup")
    assert backup.code == 0, backup.err
    assert "encrypted" in data.inv("backup.list").out
    assert f"encrypted to {public}" in data.inv("backup.show").out
    blind = data.inv("backup.verify")
    assert blind.code == 0 and "--identity FILE reads them" in blind.out
    assert "digest and python" in data.inv("backup.verify", "--identity", str(key)).out
    (data.root / "uploads/a b.txt").write_text("new")
    refused = data.inv("restore", "--file", "latest", "--yes")
    assert refused.code == 2
    assert "is encrypted, and nothing says with which identity" in refused.err
    wrong = data.inv("restore", "--file", "latest", "--yes", OPSLIB_AGE_IDENTITY=shown["identity"])
    assert wrong.code == 2 and public in wrong.err and shown["identity"] not in wrong.err
    assert (data.root / "uploads/a b.txt").read_text() == "new"
    done = data.inv("restore", "--file", "latest", "--yes", OPSLIB_AGE_IDENTITY_FILE=str(key))
    assert done.code == 0, done.err
    assert (data.root / "uploads/a b.txt").read_text() == "old"
    data.write("hosts/local.yml", text.replace(public, "age1nothing"))
    bad = data.inv("backup")
    assert bad.code == 2
    assert "expected a public key of age like age1…" in bad.err
