"""`inv host.provision` on real machines: systemd, apt, sshd, nftables, Docker. The first test is for every run, on a
Debian 12 with an engine that somebody has installed; those from a bare machine are for the full form."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.bare import Bare
from tests.lab.site import fault

pytestmark = pytest.mark.lab

ALL = ["packages", "clock", "user", "folder", "daemon", "docker", "textfile", "cron", "firewall", "ssh", "updates"]
"""The parts of a bare machine; a container has the swap of its machine."""


@pytest.fixture(scope="module")
def engine(lab: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """Debian 12 with an engine, and a daemon.json of somebody's own."""
    found = Bare(tmp_path_factory.mktemp("engine"), "bare-engine", "engine", "busybox")
    yield found
    found.down()


@pytest.fixture
def bare(lab: object, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bare]:
    """A machine without anything, as its parameter says: 13 or 12 of Debian."""
    found = Bare(tmp_path, f"bare-{request.param}", request.param)
    yield found
    found.down()


def unchanged(machine: Bare) -> None:
    """Another run changes nothing, and has taken one look."""
    again = machine.provision()
    assert (again["changed"], again["result"]["todo"]) == (False, []), again["result"]
    assert again["round_trips"] <= 2


def ready(machine: Bare) -> None:
    """As its host file wants it, which is the default one."""
    machine.host()
    machine.provision("--yes")


def test_a_machine_with_an_engine(lab: dict[str, str], engine: Bare) -> None:
    image = f"{lab['images_prefix']}busybox:1"
    engine.host("skip: [updates]")  # Python and all that it needs would take half a minute
    engine.inside("""printf '{"debug": true, "log-opts": {"max-size": "77m"}}' >/etc/docker/daemon.json""")
    engine.publish(image, 80, 8080)
    assert engine.answers(80) and engine.answers(8080)
    before = engine.inside("cat /etc/docker/daemon.json; sshd -T; getent passwd; dpkg -l | sha256sum")

    plan = engine.provision("--plan")
    parts = ["clock", "user", "folder", "daemon", "textfile", "firewall", "ssh"]
    assert [one["step"] for one in plan["result"]["plan"]] == parts
    refused = engine.provision(code=5)
    assert "the engine restarts, which stops p" in refused["error"]["what"]
    assert engine.inside("cat /etc/docker/daemon.json; sshd -T; getent passwd; dpkg -l | sha256sum") == before

    done = engine.provision("--yes")
    assert (done["changed"], done["result"]["done"], done["result"]["closed"]) == (True, parts, ["8080"])
    assert json.loads(engine.inside("cat /etc/docker/daemon.json")) == {
        "debug": True, "log-opts": {"max-size": "77m"}, "live-restore": True,
        "default-address-pools": [{"base": "172.16.0.0/12", "size": 24}],
    }  # fmt: skip
    unchanged(engine)

    assert engine.inside("docker ps -q | wc -l") == "2", "those with a restart policy came back"
    assert engine.answers(80) and engine.answers(22)
    assert not engine.answers(8080), "a published port is closed from outside"
    assert engine.inside("curl -so /dev/null -w '%{http_code}' http://localhost:8080/") in ("200", "404", "403")
    assert engine.ssh("deploy", "docker ps --format '{{.Names}}' | sort").stdout.split() == ["p80", "p8080"]
    assert "passwordauthentication no" in engine.inside("sshd -T")


@pytest.mark.full
def test_published_ports_are_open_where_the_host_file_says_so(lab: dict[str, str], engine: Bare) -> None:
    ready(engine)
    engine.publish(f"{lab['images_prefix']}busybox:1", 80, 8080)
    engine.inside("systemctl restart docker")
    engine.until(lambda: engine.answers(80))
    assert not engine.answers(8080), "the engine leaves DOCKER-USER to its users"
    engine.host("open: [80, 443, 8080]")
    assert engine.provision()["result"]["done"] == ["firewall"]
    assert engine.answers(8080)
    engine.host()
    assert engine.provision()["result"]["done"] == ["firewall"]
    assert not engine.answers(8080)


@pytest.mark.full
def test_sshd_that_would_lock_out_is_undone_by_the_machine(engine: Bare) -> None:
    ready(engine)
    before = engine.inside("cat /etc/ssh/sshd_config.d/00-opslib.conf; sshd -T")
    engine.host("ssh: {AllowUsers: nobody}")
    failed = engine.provision(code=1)
    assert "with the new ssh a login does not work any more: deploy cannot log in" in failed["error"]["what"]
    assert failed["error"]["left"] == "everything: the machine has undone it by itself"
    assert engine.inside("cat /etc/ssh/sshd_config.d/00-opslib.conf; sshd -T") == before
    assert engine.ssh("deploy", "id -un").stdout == "deploy\n"
    engine.host("ssh: {NoSuchKeyword: yes}")
    failed = engine.provision(code=1)
    assert "sshd would not take it" in failed["error"]["what"], failed["error"]
    engine.host()
    unchanged(engine)


@pytest.mark.full
def test_a_firewall_that_would_lock_out_is_undone_by_the_machine(engine: Bare) -> None:
    """One logs in by an sshd that somebody has started by hand, on a port that no setting names."""
    ready(engine)
    engine.inside(
        "systemctl disable --now opslib-firewall 2>/dev/null; nft delete table inet opslib; /usr/sbin/sshd -p 2022"
    )
    before = engine.config.read_text()
    engine.config.write_text(f"{before} Port 2022\n")
    failed = engine.provision(code=1)
    assert "with the new firewall a login does not work any more: deploy cannot log in" in failed["error"]["what"]
    assert engine.ssh("deploy", "id -un").stdout == "deploy\n"
    assert engine.inside("nft list tables | grep opslib", check=False) == ""
    engine.config.write_text(before)
    engine.inside("pkill -f 'sshd -p 2022'", check=False)
    assert engine.provision()["result"]["done"] == ["firewall"]
    unchanged(engine)


@pytest.mark.full
def test_a_line_that_is_cut(engine: Bare) -> None:
    """While it waits for apt, and longer than anybody waits for an answer: it says so, and another run goes on."""
    ready(engine)
    engine.inside("dpkg -r zstd >/dev/null 2>&1")
    engine.lock_apt(50)
    process = engine.start("host.provision", "--host", "prod", "--json")
    engine.until(lambda: '"step":"packages"' in engine.inside("cat /root/.opslib/run.log", check=False))
    fault(engine.name, "cut")
    time.sleep(40)
    fault(engine.name, "heal")
    out, _ = process.communicate(timeout=120)
    error = json.loads(out)["hosts"][0]["error"]
    assert process.returncode == 1 and "connection" in error["what"], error
    done = engine.provision("--wait", "2m")
    assert done["result"]["done"] == ["packages"]
    unchanged(engine)


@pytest.mark.full
def test_a_system_that_is_not_known_is_left_alone(engine: Bare) -> None:
    ready(engine)
    engine.inside("cp -a --remove-destination /usr/lib/os-release /root/os; rm /etc/os-release; "
                  "printf 'ID=fedora\\nVERSION_ID=42\\nPRETTY_NAME=\"Fedora Linux 42\"\\n' >/etc/os-release; "
                  "systemctl disable --now opslib-firewall 2>/dev/null")  # fmt: skip
    failed = engine.provision(code=1)
    assert failed["error"]["what"].startswith("this is Fedora Linux 42, and host.provision knows Debian from 12 on")
    assert failed["error"]["left"] == "everything"
    assert engine.inside("systemctl is-active opslib-firewall", check=False) == "inactive"
    engine.inside("printf 'ID=linuxmint\\nID_LIKE=\"ubuntu debian\"\\nVERSION_ID=22\\nUBUNTU_CODENAME=noble\\n"
                  "PRETTY_NAME=\"Linux Mint 22\"\\n' >/etc/os-release")  # fmt: skip
    done = engine.provision("--yes")
    assert (done["result"]["system"], done["result"]["done"]) == ("Linux Mint 22", ["firewall"])
    engine.inside("ln -sf ../usr/lib/os-release /etc/os-release")
    unchanged(engine)


@pytest.mark.full
def test_sudo(engine: Bare) -> None:
    """Whoever provisions is not root: with sudo, with its password, without a way, and without sudo's leave."""
    ready(engine)
    engine.inside("id admin 2>/dev/null || useradd -m -s /bin/bash admin; echo admin:geheim | chpasswd; "
                  "install -d -m 700 -o admin /home/admin/.ssh; cp /root/.ssh/authorized_keys /home/admin/.ssh/; "
                  "chown -R admin: /home/admin; rm -f /etc/sudoers.d/admin")  # fmt: skip
    engine.host("login: admin")
    failed = engine.provision(code=1)
    assert failed["error"]["what"] == "sudo wants a password there, and nobody is here to type it"
    assert failed["error"]["left"] == "everything"
    engine.host("login: admin", 'sudo_password: "${SUDO_PASSWORD}"')
    failed = engine.provision(code=1, SUDO_PASSWORD="geheim")
    assert "admin is not in the sudoers file" in failed["error"]["what"]
    engine.inside("echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin")
    failed = engine.provision(code=1, SUDO_PASSWORD="falsch")
    assert failed["error"]["what"] == "sudo does not take the password"
    again = engine.provision(SUDO_PASSWORD="geheim")
    assert (again["changed"], again["round_trips"]) == (False, 2)
    engine.host("login: admin")
    code, shown = engine.at_a_terminal("geheim", "host.provision", "--host", "prod")
    assert code == 0 and "all as its file wants it" in shown and "geheim" not in shown, shown
    engine.host("login: admin", 'sudo_password: "${SUDO_PASSWORD}"', "open: [80, 8443]")
    done = engine.provision("--debug", SUDO_PASSWORD="geheim")
    assert done["result"]["done"] == ["firewall"]
    assert "geheim" not in json.dumps(done)
    assert "geheim" not in engine.inside("journalctl --no-pager; cat /var/log/auth.log 2>/dev/null || true")
    engine.inside("echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin")
    engine.host("login: admin")
    assert engine.provision()["result"]["done"] == ["firewall"]
    again = engine.provision()
    assert (again["changed"], again["round_trips"]) == (False, 1)
    engine.inside("mv /usr/bin/sudo /root/")
    failed = engine.provision(code=1)
    assert failed["error"]["what"] == "whoever logs in there is not root, and there is no sudo"
    engine.inside("mv /root/sudo /usr/bin/")
    engine.host()
    unchanged(engine)


@pytest.mark.full
def test_apt_that_is_locked_is_waited_for_with_a_bound(engine: Bare) -> None:
    ready(engine)
    engine.inside("dpkg -r zstd >/dev/null 2>&1")
    engine.lock_apt(15)
    done = engine.provision()
    assert re.search(r"apt is locked by unattended-upgrade .*\(process \d+\): waiting up to 600 s", done["said"]), done[
        "said"
    ]
    assert done["result"]["done"] == ["packages"]
    engine.inside("dpkg -r zstd >/dev/null 2>&1")
    engine.lock_apt(25)
    engine.host("apt_wait: 4s")
    failed = engine.provision(code=1)
    assert re.match(r"packages: apt is still locked after 4 s, by unattended-upgrade", failed["error"]["what"]), failed[
        "error"
    ]
    engine.host()
    assert engine.provision()["result"]["done"] == ["packages"], "it is waited for to its end"


@pytest.mark.full
def test_without_a_network_or_room_apt_says_so(engine: Bare) -> None:
    ready(engine)
    engine.inside("dpkg -r zstd >/dev/null 2>&1; mkdir -p /root/debs; mv /var/cache/apt/archives/*.deb /root/debs")
    engine.inside("mount -t tmpfs -o size=300k tmpfs /var/cache/apt/archives && mkdir /var/cache/apt/archives/partial")
    failed = engine.provision(code=1)
    assert failed["error"]["what"].startswith("packages: there is no room on its disk:"), failed["error"]
    engine.inside("umount /var/cache/apt/archives; cp /etc/resolv.conf /root/resolv; echo nameserver 127.0.0.1 >/etc/resolv.conf; "
                  "sed -i.kept -e 's,^URIs: .*,URIs: http://nowhere.invalid/debian,' /etc/apt/sources.list.d/*.sources; "
                  "mkdir /root/apt.conf.d; mv /etc/apt/apt.conf.d/90lab /root/apt.conf.d 2>/dev/null; true")  # fmt: skip
    failed = engine.provision(code=1)
    assert failed["error"]["what"].startswith("packages: it cannot reach what it fetches packages from:"), failed[
        "error"
    ]
    assert "run it again" in failed["error"]["next"]
    engine.inside("cat /root/resolv >/etc/resolv.conf; mv /root/apt.conf.d/* /etc/apt/apt.conf.d 2>/dev/null; "
                  "for f in /etc/apt/sources.list.d/*.kept; do mv $f ${f%.kept}; done; mv /root/debs/* /var/cache/apt/archives")  # fmt: skip
    assert engine.provision()["result"]["done"] == ["packages"]


@pytest.mark.full
@pytest.mark.parametrize("bare", ["13"], indirect=True)
def test_killed_in_every_part_it_goes_on(bare: Bare, lab: dict[str, str]) -> None:
    bare.host('cron: {prune: "30 4 * * sun docker image prune -f"}')
    killed = [part for part in ALL if bare.killed_in(part)]
    assert killed == ALL
    done = bare.provision("--yes", "--wait", "60s")
    assert "was interrupted; what it had done stays" in done["said"] or not done["changed"]
    unchanged(bare)
    time.sleep(65)  # what was armed when it was killed has run out by now
    unchanged(bare)
    assert bare.ssh("deploy", "docker", "compose", "version").returncode == 0
    assert bare.inside("stat -c '%U %a' /srv/survey; id -nG deploy").split() == ["deploy", "755", "deploy", "docker"]
    assert bare.inside("nft list table inet opslib | grep -c 'policy drop'") == "1"

    bare.reboot()
    bare.until(lambda: bare.inside("docker info >/dev/null && echo up", check=False) == "up")
    unchanged(bare)
    bare.inside(
        "rm /etc/docker/daemon.json; iptables -D DOCKER-USER -j OPSLIB; nft delete table inet opslib; gpasswd -d deploy docker"
    )
    assert bare.provision("--yes")["result"]["done"] == ["user", "daemon", "firewall"]
    unchanged(bare)


@pytest.mark.full
@pytest.mark.parametrize("bare", ["13"], indirect=True)
def test_a_bare_machine_with_ufw_fail2ban_cron_and_another_port_of_sshd(bare: Bare) -> None:
    bare.inside("printf 'Port 22\\nPort 2222\\n' >/etc/ssh/sshd_config.d/ports.conf; systemctl restart ssh")
    bare.host("firewall: ufw", "fail2ban: true", "trusted: [10.9.0.0/16]", 'cron: {prune: "30 4 * * sun docker image prune -f"}',
              "packages: [age]", "swap: 1GB")  # fmt: skip
    done = bare.provision("--yes")
    assert set(done["result"]["done"]) == {*ALL, "fail2ban"}, done["result"]
    unchanged(bare)
    status = bare.inside("ufw status verbose")
    assert "Status: active" in status and "deny (incoming)" in status
    assert {"22/tcp", "80/tcp", "443/tcp", "2222/tcp"} <= set(status.split())
    assert bare.answers(2222) and bare.answers(22)
    bare.inside("setsid bash -c 'while :; do exec 3<>/dev/null; sleep 100; done' >/dev/null 2>&1 & "
                "setsid ssh-keygen -h >/dev/null 2>&1; setsid curl -V >/dev/null")  # fmt: skip
    assert "30 4 * * sun deploy docker image prune -f" in bare.inside("cat /etc/cron.d/opslib-provision")
    assert "sshd" in bare.inside("fail2ban-client status")
    assert bare.inside("type -P age") == "/usr/bin/age"


@pytest.mark.full
@pytest.mark.parametrize("bare", ["12"], indirect=True)
def test_a_bare_debian_12_wants_dockers_own_repository(bare: Bare) -> None:
    entry = 'cron: {prune: "30 4 * * sun docker image prune -f"}'
    bare.host(entry)
    plan = bare.provision("--plan")["result"]["plan"]
    assert [one["step"] for one in plan] == ALL
    assert "Docker from its own repository, for debian bookworm: docker-ce" in plan[ALL.index("docker")]["what"]
    failed = bare.provision("--yes", code=1)  # which cannot be reached from here
    assert failed["error"]["what"].startswith("docker: it cannot reach what it fetches packages from:"), failed["error"]
    assert failed["result"]["done"] == ALL[: ALL.index("docker")]
    bare.host(entry, "skip: [docker]")
    assert bare.provision("--yes")["result"]["done"] == ALL[ALL.index("docker") + 1 :]
    unchanged(bare)
