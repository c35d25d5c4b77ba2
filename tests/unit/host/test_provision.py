"""What a provisioning decides from what it saw: pure, no machine."""

from __future__ import annotations

import base64
import json

import pytest

from opslib.errors import NoKeyAccepted, OpsError, Refused
from opslib.host.provision.look import parsed, text, to_do
from opslib.host.provision.part import System, Wanted
from opslib.host.provision.parts import accounts, engine, firewall, small, ssh, system
from opslib.host.provision.wanted import advise
from opslib.settings.model import Host
from opslib.settings.provision import Provision
from opslib.settings.units import Address

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPBXA me@here"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOTHER00 you@there"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


BARE = {
    "os.id": "debian", "os.version": "13", "os.codename": "trixie", "os.name": "Debian GNU/Linux 13 (trixie)",
    "os.apt": "yes", "os.systemd": "yes", "os.container": "none", "swap.memory": "4000000", "swap.free": "40000000000",
    "swap.filesystem": "ext2/ext3", "folder.path": "/srv/survey", "login.keys": b64(f"{KEY}\n"), "ssh.port": "22 ",
    "ssh.passwordauthentication": "yes", "ssh.main": b64("Include /etc/ssh/sshd_config.d/*.conf\n"), "end": "yes",
}  # fmt: skip


def wanted(**settings):
    more = {key: settings.pop(key) for key in ("user", "login", "folder", "keys", "swarm") if key in settings}
    return Wanted(
        **{"settings": Provision(**settings), "user": "deploy", "login": "root", "folder": "/srv/survey", **more}
    )


def test_a_bare_machine_lacks_everything_and_each_part_says_what():
    changes = to_do(BARE, wanted(), "prod")
    assert list(changes) == ["packages", "clock", "swap", "user", "folder", "daemon", "docker", "textfile", "cron",
                             "firewall", "ssh", "updates"]  # fmt: skip
    assert not any(change.stops for change in changes.values()), "nothing runs there that could be stopped"
    assert [name for name, change in changes.items() if change.guarded] == ["firewall", "ssh"]
    assert changes["user"].what == "the user deploy, without a password, in the group docker, let in by 1 key"
    assert "fail2ban" in to_do(BARE, wanted(fail2ban=True), "prod")


def test_what_is_skipped_is_not_looked_at_again():
    assert "ssh" not in to_do(BARE, wanted(skip=("ssh", "swap")), "prod")
    broken = {**BARE, "daemon.json": b64("{")}
    assert "docker" in to_do(broken, wanted(skip=("daemon",)), "prod")


@pytest.mark.parametrize(
    ("facts", "release", "supported"),
    [
        ({}, 13.0, True),
        ({"os.version": "12", "os.codename": "bookworm"}, 12.0, True),
        ({"os.version": "11", "os.codename": "bullseye"}, 11.0, False),
        ({"os.id": "ubuntu", "os.like": "debian", "os.version": "24.04", "os.codename": "noble"}, 24.04, True),
        ({"os.id": "ubuntu", "os.like": "debian", "os.version": "20.04", "os.codename": "focal"}, 20.04, False),
        ({"os.id": "linuxmint", "os.like": "ubuntu debian", "os.version": "22", "os.codename": "noble"}, 24.04, True),
        ({"os.id": "raspbian", "os.like": "debian", "os.version": "12", "os.codename": "bookworm"}, 12.0, True),
        ({"os.id": "fedora", "os.like": "", "os.version": "42", "os.codename": ""}, 0.0, False),
        ({"os.systemd": ""}, 13.0, False),
        ({"os.apt": ""}, 13.0, False),
    ],
)
def test_systems(facts, release, supported):
    found = System({**BARE, **facts})
    assert (found.release, found.supported) == (release, supported)


def test_an_unknown_system_is_refused_before_anything():
    with pytest.raises(OpsError) as refused:
        to_do(
            {**BARE, "os.id": "alpine", "os.name": "Alpine Linux v3.20", "os.apt": "", "os.systemd": ""},
            wanted(),
            "prod",
        )
    assert refused.value.what.startswith("this is Alpine Linux v3.20 without apt and systemd, and host.provision knows")
    assert (refused.value.host, refused.value.left) == ("prod", "everything")


def test_a_look_that_broke_off_is_no_look():
    assert parsed(["a=b=c", "noise", "end=yes"], "prod") == {"a": "b=c", "end": "yes"}
    with pytest.raises(OpsError, match="broke off"):
        parsed(["a=b"], "prod")


# -- Docker


def test_where_docker_comes_from():
    def source(facts, **settings):
        return engine.docker({**BARE, **facts}, wanted(**settings))

    debian_12 = {"os.version": "12", "os.codename": "bookworm"}
    ubuntu = {
        "os.id": "ubuntu",
        "os.like": "debian",
        "os.version": "24.04",
        "os.codename": "noble",
        "os.name": "Ubuntu 24.04",
    }
    assert source({}).args == ("docker.io", "docker-cli", "docker-compose", "docker-buildx", "iptables")
    assert source(ubuntu).args == ("docker.io", "docker-compose-v2", "docker-buildx", "iptables")
    assert source(debian_12).args[:3] == ("debian", "bookworm", "docker-ce")
    assert source(ubuntu, docker="docker").args[:3] == ("ubuntu", "noble", "docker-ce")
    with pytest.raises(OpsError, match="Debian 12's own packages have no Compose 2"):
        source(debian_12, docker="distribution")


RUNS = {"docker.engine": "yes", "docker.enabled": "enabled", "docker.version": "26.1.5", "docker.compose": "2.26.1-4",
        "docker.swarm": "inactive", "docker.live": "false"}  # fmt: skip


def test_an_engine_that_is_there_stays():
    assert engine.docker({**BARE, **RUNS}, wanted(docker="docker")) is None
    assert engine.docker({**BARE, **RUNS, "docker.compose": "v5.0.1"}, wanted()) is None
    old = engine.docker({**BARE, **RUNS, "docker.compose": ""}, wanted())
    assert old.what == "Compose 2: docker-compose, docker-buildx"
    ce = engine.docker({**BARE, **RUNS, "docker.compose": "", "package.docker-ce": "5:29"}, wanted())
    assert ce.args == ("docker-compose-plugin",)
    assert engine.docker({**BARE, **RUNS, "docker.version": ""}, wanted()).args == ()


def test_daemon_json_is_merged():
    mine = {"registry-mirrors": ["https://m"], "log-opts": {"max-size": "1g"}, "bip": "10.1.1.1/24"}
    after = engine.merged(mine, {"log-opts": {"max-file": "9"}, "bip": "10.2.2.1/24"}, swarm=False)
    assert after == {
        "registry-mirrors": ["https://m"], "log-opts": {"max-size": "1g", "max-file": "9"}, "bip": "10.2.2.1/24",
        "default-address-pools": engine.POOLS, "live-restore": True,
    }  # fmt: skip
    assert "live-restore" not in engine.merged({}, {}, swarm=True)
    assert "log-opts" not in engine.merged({"log-driver": "journald"}, {}, swarm=False), "it would not start with them"


def test_a_restart_is_announced_with_what_it_stops():
    facts = {**BARE, **RUNS, "docker.running": "a-1 b-1 c-1 d-1 e-1 f-1"}
    change = engine.daemon(facts, wanted())
    assert change.stops == ("the engine restarts, which stops a-1, b-1, c-1, d-1, e-1 and 1 more; those with a restart "
                            "policy come back")  # fmt: skip
    assert change.args[1] == "restart"
    assert "run on: a-1" in engine.daemon({**facts, "docker.live": "true"}, wanted()).stops
    have = {**engine.merged({}, {}, swarm=False)}
    same = {**facts, "daemon.json": b64(json.dumps(have))}
    assert engine.daemon(same, wanted()) is None
    assert engine.daemon({**same, "daemon.restart": "yes"}, wanted()).args[1] == "restart"
    del have["live-restore"]
    only_live = engine.daemon({**facts, "daemon.json": b64(json.dumps(have))}, wanted())
    assert (only_live.args[1], only_live.stops) == ("reload", "")
    assert engine.daemon({**facts, "daemon.json": b64(json.dumps(have)), "docker.swarm": "active"}, wanted()) is None


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_daemon_json_that_is_none_is_left_alone(text):
    with pytest.raises(OpsError, match="no JSON that could be merged"):
        engine.daemon({**BARE, "daemon.json": b64(text)}, wanted())


# -- accounts


def test_a_login_that_is_refused_hints_at_another_one():
    host = Host(name="prod", path="x", address=Address("h", "root", 22))
    refused = NoKeyAccepted("h port 22 let root in with none of our keys: x", host="prod", next="`ssh-copy-id root@h`")
    advise(host, refused)
    assert refused.next.startswith(
        "where the machine lets in another than root, one with sudo: `provision: {login: …}`"
    )
    assert refused.next.endswith("; else `ssh-copy-id root@h`")
    on_the_way = NoKeyAccepted("the hop g port 22 let root in with none of our keys: x", next="x")
    on_the_way.hop = True
    for other in (on_the_way, Refused("h port 22", next="x")):
        advise(host, other)
        assert other.next == "x"


def test_the_user_and_its_keys():
    there = {**BARE, "user.home": "/home/deploy", "user.groups": "deploy docker", "user.ssh": "deploy 700 deploy 600"}
    assert accounts.user({**there, "user.keys": b64(f"{OTHER}\n{KEY}")}, wanted()) is None
    added = accounts.user({**there, "user.keys": b64(f"{OTHER}\n")}, wanted())
    assert (added.what, added.data.decode()) == ("let in by 1 key", f"{KEY}\n")
    mine = accounts.user({**there, "user.keys": b64(f"{KEY}\n")}, wanted(keys=(OTHER,)))
    assert mine.data.decode() == f"{OTHER}\n"
    bound = {**BARE, "login.keys": b64(f'command="echo no",no-pty {KEY}\n# x\n')}
    with pytest.raises(OpsError, match="no key would let deploy in"):
        accounts.user(bound, wanted())
    assert accounts.user({**there, "user.keys": b64(f'from="10.0.0.1" {KEY}\n'), "login.keys": ""}, wanted()) is None
    off = accounts.user({**there, "user.keys": b64(f"# {KEY}\n")}, wanted())
    assert off.data.decode() == f"{KEY}\n", "a line that is a comment lets nobody in"
    open_ = {**there, "user.keys": b64(f"{KEY}\n"), "user.ssh": "deploy 777 deploy 600"}
    assert accounts.user(open_, wanted()).what == "its keys readable by itself alone"


def test_the_folder():
    assert accounts.folder({**BARE, "folder.is": "deploy directory", "folder.state": "deploy"}, wanted()) is None
    assert accounts.folder({**BARE, "folder.is": "root directory"}, wanted()).what == "/srv/survey is to be deploy's"
    mixed = {**BARE, "folder.is": "deploy directory", "folder.state": "root"}
    assert accounts.folder(mixed, wanted()).what == "/srv/survey/.opslib is to be deploy's"
    with pytest.raises(OpsError, match="no folder, but a regular file"):
        accounts.folder({**BARE, "folder.is": "root regular file"}, wanted())


# -- the system


def test_one_clock_is_enough():
    assert system.clock({**BARE, "clock.chrony": "enabled active"}, wanted()) is None
    assert system.clock({**BARE, "clock.chrony": "enabled inactive"}, wanted()) is not None
    assert (
        system.clock({**BARE, "clock.systemd-timesyncd": "enabled inactive", "os.container": "lxc"}, wanted()) is None
    )


@pytest.mark.parametrize(
    ("facts", "size", "made"),
    [
        ({}, None, 2 << 30),
        ({"swap.memory": "1000000"}, None, 976 << 20),
        ({"swap.free": "1000000000"}, None, 238 << 20),
        ({}, 1 << 30, 1 << 30),
        ({}, 0, None),
        ({"swap.used": "/dev/sda2"}, None, None),
        ({"swap.used": "/opslib.swap", "swap.fstab": "yes"}, None, None),
        ({"swap.used": "/opslib.swap"}, None, 2 << 30),  # interrupted before it was in fstab
        ({"swap.filesystem": "btrfs"}, None, None),
        ({"os.container": "docker"}, None, None),
    ],
)
def test_swap(facts, size, made):
    change = system.swap({**BARE, **facts}, wanted(swap=size))
    assert (int(change.args[0]) if change else None) == made


def test_upgrades():
    on = {
        **BARE,
        "package.unattended-upgrades": "2",
        "updates.lists": "1",
        "updates.upgrade": "1",
        "updates.timers": "enabled enabled active active",
    }
    assert system.updates(on, wanted()) is None
    for off in ({"updates.upgrade": "0"}, {"updates.timers": "enabled enabled active inactive"}):
        assert system.updates({**on, **off}, wanted()) is not None


# -- what may be reached


def test_sshs_own_port_is_open_wherever_it_is_said():
    assert firewall.ssh_ports({"ssh.port": "22 2222 ", "ssh.now": "2022"}) == ["22", "2022", "2222"]
    listens = {"ssh.socket": "ActiveState=active Listen=[::]:2200 (Stream) Listen=0.0.0.0:2201 (Stream)"}
    assert firewall.ssh_ports(listens) == ["2200", "2201"]
    assert firewall.ssh_ports({"ssh.socket": "ActiveState=inactive Listen=[::]:22 (Stream)"}) == []
    change = firewall.firewall({**BARE, "ssh.port": "2222 "}, wanted(open=("443/udp", "80/tcp")))
    assert change.what == "nftables: from outside only 22, 80, 2222, 443/udp, of containers too"
    assert b"tcp dport { 22, 80, 2222 } accept" in change.data and b"udp dport { 443 } accept" in change.data


def test_the_chain_lets_pass_what_is_open_and_drops_what_is_published():
    rules = firewall.chain(["80/tcp", "443/udp"], ("10.0.0.0/8", "fd00::/8"), 4)
    assert rules[-4:] == [
        "-m conntrack --ctstate DNAT -j DROP",
        "-o docker0 -j DROP",
        "-o docker_gwbridge -j DROP",
        "-o br-+ -j DROP",
    ]
    assert "-s 10.0.0.0/8 -j RETURN" in rules and not any("fd00" in rule for rule in rules)
    assert "-p udp -m conntrack --ctstate DNAT --ctorigdstport 443 -j RETURN" in rules


def in_force(kind, ports=("22/tcp", "80/tcp", "443/tcp")):
    facts = {**BARE, "package.iptables": "1", f"package.{kind}": "1", "firewall.enabled": "enabled active"}
    facts["firewall.script"] = b64(firewall.script(kind, list(ports), ()))
    facts["firewall.unit"] = b64(firewall.UNIT)
    for program, version in (("iptables", 4), ("ip6tables", 6)):
        facts[f"firewall.{program}"] = f"-A DOCKER-USER -j OPSLIB;{len(firewall.chain(list(ports), (), version)) + 1}"
    facts["firewall.table"] = firewall.table(list(ports), ())
    facts["firewall.ufw"] = "Status: active;Default: deny (incoming), allow (outgoing)"
    facts["firewall.added"] = "Added user rules;" + ";".join(f"ufw allow {port}" for port in ports)
    return facts


def test_a_firewall_in_force_stays_and_a_gap_is_seen():
    assert firewall.firewall(in_force("ufw"), wanted()) is None
    facts = {**in_force("nftables"), "firewall.ufw": ""}
    assert firewall.firewall(facts, wanted()) is None
    for gap in ({"firewall.table": ""}, {"firewall.iptables": "-A DOCKER-USER -j RETURN;0"}, {"undo.firewall": "armed"},
                {"firewall.enabled": "disabled active"}, {"ssh.port": "22 2222 "}):  # fmt: skip
        assert firewall.firewall({**facts, **gap}, wanted()) is not None, gap
    assert firewall.firewall({**facts, "firewall.ip6tables": ";0"}, wanted()) is None, "no IPv6 there"
    with pytest.raises(OpsError, match="firewalld"):
        firewall.firewall({**facts, "firewall.firewalld": "active"}, wanted())


def test_the_firewall_comes_behind_what_would_clear_it():
    (after,) = [line.split() for line in firewall.UNIT.replace("After=", "After= ").splitlines() if "After=" in line]
    assert {"ufw.service", "nftables.service", "netfilter-persistent.service"} <= set(after)


def test_a_machine_that_has_its_address_by_dhcp_keeps_it():
    assert "    udp sport 67 udp dport 68 accept\n" in firewall.table(["22/tcp"], ())


def test_sshd():
    change = ssh.ssh(BARE, wanted(ssh={"MaxAuthTries": "3", "PermitRootLogin": "no"}))
    assert b"\nMaxAuthTries 3\n" in change.data and b"\nPermitRootLogin no\n" in change.data
    said = {f"ssh.{key.lower()}": value for key, value in ssh.HARDENED.items()}
    said["ssh.permitrootlogin"] = "without-password"  # as sshd -T says it
    assert ssh.ssh({**BARE, **said}, wanted()) is None
    assert ssh.ssh({**BARE, **said, "undo.ssh": "armed"}, wanted()) is not None
    with pytest.raises(OpsError, match="Include"):
        ssh.ssh({**BARE, "ssh.main": b64("Port 22\n")}, wanted())


def test_the_host_files_word_counts_however_its_keyword_is_spelled():
    change = ssh.ssh({**BARE, "ssh.x11forwarding": "no"}, wanted(ssh={"x11forwarding": "yes"}))
    assert b"x11forwarding yes\n" in change.data and b"X11" not in change.data


def test_a_root_whom_sshd_keeps_out_is_not_let_in():
    said = {f"ssh.{key.lower()}": value for key, value in ssh.HARDENED.items()}
    for stricter in ("no", "forced-commands-only"):
        shut = {**BARE, **said, "ssh.permitrootlogin": stricter}
        assert ssh.ssh(shut, wanted()) is None
        change = ssh.ssh({**shut, "ssh.x11forwarding": "yes"}, wanted())
        assert f"\nPermitRootLogin {stricter}\n".encode() in change.data and "PermitRoot" not in change.what
    asked = ssh.ssh({**shut, "ssh.x11forwarding": "yes"}, wanted(ssh={"PermitRootLogin": "prohibit-password"}))
    assert b"\nPermitRootLogin prohibit-password\n" in asked.data


def test_cron_entries():
    settings = wanted(cron={"prune": "30 4 * * sun docker image prune -f", "up": "@reboot true"})
    text = small.cron({**BARE, "cron.service": "active"}, settings).data.decode()
    assert text.endswith("# prune\n30 4 * * sun deploy docker image prune -f\n# up\n@reboot deploy true\n")
    assert small.cron({**BARE, "cron.service": "active", "cron.file": b64(text)}, settings) is None
    gone = small.cron({**BARE, "cron.service": "active", "cron.file": b64(text)}, wanted())
    assert (gone.args, gone.data) == (("0",), b"")
    assert small.cron({**BARE, "cron.service": "active"}, wanted()) is None


def test_fail2ban_when_asked():
    assert small.fail2ban(BARE, wanted()) is None
    assert b"port = 22,2222" in small.fail2ban({**BARE, "ssh.port": "2222 22 "}, wanted(fail2ban=True)).data


def test_the_texts_hold_no_comment_that_is_sent():
    assert "\n#" not in text("look.bash") + text("lib.bash")
