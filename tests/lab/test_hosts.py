"""host.check and host.init on a real server: what its engine, firewall, certificates, apt and users are is seen as it is."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.lab.site import INV, inside, own_server, ssh_config, until

pytestmark = pytest.mark.lab
SERVER = "hosts"
COMPOSE = """
services:
  web:
    image: ${IMAGES}busybox:1
    init: true
    stop_grace_period: 1s
    command: [sh, -c, 'exec httpd -f -p 8000 -h /tmp']
    ports: ["8081:8000", "127.0.0.1:8082:8000"]
"""
SUDO = "echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy"
# $1: the fcntl lock that apt and dpkg take; perl comes with Debian's dpkg
LOCK = r"""perl -MFcntl -e 'my $l = pack("s s x4 q q l", F_WRLCK, 0, 0, 0, 0); open F, ">", "/var/lib/dpkg/lock-frontend";
  fcntl(F, F_SETLK, $l) or die; open R, ">", "/tmp/locked"; sleep 300' >/dev/null 2>&1 & echo $!"""


@pytest.fixture(scope="module")
def server(lab: dict[str, Any]) -> dict[str, Any]:
    found = own_server(SERVER, "busybox")
    said = inside(
        found,
        f"mkdir -p /srv/shop && cd /srv/shop && cat >compose.yml <<'E'\n{COMPOSE}\nE\n"
        f"chown -R deploy /srv/shop; IMAGES={lab['images_prefix']} docker compose up -d 2>&1; docker ps --format '{{{{.Names}}}}'",
    )
    assert "shop-web-1" in said
    return found


@pytest.fixture
def inv(server: dict[str, Any], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`inv WORDS --json` in a project called shop: the one host's part of the record, with the exit code as `exit`."""
    root = tmp_path / "shop"
    (root / "hosts").mkdir(parents=True)
    (root / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
    (root / "compose.yml").write_text(COMPOSE)
    (root / "hosts/there.yml").write_text(f"address: {server['name']}\npath: /srv/shop\n")
    config = root / "ssh_config"
    config.write_text(ssh_config(server))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OPSLIB_")}

    def run(*words: str) -> dict[str, Any]:
        done = subprocess.run(
            [str(INV), *words, "--json"], cwd=root, env={**environ, "OPSLIB_SSH_CONFIG": str(config)}, timeout=100,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        record = json.loads(done.stdout)
        (host,) = record["hosts"]
        return {**host, "exit": record["exit"], "root": root}

    return run


@pytest.fixture
def sudo(server: dict[str, Any]) -> Iterator[None]:
    """The user may do everything."""
    inside(server, SUDO)
    yield
    inside(server, "rm /etc/sudoers.d/deploy")


def texts(found: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["text"] for row in found["result"]["looked_at"]}


def wrong(found: dict[str, Any], rule: str) -> list[dict[str, Any]]:
    return [one for one in found["result"]["findings"] if one["rule"] == rule]


def test_a_server_as_it_is(inv: Callable[..., dict[str, Any]], server: dict[str, Any]) -> None:
    before = inside(
        server, "find /srv /home /etc /tmp /var/lib/dpkg -newermt @0 -printf '%p %T@\\n' 2>/dev/null | sort | sha256sum"
    )
    found = inv("host.check", "--host", "there", "--fail-on", "loses-data")
    seen = texts(found)
    assert (found["exit"], found["round_trips"]) == (0, 1)
    assert seen["user"] == "deploy; groups deploy, docker"
    assert seen["sudo"].startswith("asks for a password")
    assert seen["system"].startswith("Debian GNU/Linux 12 (bookworm), x86_64, Linux ")
    assert seen["programs"].endswith("programs")
    assert wrong(found, "programs") == []
    assert seen["docker"].startswith("Docker 26.1")
    assert ", Compose 2.26" in seen["docker"]
    assert seen["project"] == "shop, 1 of 1 containers run"
    assert "8081 shop-web-1" in seen["ports"]
    assert "8082 shop-web-1 (inside)" in seen["ports"]
    assert seen["firewall"] == "not seen: that needs root"
    assert seen["published"] == "8081 of shop-web-1"
    assert [one["cost"] for one in wrong(found, "published")] == ["exposes"]
    assert seen["schedule"].startswith("cron runs")
    assert seen["updates"] == "not known: it has no lists of packages"
    after = inside(
        server, "find /srv /home /etc /tmp /var/lib/dpkg -newermt @0 -printf '%p %T@\\n' 2>/dev/null | sort | sha256sum"
    )
    assert before == after, "a look changes nothing"


def test_who_listens_and_the_firewall_are_seen_with_sudo(
    inv: Callable[..., dict[str, Any]], server: dict[str, Any], sudo: None
) -> None:
    found = inv("host.check", "--host", "there", "--fail-on", "loses-data")
    assert texts(found)["sudo"] == "without a password"
    assert "22 sshd" in texts(found)["ports"]
    assert texts(found)["firewall"] == "none"
    closing = "iptables -I INPUT -i lo -j ACCEPT; iptables -I INPUT -p tcp --dport 22 -j ACCEPT; iptables -P INPUT DROP"
    inside(server, closing)
    try:
        found = inv("host.check", "--host", "there", "--fail-on", "loses-data")
        assert texts(found)["firewall"] == "iptables"
        (opened,) = wrong(found, "published")
        assert opened["what"].endswith("open 8081 to everybody, around iptables")
        inside(server, "iptables -I DOCKER-USER -p tcp -j DROP")
        found = inv("host.check", "--host", "there", "--fail-on", "loses-data")
        assert wrong(found, "published") == []
    finally:
        inside(server, "iptables -P INPUT ACCEPT; iptables -F INPUT; iptables -D DOCKER-USER -p tcp -j DROP")


def test_a_certificate_that_has_expired(inv: Callable[..., dict[str, Any]], server: dict[str, Any], sudo: None) -> None:
    folder = "/etc/letsencrypt/live/shop.example.com"
    inside(server, f"mkdir -p {folder}; chmod 700 /etc/letsencrypt/live; cat >{folder}/cert.pem <<'E'\n{expired()}\nE")
    try:
        found = inv("host.check", "--host", "there")
        assert found["exit"] == 3
        assert "shop.example.com: the certificate has expired" in [one["what"] for one in wrong(found, "certificates")]
        inside(server, "rm /etc/sudoers.d/deploy")
        found = inv("host.check", "--host", "there")
        assert texts(found)["certificates"] == "not seen: that needs root"
    finally:
        inside(server, "rm -rf /etc/letsencrypt")


def test_what_was_left_and_who_holds_apt(inv: Callable[..., dict[str, Any]], server: dict[str, Any]) -> None:
    pid = inside(server, LOCK)
    until(lambda: inside(server, "[ -e /tmp/locked ] && echo yes") == "yes", 10, "nobody took the lock")
    state = "mkdir -p /srv/shop/.opslib && cd /srv/shop/.opslib"
    inside(
        server,
        f"""{state} && echo '{{"run":"r1","task":"deploy.up"}}' >run.log; mkdir /var/lib/dpkg/updates/; touch /var/lib/dpkg/updates/0001
docker exec shop-web-1 true; docker kill shop-web-1""",
    )
    try:
        found = inv("host.check", "--host", "there")
        assert found["exit"] == 3
        assert texts(found)["locks"] == f"apt is held by perl (process {pid})"
        assert "an earlier run did not come to its end" in wrong(found, "locks")[0]["what"]
        assert any(one["fix"] == "sudo dpkg --configure -a" for one in wrong(found, "unattended"))
        assert wrong(found, "project")[0]["what"] == "web: it has ended with exit code 137"
    finally:
        inside(
            server,
            f"kill {pid}; rm -r /srv/shop/.opslib /var/lib/dpkg/updates/0001 /tmp/locked; docker start shop-web-1",
        )


def test_a_new_host_of_a_user_with_docker_by_sudo(inv: Callable[..., dict[str, Any]], server: dict[str, Any]) -> None:
    found = inv("host.init", "new", "--address", f"sudoer@{server['name']}", "--yes")
    assert found["exit"] == 0, found["error"]
    text = (found["root"] / "hosts/new.yml").read_text()
    assert text.splitlines()[1:5] == [
        f"address: sudoer@{server['name']}", "path: /srv/shop", "project: shop", "docker: [sudo, -n, docker]",
    ]  # fmt: skip
    looked = inv("host.check", "--host", "new", "--fail-on", "loses-data")
    assert texts(looked)["project"] == "shop, 1 of 1 containers run"
    plain = inv("host.init", "third", "--address", f"plain@{server['name']}", "--plan")
    assert "docker:" not in plain["result"]["text"]
    assert "may not use Docker" in plain["result"]["notes"][0]


def expired() -> str:
    """A certificate that was good for 90 days, until yesterday."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example.com")])
    ends = datetime.now(timezone.utc) - timedelta(days=1)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(ends - timedelta(days=90)).not_valid_after(ends).sign(key, hashes.SHA256())
    )  # fmt: skip
    return made.public_bytes(serialization.Encoding.PEM).decode()
