"""What the parts of a provisioning run on the machine, run here, on files of its own."""

from __future__ import annotations

import getpass
import hashlib
import subprocess

import pytest

from opslib.host.provision.look import text
from opslib.host.provision.parts import accounts, engine, firewall, ssh, system


@pytest.fixture
def machine(tmp_path):
    """Runs a part's text where all that it changes is below a folder: its `/` is that. `tools`: programs that a test
    does without."""

    def run(script, *args, data=b"", tools=""):
        for name in ("etc/docker", "var/log", "var/lib/opslib", "proc", "run/lock", "usr/local/lib/opslib", "tmp"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
        body = f"{text('lib.bash')}\n{tools}\n( {script}\n) || exit\n"
        for name in ("/etc/", "/var/", "/proc/", "/run/lock", "/usr/local/lib/opslib"):
            body = body.replace(name, f"{tmp_path}{name}")
        found = subprocess.run(
            ["bash", "-c", f"APT_WAIT=0\n{body}", "bash", *args], input=data, capture_output=True, check=False
        )
        return found.returncode, found.stderr.decode()

    return run


@pytest.mark.parametrize("end", ["\n", ""])
def test_the_line_for_swap_is_a_line_of_its_own(machine, tmp_path, end):
    (tmp_path / "etc").mkdir()
    (tmp_path / "proc").mkdir()
    (tmp_path / "etc/fstab").write_text(f"# by hand\nUUID=1 / ext4 defaults 0 1{end}")
    (tmp_path / "proc/swaps").write_text("Filename Type\n/opslib.swap file 1 0 -2\n")
    for _ in range(2):
        assert machine(system._SWAP, "67108864") == (0, "")
        lines = (tmp_path / "etc/fstab").read_text().splitlines()
        assert lines == ["# by hand", "UUID=1 / ext4 defaults 0 1", "/opslib.swap none swap sw 0 0"]


# The firewall itself is of a whole machine; here it is seen what a machine with ufw gets back.
_NO_FIREWALL = r"""
packages() { :; }; systemctl() { :; }; nft() { :; }; iptables() { :; }; ip6tables() { :; }
arm() { cat >"$KEPT/undo.$1"; }
ufw() {
  printf 'ufw %s\n' "$*" >>/etc/called
  case $* in
    status) echo "Status: $(cat /etc/was)" ;;
    'default deny incoming') echo DEFAULT_INPUT_POLICY=DROP >/etc/default/ufw ;;
    allow*) echo "$2" >>/etc/ufw/user.rules ;;
  esac
}
export -f ufw systemctl nft iptables ip6tables
"""


@pytest.mark.parametrize(("was", "back"), [("active", "ufw reload"), ("inactive", "ufw --force disable")])
def test_what_ufw_let_in_comes_back_with_the_undo(machine, tmp_path, was, back):
    (tmp_path / "etc/default").mkdir(parents=True)
    (tmp_path / "etc/ufw").mkdir()
    (tmp_path / "etc/was").write_text(was)
    policy, rules = tmp_path / "etc/default/ufw", tmp_path / "etc/ufw/user.rules"
    policy.write_text("DEFAULT_INPUT_POLICY=ACCEPT\n")
    rules.write_text("by hand\n")
    undo = f"{firewall._APPLY}\n[[ $(cat /etc/default/ufw) == *DROP ]] || exit 9\nbash $KEPT/undo.firewall"
    code, said = machine(undo, "ufw", "22/tcp", tools=_NO_FIREWALL)
    assert code == 0, said
    assert (policy.read_text(), rules.read_text()) == ("DEFAULT_INPUT_POLICY=ACCEPT\n", "by hand\n")
    assert (tmp_path / "etc/called").read_text().splitlines()[-1] == back


def test_an_undo_that_was_left_armed_comes_before_what_is_kept(machine, tmp_path):
    ours = tmp_path / "etc/ssh/sshd_config.d/00-opslib.conf"
    ours.parent.mkdir(parents=True)
    ours.write_text("of the run that was killed\n")
    kept = tmp_path / "var/lib/opslib"
    kept.mkdir(parents=True)
    (kept / "sshd.before").write_text("by hand\n")
    (kept / "undo.ssh").write_text(
        f"mv -T {kept}/undo.ssh {kept}/undone.ssh || exit 0\ncp -a -- {kept}/sshd.before {ours}\n"
    )
    no_sshd = "systemctl() { :; }; systemd-run() { :; }"
    machine(ssh._SSH.replace("/usr/sbin/sshd -t", "true"), data=b"new\n", tools=no_sshd)
    assert (ours.read_text(), (kept / "sshd.before").read_text()) == ("new\n", "by hand\n")


def test_a_restart_that_fails_twice_brings_back_what_was_there_first(machine, tmp_path):
    file = tmp_path / "etc/docker/daemon.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"by": "hand"}\n')
    file.chmod(0o600)
    no_engine = "dockerd() { :; }; systemctl() { [[ $1 != restart ]]; }"
    killed = "docker() { :; }; systemctl() { [[ $1 != restart ]] || exit 9; }"

    def change(new, tools):
        return machine(engine._DAEMON, hashlib.sha256(file.read_bytes()).hexdigest(), "restart", "/none",
                       data=new, tools=f"dockerd() {{ :; }}; {tools}")  # fmt: skip

    assert change(b"new", killed)[0] == 9
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)
    code, said = change(b"new", no_engine)
    assert code == 1 and "the old one is back" in said
    assert file.read_text() == '{"by": "hand"}\n'


def test_a_folder_that_is_there_changes_its_owner_alone(machine, tmp_path):
    there = tmp_path / "srv"
    there.mkdir(mode=0o700)
    assert machine(accounts._FOLDER, getpass.getuser(), str(there))[0] == 0
    assert there.stat().st_mode & 0o777 == 0o700
    assert machine(accounts._FOLDER, getpass.getuser(), str(tmp_path / "new/one"))[0] == 0
    assert (tmp_path / "new/one").stat().st_mode & 0o777 == 0o755
