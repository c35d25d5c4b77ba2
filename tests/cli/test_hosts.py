"""host.check, host.list, host.run and host.init as a person types them: on this machine, and over SSH to throwaway
servers."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest

from tests.cli.conftest import INV
from tests.cli.test_calls import children
from tests.target.sshd import Sshd, new_key, public

HOSTILE = ["a  b", "'", '"', "$HOME", "`id`", "-rf", "é☃", ";exit 7", "*", "\\", "--", "--host", "x", ""]


@pytest.fixture
def several(project):
    """Three hosts, folders of this machine."""
    (project.root / "compose.yml").unlink()
    for name in ("a", "b", "c"):
        project.write(f"hosts/{name}.yml", f"path: /tmp/{name}\ngroups: [web]\n")
    return project


@pytest.fixture
def remote(project, tmp_path):
    """Servers that know our key, and an ssh_config that knows none of them."""
    new_key(tmp_path / "id")
    config = tmp_path / "ssh_config"
    config.write_text(
        f"UserKnownHostsFile {tmp_path}/known\nGlobalKnownHostsFile none\nIdentityFile {tmp_path}/id\nHashKnownHosts no\n"
    )
    project.environ |= {"OPSLIB_SSH_CONFIG": str(config)}
    project.environ.pop("SSH_AUTH_SOCK", None)
    running = []

    def start(**settings):
        running.append(Sshd(tmp_path / f"sshd{len(running)}", [tmp_path / "id"], **settings))
        return running[-1]

    yield project, start, tmp_path / "known"
    for server in running:
        server.stop()


# -- host.run


def test_each_word_arrives_as_it_was_typed(project):
    done = project.inv("host.run", "--", "printf", "%s\\0", *HOSTILE)
    assert (done.code, done.out.rstrip("\n").split("\0")[:-1]) == (0, HOSTILE)


def test_over_ssh_too(remote):
    project, start, known = remote
    server = start()
    known.write_text(server.known_line())
    project.write("hosts/prod.yml", f"address: {server.address}\n")
    done = project.inv("host.run", "--host", "prod", "--json", "--", "printf", "%s\\0", *HOSTILE)
    (host,) = done.json["hosts"]
    assert host["result"]["out"].split("\0")[:-1] == HOSTILE
    assert host["round_trips"] == 1


def test_the_exit_code_is_the_commands_own(project):
    done = project.inv("host.run", "--", "bash", "-c", "echo out; echo err >&2; exit 7")
    assert (done.code, done.out) == (7, "out\nerr\n")
    assert "ended with 7" in done.err
    done = project.inv("host.run", "--json", "--", "bash", "-c", "echo out; echo err >&2; exit 7")
    (host,) = done.json["hosts"]
    assert (done.code, done.json["exit"]) == (7, 7)
    assert host["result"] == {"code": 7, "out": "out\n", "err": "err"}
    assert project.inv("host.run", "--", "no-such-program").code == 127
    assert project.inv("host.run", "--", "false").code == 1


def test_nothing_to_run(project):
    for words in (["host.run"], ["host.run", "--"], ["host.run", "uptime"]):
        done = project.inv(*words)
        assert done.code in (1, 2), words  # Invoke takes the last for the name of a task
        assert done.out == ""
    assert "next: inv host.run --host NAME -- uptime" in project.inv("host.run").err


def test_many_hosts_each_with_its_output(several):
    done = several.inv("host.run", "--host", "@web", "--", "sh", "-c", 'printf "one\\ntwo"')
    assert done.code == 0
    for name in ("a", "b", "c"):
        assert [line for line in done.out.splitlines() if line.startswith(f"{name} │")] == [
            f"{name} │ one",
            f"{name} │ two",
        ]
    record = several.inv("host.run", "--host", "@web", "--json", "--", "sh", "-c", "exit 3").json
    assert (record["exit"], [one["result"]["code"] for one in record["hosts"]]) == (3, [3, 3, 3])


def test_much_output_is_kept_to_its_end(project):
    done = project.inv("host.run", "--json", "--", "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo end")
    out = done.json["hosts"][0]["result"]["out"]
    assert (len(out), out[-4:]) == (1024 * 1024, "end\n")


def test_ctrl_c_ends_what_runs_and_waits_for_no_host_that_is_silent(several):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        several.write("hosts/mute.yml", f"address: x@127.0.0.1:{mute.getsockname()[1]}\njump: none\n")
        process = subprocess.Popen(
            [*INV, "host.run", "--host", "a,mute", "--json", "--", "sleep", "60"], cwd=several.root, env=several.environ,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while not (running := children(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        mute.settimeout(20)
        line, _ = mute.accept()
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=30)
        line.close()
    assert (process.returncode, "Traceback" in err) == (130, False)
    assert time.monotonic() - began < 12, "the silent one has 15 s to answer, and nobody waited for them"
    assert [one["error"]["what"].startswith("interrupted") for one in json.loads(out)["hosts"]] == [True, True]
    assert running
    assert not any(os.path.exists(f"/proc/{pid}") for pid in running)


# -- host.list


def test_every_host_and_what_it_is(several):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        several.write("hosts/down.yml", f"address: x@127.0.0.1:{taken.getsockname()[1]}\njump: none\nproject: shop\n")
        several.write("hosts/wrong.yml", "adress: x\n")
        done = several.inv("host.list", "--json")
    found = {one["host"]: one for one in done.json["hosts"]}
    assert (done.code, list(found)) == (1, ["a", "b", "c", "down", "wrong"])
    assert [one["ok"] for one in found.values()] == [True, True, True, False, False]
    assert found["a"]["result"]["groups"] == ["web"]
    assert found["a"]["result"]["system"] != ""
    assert found["a"]["round_trips"] == 1
    assert found["down"]["result"] | {"address": ""} == {
        "address": "", "jump": [], "groups": [], "path": "opslib/my survey", "project": "shop", "strategy": "recreate"
    }  # fmt: skip
    assert "refused the connection" in found["down"]["error"]["what"]
    assert "hosts/wrong.yml:1: unknown key 'adress'" in found["wrong"]["error"]["what"]
    shown = several.inv("host.list", "--host", "a,b")
    assert shown.code == 0
    assert shown.out.splitlines()[-3].split()[:3] == ["HOST", "RESULT", "ADDRESS"]
    assert shown.out.splitlines()[-2].split()[:5] == ["a", "ok", "this", "machine", "web"]


def test_without_a_host_file_it_is_this_machine(project):
    done = project.inv("host.list")
    assert (done.code, done.out.splitlines()[1].split()[:3]) == (0, ["local", "this", "machine"])


# -- host.check


def test_one_round_trip_with_all_in_it(remote):
    project, start, known = remote
    hop, server = start(), start()
    known.write_text(hop.known_line() + server.known_line())
    project.write("hosts/prod.yml", f"address: {server.address}\njump: {hop.address}\npath: /nowhere/else\n")
    done = project.inv("host.check", "--host", "prod", "--json", "--fail-on", "loses-data")
    (host,) = done.json["hosts"]
    assert (done.code, host["round_trips"]) == (0, 1)
    looked_at = {one["name"]: one["text"] for one in host["result"]["looked_at"]}
    assert f"by way of {hop.user}@127.0.0.1 port {hop.port}" in looked_at["connection"]
    said = subprocess.run(["ssh-keygen", "-lf", server.host_keys["ed25519"]], capture_output=True, text=True).stdout
    assert said.split()[1] in looked_at["connection"]
    assert str(server.port) in looked_at["ports"]
    assert host["result"]["machine"]["cpus"] > 0
    assert list(looked_at) == [
        "connection", "user", "sudo", "system", "cpu", "memory", "swap", "disks", "clock", "programs", "folder", "backups",
        "updates", "unattended", "reboot", "schedule", "locks", "ports", "firewall", "published", "certificates", "docker",
        *(["tools image", "project"] if "tools image" in looked_at else []),
    ]  # fmt: skip


def test_what_is_found_is_the_exit_code_and_a_line_to_type(project):
    folder = project.root / "nothing"
    folder.write_text("a file where the folder should be")
    project.write("hosts/local.yml", f"path: {folder}\n")
    done = project.inv("host.check")
    assert done.code == 3
    assert "✗ folder" in done.out
    assert "[breaks]" in done.out
    assert "may not write" in done.err + done.out
    assert project.inv("host.check", "--fail-on", "soon").code == 2


def test_of_several_hosts_only_what_is_wrong(several):
    done = several.inv("host.check", "--host", "a,b", "--fail-on", "loses-data")
    assert "✓ system" not in done.out
    assert done.out.splitlines()[-3].split()[:4] == ["HOST", "RESULT", "SYSTEM", "DOCKER"]


# -- host.init


def test_a_new_host_is_asked_about_once_and_written(remote):
    project, start, known = remote
    hop, server = start(), start()
    words = ["host.init", "prod", "--address", server.address, "--jump", hop.address]
    refused = project.inv(*words)
    assert (refused.code, known.exists(), (project.root / "hosts").exists()) == (5, False, False)
    done = project.inv(*words, "--yes", "--json")
    assert done.code == 0
    (host,) = done.json["hosts"]
    assert [one["known"] for one in host["result"]["keys"]] == [False, False, True]
    assert known.read_text() == hop.known_line() + server.known_line()
    text = (project.root / "hosts/prod.yml").read_text()
    assert text == host["result"]["text"]
    assert f"address: {server.address}\n" in text.replace('"', "")
    assert f"jump: [{hop.address}]\n" in text.replace('"', "")
    assert project.inv("host.run", "--host", "prod", "--", "true").code == 0
    again = project.inv(*words, "--yes")
    assert (again.code, "hosts/prod.yml is there already" in again.err) == (2, True)
    assert (project.root / "hosts/prod.yml").read_text() == text


def test_a_plan_of_a_new_host_writes_nothing(remote):
    project, start, known = remote
    server = start()
    known.write_text(server.known_line())
    done = project.inv("host.init", "prod", "--address", server.address, "--plan")
    assert (done.code, "it would be written: hosts/prod.yml" in done.out) == (0, True)
    assert not (project.root / "hosts").exists()


def test_a_changed_key_is_never_agreed_to(remote, tmp_path):
    project, start, known = remote
    server = start()
    known.write_text(f"[127.0.0.1]:{server.port} {public(new_key(tmp_path / 'other'))}\n")
    done = project.inv("host.init", "prod", "--address", server.address, "--yes")
    assert (done.code, "another machine" in done.err) == (1, True)
    assert not (project.root / "hosts").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["../x"], "cannot be a host's name"),
        (["local"], "cannot be a host's name"),
        (["prod", "--address", "a b"], "--address 'a b'"),
        (["prod", "--address", "a", "--jump", "x@"], "--jump 'x@'"),
    ],
)
def test_what_cannot_be_a_host(project, words, said):
    done = project.inv("host.init", *words)
    assert (done.code, said in done.err) == (2, True)
    assert json.loads(project.inv("host.init", *words, "--json").out)["exit"] == 2
