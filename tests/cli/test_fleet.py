"""Several hosts in one call: each is for itself, and none hides another. They are folders of this machine, so that no
engine and no server is needed."""

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.cli.conftest import INV
from tests.cli.test_calls import LEAD

OWN = """
import opslib
from opslib.tasks._task import task

ns = opslib.namespace()


def look(run, call):
    if run.host == "b":
        raise KeyError("x")
    run.result["seen"] = True


@task("clumsy", needs="nothing")
def clumsy(call):
    '''Break on one host.'''
    return call.look(lambda run: look(run, call))


@task("here", needs="nothing")
def here(call):
    '''The same for this machine.'''
    return call.here(lambda name: (False, {"seen": 1 // (name != "b")}))


@task("agree", options=("plan", "yes"), needs="nothing")
def agree(call):
    '''Ask on each host at once.'''
    return call.look(lambda run: run.result.update(agreed=call.confirm(f"Go on with {run.host}?") is None))


ns.add_task(clumsy)
ns.add_task(here)
ns.add_task(agree)
"""
CRONTAB = '#!/bin/sh\n[ "$1" = -l ] && { cat "$HOME/tab" 2>/dev/null; exit 0; }; cat >"$HOME/tab"\n'


class Fleet:
    """A project whose hosts are folders beside it, all with one store."""

    def __init__(self, project, folder):
        self.project, self.folder = project, folder
        (project.root / "compose.yml").unlink()
        (folder / "nas").mkdir()
        self.host("a")
        self.host("b")

    def host(self, name, more=""):
        """A host with a file to back up, and what else its host file says."""
        (self.folder / name / "docs").mkdir(parents=True, exist_ok=True)
        (self.folder / name / "docs/x").write_text(f"of {name}")
        store = f"{{url: {self.folder}/nas, name: nas}}"
        text = (
            f"path: {self.folder}/{name}\ngroups: [web]\nbackup:\n  sources: [{{files: [docs]}}]\n  stores: [{store}]\n"
        )
        self.project.write(f"hosts/{name}.yml", text + more)

    def unreachable(self, name):
        self.project.write("ssh_config", "Host *\n  ConnectTimeout 5\n  UserKnownHostsFile /dev/null\n")
        self.project.environ["OPSLIB_SSH_CONFIG"] = str(self.project.root / "ssh_config")
        self.project.write(f"hosts/{name}.yml", "address: x@127.0.0.1:1\nbackup: {sources: [{files: [docs]}]}\n")

    def inv(self, task, *args, hosts="@all", code=0):
        """Each host's part of the record, by name."""
        done = self.project.inv(task, "--host", hosts, *args, "--json")
        assert done.code == done.json["exit"] == code, done.out
        return {one["host"]: one for one in done.json["hosts"]}

    def shown(self, task, *args, hosts="@all"):
        """What a person sees: all of it, and the table's rows as words, by host."""
        done = self.project.inv(task, "--host", hosts, *args)
        assert "\n\n" in done.out.rstrip("\n"), done.out + done.err
        table = done.out.rstrip("\n").rsplit("\n\n", 1)[1].split("\n")
        assert table[0].startswith("HOST")
        return done.out + done.err, {line.split()[0]: line.split()[1:] for line in table[1:]}


@pytest.fixture
def fleet(project, tmp_path):
    return Fleet(project, tmp_path)


TOGETHER = """
import opslib
from opslib.errors import OpsError
from opslib.run.step import Step
from opslib.tasks._rollout import rollout
from opslib.tasks._show import released
from opslib.tasks._task import task

ns = opslib.namespace()


def steps(run):
    def do(run, memo):
        if run.host == "b":
            raise OpsError("no luck")
        run.result.update(release="r", strategy={"services": {}}, gap_seconds=0)
    return [Step("ahead", lambda run: {}, do), Step("switch", lambda run: {}, lambda run, memo: None, switches=True)]


def live(run):
    return {"release": f"of {run.host}", "strategy": "recreate"}


@task("work", changes=True, together=True, needs="nothing",
      help={"batch": "b", "max_failures": "m", "keep_going": "k"})
def work(call, batch=None, max_failures=None, keep_going=False):
    '''Work on all of them together.'''
    order = rollout(call, batch, max_failures, keep_going, turns=True)
    return call.carry_out(steps, show=released, rollout=order, live=live)


ns.add_task(work)
"""


def test_hosts_that_belong_together_and_cannot_all_be_reached(fleet):
    fleet.project.write("tasks.py", TOGETHER)
    fleet.host("c")
    fleet.unreachable("d")
    none = fleet.inv("work", hosts="a,c,d", code=1)
    assert codes(none)["a"] == "not begun, because d could not be reached"
    assert not (fleet.folder / "a/.opslib").exists()
    for words, hosts in ((["--max-failures", "1"], "a,c,d"), (["--keep-going"], "@web,d")):
        done = fleet.inv("work", *words, hosts=hosts, code=1)
        assert [done[name]["ok"] for name in "acd"] == [True, True, False]
        assert done["a"]["result"]["live"] == {"state": "new", "release": "of a", "strategy": "recreate"}
        assert done["d"]["result"]["live"] == {"state": "unknown"}
        assert "127.0.0.1" in codes(done)["d"]
    assert codes(done)["b"] == "no luck"
    done = fleet.inv("work", "--max-failures", "1", hosts="@web,d", code=1)
    assert [codes(done)[name] for name in "abc"] == [
        "undone because b failed", "no luck", "undone because b failed",
    ]  # fmt: skip
    text, rows = fleet.shown("work", "--max-failures", "2", hosts="@web,d")
    assert rows["a"][:6] == ["changed", "of", "a", "recreate", "new", rows["a"][5]]
    assert rows["b"][:6] == ["failed", "of", "b", "recreate", "as", "before"]
    assert rows["d"][:2] == ["failed", "unknown"]
    assert "b: no luck" in text


def test_the_turns_of_a_plan_and_what_says_how_large_they_are(fleet):
    fleet.project.write("tasks.py", TOGETHER)
    for name in "cdef":
        fleet.host(name)

    def turns(*words):
        return [one["result"]["turn"] for one in fleet.inv("work", "--plan", *words, hosts="@web").values()]

    assert turns() == [1, 2, 3, 4, 5, 6]
    assert turns("--batch", "3") == [1, 2, 2, 2, 3, 3]
    fleet.project.write("hosts/_defaults.yml", "deploy: {batch: 50%}\n")
    assert turns() == [1, 2, 2, 2, 3, 3]
    fleet.host("e", "deploy: {batch: 2}\n")
    assert turns() == [1, 2, 2, 3, 3, 4], "the smallest counts"
    assert turns("--batch", "100%") == [1, 2, 2, 2, 2, 2]
    _, rows = fleet.shown("work", "--plan", "--batch", "5", hosts="@web")
    assert [words[1] for words in rows.values()] == list("122222")
    for words in (["--batch", "0"], ["--max-failures", "-1"], ["--keep-going", "--max-failures", "1"]):
        fleet.inv("work", *words, hosts="a", code=2)


def newest(fleet):
    return {name: one["result"]["sets"][-1]["id"] for name, one in fleet.inv("backup.list").items()}


def codes(hosts):
    return {name: (one["error"] or {}).get("what", "").split("\n")[0] for name, one in hosts.items()}


def test_every_task_of_backups_takes_all_hosts(fleet):
    made = fleet.inv("backup", "--yes")
    assert list(made) == ["a", "b"]
    kept = {name: one["result"]["set"] for name, one in made.items()}
    assert [(fleet.folder / name / "backups" / kept[name]).is_dir() for name in "ab"] == [True, True]
    for task, *args in (
        ["backup.list"], ["backup.show"], ["backup.verify"], ["backup.verify", "--depth", "digest"],
        ["backup.verify", "--store", "nas"], ["backup.drill"], ["backup.coverage"], ["backup.push"], ["backup.pull"],
        ["backup.prune", "--yes"], ["backup.prune", "--store", "nas", "--yes"], ["backup.files"],
    ):  # fmt: skip
        done = fleet.inv(task, *args)
        assert [(one["ok"], one["error"]) for one in done.values()] == [(True, None)] * 2, (task, done)
    _, rows = fleet.shown("backup.verify")
    assert {name: words[:3] for name, words in rows.items()} == {
        name: ["ok", set_id, "content"] for name, set_id in newest(fleet).items()
    }
    planned = fleet.inv("backup", "--plan")
    assert all(one["result"]["plan"] for one in planned.values())


def test_what_goes_wrong_on_one_host_hides_no_other(fleet):
    fleet.host("c", "depoly: {}\n")
    fleet.host("d")
    (fleet.folder / "d/docs/x").unlink()
    (fleet.folder / "d/docs").rmdir()
    fleet.unreachable("e")
    fleet.host("f", "compose: [stack.yml]\ndocker: [/none/docker]\n")
    fleet.project.write("stack.yml", "services: {}\n")
    made = fleet.inv("backup", "--yes", code=1)
    assert list(made) == list("abcdef"), "in their order"
    said = codes(made)
    assert (said["a"], said["b"]) == ("", "")
    assert said["c"].startswith("hosts/c.yml:6: unknown key 'depoly'")
    assert "docs" in said["d"]
    assert "127.0.0.1" in said["e"]
    assert "Docker is not installed" in said["f"]
    assert all((fleet.folder / name / "backups" / made[name]["result"]["set"]).is_dir() for name in "ab")
    text, rows = fleet.shown("backup", "--yes")
    assert [rows[name][0] for name in "abcdef"] == ["changed", "changed", *["failed"] * 4]
    assert "c: hosts/c.yml:6: unknown key" in text
    looked = fleet.inv("backup.list", code=1)
    assert [bool(one["result"].get("sets")) for one in looked.values()] == [True, True, *[False] * 4]
    assert looked["d"]["ok"] is True, "it has none, which is no error"


def test_this_machine_among_others_has_no_key_to_trust(fleet):
    fleet.unreachable("c")
    done = fleet.inv("host.trust", "--plan", code=1)
    assert [done[name]["result"] for name in "ab"] == [{"keys": []}] * 2
    assert "127.0.0.1" in codes(done)["c"]


def test_the_exit_code_of_several(fleet):
    assert fleet.inv("backup", hosts="a")["a"]["ok"]
    fleet.inv("backup.coverage", hosts="a,b", code=3)
    fleet.inv("backup.coverage", hosts="a", code=0)
    fleet.host("c", "oops: 1\n")
    fleet.inv("backup.coverage", hosts="a,c", code=2)
    mixed = fleet.inv("backup.coverage", hosts="a,b,c", code=1)
    assert [one["ok"] for one in mixed.values()] == [True, False, False]
    fleet.unreachable("d")
    fleet.inv("backup.coverage", hosts="b,d", code=1)
    held = (fleet.folder / "b/.opslib").is_dir()
    assert not held, "nobody has written there"


def test_groups_and_names_together_are_each_once(fleet):
    assert list(fleet.inv("backup.list", hosts="b,@web,@all,a")) == ["b", "a"]
    done = fleet.project.inv("backup.list", "--host", "@none")
    assert (done.code, "unknown group 'none'" in done.err) == (2, True)
    fleet.project.write("hosts/local.yml", f"path: {fleet.folder}/a\nbackup: {{sources: [{{files: [docs]}}]}}\n")
    assert list(fleet.inv("backup.list")) == ["a", "b", "local"]
    fleet.project.write("hosts/local.yml", "what: 1\n")  # the tools image comes from this machine, and is not needed
    assert [one["ok"] for one in fleet.inv("backup", "--yes", code=2).values()] == [True, True, False]


def test_what_belongs_together_begins_nowhere(fleet):
    fleet.project.write("compose.yml", "services: {}\n")
    fleet.host("c", "oops: 1\n")
    done = fleet.project.inv("deploy", "--host", "a,c", "--json")
    assert done.code == 2
    assert [one["error"]["what"] for one in done.json["hosts"]] == ["hosts/c.yml:6: unknown key 'oops'; " + rest(done)]
    assert not (fleet.folder / "a/.opslib").exists()


def rest(done):
    return done.json["hosts"][0]["error"]["what"].partition("; ")[2]


def test_cron_has_lines_for_each_and_one_of_them_fails(fleet):
    program = fleet.project.write("bin/crontab", CRONTAB)
    program.chmod(0o755)
    fleet.project.environ |= {"HOME": str(fleet.folder), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    for name in "ab":
        fleet.host(name, "  random_delay: 6h\n")
    fleet.host("c", "  schedule: {all: '0 0 30 2 *'}\n")
    done = fleet.inv("cron.install", code=2)
    assert "there is no such day" in codes(done)["c"]
    tab = (fleet.folder / "tab").read_text()
    lines = re.findall(r"^0 2 \* \* \* log=.+?; flock -s .+? sleep (\d+); .* backup\.all --host (.)", tab, re.MULTILINE)
    assert [host for _, host in lines] == ["a", "b"]
    assert lines[0][0] != lines[1][0], "they do not begin at once"
    _, rows = fleet.shown("cron.show", hosts="@all")
    assert {name: words[:2] for name, words in rows.items()} == {
        "a": ["ok", "1"],
        "b": ["ok", "1"],
        "c": ["ok", "none"],
    }
    assert [one["changed"] for one in fleet.inv("cron.remove", "--yes").values()] == [True, True, False]
    assert "opslib" not in (fleet.folder / "tab").read_text()


def test_signals_are_tried_for_each(fleet):
    (fleet.folder / "metrics").mkdir()
    fleet.host("a", f"  signals: {{metrics: {fleet.folder}/metrics}}\n")
    fleet.host("c", f"  signals: {{metrics: {fleet.folder}/none}}\n")
    done = fleet.inv("signals.test", code=1)
    assert codes(done)["a"] == ""
    assert "names no `backup: signals:`" in codes(done)["b"]
    assert "nobody would hear" in codes(done)["c"]
    fleet.inv("signals.test", hosts="a,c", code=3)


@pytest.mark.parametrize("task", ["clumsy", "here"])
def test_a_mistake_of_ours_on_one_host_hides_no_other(fleet, task):
    fleet.project.write("tasks.py", OWN)
    done = fleet.inv(task, code=1)
    assert done["a"]["result"]["seen"]
    assert "unexpected" in codes(done)["b"]
    assert "--host b --debug" in done["b"]["error"]["next"]


def at_a_terminal(fleet, args, question, answers):
    """Call it with a person who gives one answer after the other: the hosts, the exit code, how often it asked."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", LEAD, *INV, *args, "--host", "@all", "--json"], cwd=fleet.project.root,
        env=fleet.project.environ, stdin=follower, stdout=subprocess.PIPE, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    shown, answered = b"", 0
    with suppress(OSError):  # the end of a terminal
        while data := os.read(leader, 4096):
            shown += data
            if shown.count(question) > answered:
                answered += 1
                assert shown.count(question) == answered, "the next one waits for its turn"
                os.write(leader, answers[answered - 1])
    out, _ = process.communicate(timeout=20)
    os.close(leader)
    return json.loads(out)["hosts"] if out else [], process.returncode, answered


def test_questions_stand_one_after_the_other(fleet):
    fleet.project.write("tasks.py", OWN)
    hosts, code, asked = at_a_terminal(fleet, ["agree"], b"[y/N] ", [b"y\n", b"n\n"])
    assert sorted(one["result"].get("agreed", False) for one in hosts) == [False, True]
    assert (code, asked) == (5, 2)


def test_a_key_is_typed_once_for_all_hosts(fleet):
    key = fleet.project.inv("backup.key", "--json").json["hosts"][0]["result"]
    for name in "ab":
        fleet.host(name, f"  encrypt_to: {key['recipient']}\n")
    fleet.inv("backup")
    typed = [f"{key['identity']}\n".encode()]
    hosts, code, asked = at_a_terminal(fleet, ["backup.drill"], b"AGE-SECRET-KEY-1\xe2\x80\xa6", typed)
    assert ([one["ok"] for one in hosts], code, asked) == ([True, True], 0, 1)


def test_ctrl_c_ends_a_question_of_several_hosts(fleet):
    key = fleet.project.inv("backup.key", "--json").json["hosts"][0]["result"]
    for name in "ab":
        fleet.host(name, f"  encrypt_to: {key['recipient']}\n")
    fleet.inv("backup")
    hosts, code, _ = at_a_terminal(fleet, ["backup.drill"], b"AGE-SECRET-KEY-1\xe2\x80\xa6", [b"\x03", b"\x03"])
    assert ([one["ok"] for one in hosts], code) == ([False, False], 130)
