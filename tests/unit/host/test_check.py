from datetime import datetime, timedelta, timezone

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from opslib.host import judge, judge_docker, judge_network
from opslib.settings.model import Deploy

from .seen import API, HOST, INFO, WEB, seen


def rows(machine, host=HOST, skew=0.0):
    found = [*judge.machine(machine, host, skew), *judge_network.network(machine, 22),
             *judge_docker.docker(machine, host, "tools:1")]  # fmt: skip
    return {row.name: row for row in found}


def wrong(*changes, host=HOST, skew=0.0):
    """What is wrong with a machine that is otherwise well, by rule."""
    found = rows(seen(*changes), host, skew)
    return [one for row in found.values() for one in row.findings]


def test_all_is_well():
    found = rows(seen())
    assert wrong() == []
    texts = {name: row.text for name, row in found.items()}
    assert texts["user"] == "deploy; groups deploy, docker, sudo"
    assert texts["system"] == "Debian GNU/Linux 12 (bookworm), x86_64, Linux 6.1.0-28-amd64"
    assert texts["cpu"] == "4 cores, load 0.25, up 10 days"
    assert texts["backups"] == "/srv/a b/backups (made when it is needed), 50.0 GB free"
    assert texts["ports"] == (
        "22 sshd, 53/udp systemd-resolve (inside), 80 survey-nginx-1, 443 survey-nginx-1, 8000 survey-api-1 (inside)"
    )
    assert texts["published"] == "80, 443 of survey-nginx-1"
    assert texts["firewall"] == "ufw"
    assert texts["docker"] == "Docker 27.1.1, Compose 2.29.1, amd64, overlay2"
    assert texts["project"] == "survey, 2 of 2 containers run"
    assert list(texts)[:3] == ["user", "sudo", "system"]


@pytest.mark.parametrize(
    ("old", "new", "rule", "cost", "said", "fix"),
    [
        ("# missing\n", "# missing\n flock\n tar\n", "programs", "breaks", "missing: flock, tar", "install util-linux, tar"),
        ("5.2.15(1)", "4.3.30(1)", "programs", "breaks", "bash is 4.3.30(1)-release", "newer bash"),
        ("there yes", "there no", "folder", "breaks", "user deploy may not write in /srv/a b", "sudo chown deploy '/srv/a b'"),
        ("absent yes", "absent no", "backups", "breaks", "may not write", "sudo install -d -o deploy '/srv/a b/backups'"),
        ("MemAvailable 6000000", "MemAvailable 300000", "memory", "hardening", "less than a tenth", "docker stats"),
        ("200000000000 90000000000       0", "200000000000 8000000000       0", "disks", "breaks", "4% of the space of /var/lib/docker", "prune"),
        ("2000000 1500000 /", "2000000 200000 /", "disks", "hardening", "10% of the inodes of / is free", "docker system df"),
        ("runs systemd-timesyn\n", "", "clock", "hardening", "nothing keeps its clock right", "systemd-timesyncd"),
        ("\n3 0\n", "\n9 2 openssl curl\n", "updates", "exposes", "stay open: openssl, curl", "apt-get upgrade"),
        ("\n3 0\n", "\n99 7 openssl curl\n", "updates", "exposes", "openssl, curl and more", "apt-get upgrade"),
        ("read 99990000", "read 100", "updates", "hardening", "lists of packages are old", "sudo apt-get update"),
        ("read 99990000", "", "updates", "hardening", "without lists of packages", "sudo apt-get update"),
        ("read 99990000", "read 100\nread 99990000", "", "", "", ""),
        ("upgrade='1'", "upgrade='0'", "unattended", "hardening", "wait for somebody", "unattended-upgrades"),
        ("unattended\n", "", "unattended", "hardening", "wait for somebody", "unattended-upgrades"),
        ("read 99990000", "read 99990000\nbroken", "unattended", "breaks", "was interrupted", "sudo dpkg --configure -a"),
        ("# reboot\n", "# reboot\nasked\n", "reboot", "exposes", "only after a reboot", "sudo reboot"),
        ("# reboot\n", "# reboot\nkernel\n", "reboot", "exposes", "Linux 6.1.0-28-amd64 runs", "sudo reboot"),
        ("runs cron\n", "", "schedule", "breaks", "no cron daemon runs them", "systemctl enable --now cron"),
        ("# units\n", "# units\nId=opslib-survey-1-all.timer\nLoadState=loaded\nActiveState=failed\n", "schedule", "breaks", "is failed", "inv cron.install --host prod --there"),
        ("# failed\n", "# failed\nfwupd.service loaded failed failed x\n", "schedule", "hardening", "systemd's fwupd.service has failed", "systemctl status fwupd.service"),
        ("# state\n", "# state\nbegun\n", "locks", "breaks", "an earlier run did not come to its end", "inv deploy --host prod"),
        ("ufw yes\n", "ufw yes\nnft\n", "", "", "", ""),
        ("# updates", "# frozen\n {\"by\":\"anna\",\"at\":\"noon\",\"why\":\"a sale\"}\n# updates", "freeze", "hardening", "frozen by anna since noon: a sale", "--unfreeze"),
        ("# updates", "# frozen\n x\n# updates", "freeze", "hardening", "by whom cannot be read", "--unfreeze"),
        (INFO, "", "docker", "breaks", "Docker is not installed there", "apt-get install docker.io"),
        (INFO, "# said\n permission denied", "docker", "breaks", "user deploy may not use Docker", "usermod -aG docker deploy"),
        (INFO, "# said\n no answer within 15 s", "docker", "breaks", "does not answer: no answer within 15 s", "docker info"),
        ("Up 3 days (healthy)", "Up 3 days (unhealthy)", "project", "breaks", "api: its health check fails", "inv logs --host prod --service api"),
        ('"running","Up 3 days (healthy)"', '"exited","Exited (3) 2 hours ago"', "project", "breaks", "api: it has ended with exit code 3", "inv logs"),
        ('"running","Up 3 days (healthy)"', '"restarting","Restarting (1) 5 seconds ago"', "project", "breaks", "api: it is restarting", "inv logs"),
        ('"running","Up 3 days (healthy)"', '"exited","Exited (0) 2 hours ago"', "", "", "", ""),
        ('"running","Up 3 days (healthy)","survey-api-1","127.0.0.1:8000->8000/tcp","api:1","survey","api","False"',
         '"exited","Exited (3) 2 hours ago","survey-api-run","","api:1","survey","api","True"', "", "", "", ""),
    ],
)  # fmt: skip
def test_what_is_wrong(old, new, rule, cost, said, fix):
    found = wrong((old, new))
    assert [(one.rule, one.cost) for one in found] == ([(rule, cost)] if rule else [])
    assert all(said in one.what and fix in one.fix for one in found)


def test_little_memory_wants_swap():
    (found,) = wrong(("SwapTotal 2000000", "SwapTotal 0"), ("MemTotal 8000000", "MemTotal 2000000"),
                     ("MemAvailable 6000000", "MemAvailable 1500000"))  # fmt: skip
    assert (found.rule, found.cost) == ("swap", "hardening")
    assert wrong(("SwapTotal 2000000", "SwapTotal 0")) == []


def test_a_reserve_that_nothing_is_left_of():
    host = msgspec.structs.replace(
        HOST, backup=msgspec.structs.replace(HOST.backup, reserve=type(HOST.backup.reserve)(0.6))
    )
    (found,) = wrong(host=host)
    assert "50.0 GB free, and backup.reserve keeps 60.0 GB" in found.what


@pytest.mark.parametrize(("skew", "cost"), [(4.0, None), (9.0, "hardening"), (61.0, "breaks")])
def test_a_clock_that_differs(skew, cost):
    assert [one.cost for one in wrong(skew=skew)] == ([cost] if cost else [])


def test_a_container_has_the_clock_of_the_machine_around_it():
    idle = ("runs systemd-timesyn\n", "")
    there = ("# units\n", "# units\nId=systemd-timesyncd.service\nLoadState=loaded\nActiveState=inactive\n")
    (found,) = wrong(idle, there)
    assert found.fix == "sudo timedatectl set-ntp true", "what is there need not be installed"
    around = ("# machine\n", "# machine\ncontainer yes\n")
    assert rows(seen(idle, there, around))["clock"].findings == ()
    assert "around this container" in rows(seen(idle, around))["clock"].text


def test_a_run_that_goes_on_is_no_unfinished_one():
    found = rows(
        seen(("# state\n", "# state\nbegun\n# lock\n r1\n anna@desk: deploy\n"), ("file 77", "held 78 9 bash\nfile 77"))
    )
    assert found["locks"].text == "a run holds the lock: anna@desk: deploy"
    assert found["locks"].findings == ()
    assert rows(seen(("file 77", "held 77 9 apt\nfile 77")))["locks"].text == "apt is held by apt (process 9)"


def test_a_host_of_no_stack_needs_no_docker():
    host = msgspec.structs.replace(HOST, compose=())
    assert wrong((INFO, ""), host=host) == []


def test_a_host_that_is_to_be_a_swarm():
    host = msgspec.structs.replace(HOST, deploy=Deploy(strategy="swarm"))
    (found,) = wrong(host=host)
    assert (found.what, found.fix) == ("it leads no Swarm (inactive)", "inv host.swarm --host prod")
    (found,) = wrong(('"LiveRestoreEnabled":false', '"LiveRestoreEnabled":true'), host=host)
    assert "live-restore" in found.fix
    leads = ('"ControlAvailable":false', '"ControlAvailable":true,"Nodes":3')
    assert rows(seen(leads), host)["swarm"].text == "it leads a Swarm of 3 node(s)"


# -- who can come in


NO_FIREWALL = (("ufw yes\niptables\n-P INPUT DROP\n", "iptables\n-P INPUT ACCEPT\n"),)
DATABASE = ("127.0.0.1:8000->8000/tcp", "0.0.0.0:5432->5432/tcp, [::]:5432->5432/tcp")


def test_what_docker_opens_around_the_firewall():
    (found,) = wrong(DATABASE)
    assert (found.rule, found.cost) == ("published", "exposes")
    assert found.what == "survey-api-1: Docker's own rules open 5432 to everybody, around ufw"
    assert '"127.0.0.1:5432:…"' in found.fix


def test_a_chain_of_ours_that_drops_nothing_decides_nothing():
    jump = "-A DOCKER-USER -j OPSLIB\n-A DOCKER-USER -j RETURN"
    (found,) = wrong(DATABASE, ("-A DOCKER-USER -j RETURN", jump))
    assert "5432 to everybody" in found.what
    dropping = ("-A DOCKER-USER -j RETURN", f"{jump}\n-A OPSLIB -m conntrack --ctstate DNAT -j DROP")
    assert wrong(DATABASE, dropping) == []


def test_a_ufw_that_lets_in_by_default_is_none():
    open_ = ("ufw yes\niptables\n-P INPUT DROP\n", 'ufw yes\nufw policy "ACCEPT"\niptables\n-P INPUT ACCEPT\n')
    assert rows(seen(open_))["firewall"].text == "none"
    assert "ufw default deny incoming" in rows(seen(open_))["firewall"].findings[0].fix
    assert rows(seen(("ufw yes\n", 'ufw yes\nufw policy "DROP"\n')))["firewall"].text == "ufw"


@pytest.mark.parametrize("rule", ["-j DROP", "-i eth0 ! -s 10.0.0.0/8 -j REJECT", "-j ufw-user-forward"])
def test_docker_user_may_close_it(rule):
    closed = ("-A DOCKER-USER -j RETURN", f"-A DOCKER-USER {rule}\n-A DOCKER-USER -j RETURN")
    assert wrong(DATABASE, closed) == []
    assert "DOCKER-USER decides" in rows(seen(DATABASE, closed))["published"].text


def test_no_firewall():
    (found,) = wrong(*NO_FIREWALL)
    assert (found.rule, found.cost) == ("firewall", "hardening")
    more = ("udp   UNCONN", 'tcp LISTEN 0 9 0.0.0.0:9100 0.0.0.0:* users:(("node_exporter",pid=1,fd=3))\nudp   UNCONN')
    (found,) = wrong(*NO_FIREWALL, more)
    assert (found.cost, found.what) == ("exposes", "no firewall, and open to everybody: 9100 (node_exporter)")


def test_the_way_in_stays_open_whatever_port_sshd_has():
    """A person who types what is said must not lock himself out."""
    text = seen(*NO_FIREWALL)
    assert "ufw allow 22,80,443/tcp" in rows(text)["firewall"].findings[0].fix
    other = [(f"{address}:22  ", f"{address}:2222  ") for address in ("0.0.0.0", "[::]")]
    assert "ufw allow 2222,80,443/tcp" in rows(seen(*NO_FIREWALL, *other))["firewall"].findings[0].fix


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ("iptables\n-P INPUT DROP\n", "iptables"),
        ("iptables\n-P INPUT ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -j REJECT --reject-with x\n", "iptables"),
        ("iptables\n-P INPUT ACCEPT\n-A INPUT -s 10.0.0.9/32 -j DROP\n", ""),
        ("nft\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n", "nftables"),
        ("nft\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n", ""),
        ("ufw no\n", ""),
    ],
)  # fmt: skip
def test_kinds_of_firewalls(lines, kind):
    assert (
        judge_network.kind_of_firewall(
            seen(("ufw yes\niptables\n-P INPUT DROP\n", lines), ("-A INPUT -j ufw-before-input\n", ""))
        )
        == kind
    )


def test_firewalld_is_told_by_its_unit():
    unit = ("# units\n", "# units\nId=firewalld.service\nLoadState=loaded\nActiveState=active\n")
    assert judge_network.kind_of_firewall(seen(*NO_FIREWALL, unit)) == "firewalld"


def test_what_only_root_sees_is_not_guessed():
    plain = seen(*NO_FIREWALL, ("\nfree\n", "\nasks\n"))
    assert rows(plain)["firewall"].text == "not seen: that needs root"
    assert rows(plain)["firewall"].findings == ()


# -- certificates


def certificate(began, ends):
    """A self-signed one, PEM, each line behind a blank as in the look."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example.com")])
    start = datetime(1970, 1, 1, tzinfo=timezone.utc)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(start + timedelta(seconds=began)).not_valid_after(start + timedelta(seconds=ends))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    text = made.public_bytes(serialization.Encoding.PEM).decode()
    return "".join(f" {line}\n" for line in text.splitlines())


DAY, NOW = 86400, 100_000_000


@pytest.mark.parametrize(
    ("began", "ends", "said"),
    [
        (NOW - 30 * DAY, NOW + 60 * DAY, None),
        (NOW - 70 * DAY, NOW + 20 * DAY, "22% of the certificate's life is left"),
        (NOW - 5 * DAY, NOW + DAY, "17% of the certificate's life is left"),  # one of six days
        (NOW - 4 * DAY, NOW + 2 * DAY, None),
        (NOW - 91 * DAY, NOW - DAY, "the certificate has expired"),
    ],
)
def test_the_life_of_a_certificate_is_a_fraction(began, ends, said):
    found = wrong(("# certificates\n", f"# certificates\nname example.com\n{certificate(began, ends)}"))
    assert [(one.rule, one.cost, said in one.what) for one in found] == (
        [("certificates", "breaks", True)] if said else []
    )


def test_certificates_that_nobody_renews_or_reads():
    pem = certificate(NOW - DAY, NOW + 90 * DAY)
    dead = (
        "Id=certbot.timer\nLoadState=loaded\nActiveState=active",
        "Id=certbot.timer\nLoadState=loaded\nActiveState=inactive",
    )
    (found,) = wrong(dead, ("# certificates\n", f"# certificates\ncron\nname a.example\n{pem}"))
    assert (found.cost, "systemctl enable --now certbot.timer" in found.fix) == (
        "hardening",
        True,
    )  # its cron entry leaves it to systemd
    (found,) = wrong(("# certificates\n", "# certificates\nname a.example\n no PEM\n"))
    assert found.what == "a.example: its cert.pem is no certificate"
    assert (
        rows(seen(("# certificates\n", "# certificates\nhidden\n")))["certificates"].text == "not seen: that needs root"
    )


def test_several_projects_and_none():
    host = msgspec.structs.replace(HOST, project="other")
    assert rows(seen(), host)["project"].text == "other, 0 of 0 containers run"
    assert rows(seen(("there yes", "absent yes")), HOST)["project"].text == "not deployed yet"
    second = API.replace('"survey"', '"twin"').replace("survey-api-1", "twin-api-1").replace("/srv/link", "/srv/link")
    (found,) = wrong((WEB, f"{WEB}\n{second}"))
    assert found.rule == "project"
    assert "several projects were started from /srv/a b: survey, twin" in found.what
