"""What goes wrong with certificates and takes its time: ACME servers that are tired, clocks, disks, ports, twins."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from opslib.certbot.certificate import from_pem
from opslib.proxy.first_certificate import NOT_REAL
from tests.lab.acme import NGINX_CONF, Secure, lab_acme
from tests.lab.site import until
from tests.lab.test_certbot import nginx_conf, secured

pytestmark = [pytest.mark.lab, pytest.mark.full]
SERVER = "certbot-faults"


@pytest.fixture(scope="module")
def acme() -> dict[str, Any]:
    return lab_acme()


@pytest.fixture(scope="module")
def site(lab: dict[str, Any], acme: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    yield from secured(SERVER, lab, acme, tmp_path_factory.mktemp("secure"))


@pytest.fixture
def secure(site: Secure) -> Iterator[Secure]:
    """With its certificate of the lab's own ACME server; a test may change what it likes."""
    site.configure()
    site.inv("certbot.issue")
    yield site
    site.configure()
    nginx_conf(site, NGINX_CONF)


@pytest.mark.parametrize(
    ("fault", "port", "what"),
    [
        ("limited", 14101, "the ACME server has had enough for now"),
        ("broken", 14102, "has failed"),
        ("slow", 14103, "too slow|cannot be reached|has failed"),
    ],
)
def test_an_acme_server_that_is_tired(secure: Secure, fault: str, port: int, what: str) -> None:
    site, before = secure, secure.shown().serial
    site.configure(server=site.another(port, "python3", "/usr/local/lib/door.py", str(port), "14000", fault))
    error = site.json("certbot.issue", "--force", code=1, seconds=400)["error"]
    assert re.search(what, error["what"]), error
    assert site.shown().serial == before and site.get() == "blue"
    if fault == "limited":
        assert "--staging is for trying" in error["next"]


def test_an_acme_server_that_rejects_nonces(secure: Secure) -> None:
    """pebble rejects a third of all good ones, and certbot tries each request anew once: sometimes that is enough."""
    site = secure
    site.configure(server=site.another(14104, "another.sh", "14104", "15104", "7776000", "95"))
    error = site.json("certbot.issue", "--force", code=1)["error"]
    assert "nonces" in error["what"] or "has failed" in error["what"], error


def test_six_days_are_judged_as_a_share(secure: Secure) -> None:
    site = secure
    own(site, 14105, 6 * 86400)
    site.inv("certbot.issue")
    status = site.json("certbot.status")["result"]["certificates"][0]
    assert 5.9 < status["disk"]["days"] <= 6 and status["disk"]["left"] > 0.9
    assert site.json("certbot.renew")["changed"] is False


def test_what_is_due_is_renewed(secure: Secure) -> None:
    """A lifetime of 90 s: late after 68, due after 60."""
    site = secure
    own(site, 14106, 90)
    site.inv("certbot.issue")
    before = site.shown()
    until(lambda: time.time() > before.ends - 20, 100, "it does not age")
    assert "% of its lifetime: nothing has renewed it" in site.json("certbot.status", code=3)["error"]["what"]
    record = site.json("certbot.renew")
    assert record["changed"] and site.shown().serial != before.serial


def own(site: Secure, port: int, seconds: int) -> str:
    """Another pebble with its own CA, that the host file names."""
    server = site.another(port, "another.sh", str(port), str(port + 1000), str(seconds))
    root = site.root / f"root-{port}.pem"
    asked = ["docker", "exec", site.acme["container"], "curl", "-sk", f"https://127.0.0.1:{port + 1000}/roots/0"]
    until(lambda: "BEGIN" in subprocess.run(asked, capture_output=True, text=True).stdout, 10, "no root")
    root.write_text(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    site.configure(server=server, ca=root.name)
    return server


def test_an_account_that_the_server_forgot(secure: Secure) -> None:
    site = secure
    own(site, 14107, 86400 * 90)
    site.inv("certbot.issue")
    script = "for p in /proc/[0-9]*; do grep -qs 14107.json $p/cmdline && kill ${p#/proc/}; done; exec 3<>/dev/tcp/127.0.0.1/14107"
    kill = ["docker", "exec", site.acme["container"], "bash", "-c", script]
    until(lambda: subprocess.run(kill, capture_output=True).returncode, 10, "it does not end")
    own(site, 14107, 86400 * 90)
    said = site.inv("certbot.renew", "--force")
    assert "does not know the account of this host any more: a new one is made" in said
    assert site.as_root(f"ls -d {site.certs}/accounts.gone-*")


def test_twins_are_told_and_deleted(secure: Secure) -> None:
    site = secure
    words = f"certonly -n --agree-tos -m a@b.org --no-verify-ssl --server {site.acme['server']} --webroot -w /w"
    site.inside(
        f"docker run --rm -v {site.certs}:{site.certs} -v {site.folder}/acme:/w {site.images}certbot:2.1 {words} "
        f"--config-dir {site.certs} --work-dir {site.certs}/work --logs-dir {site.certs}/logs -d {site.domains[0]}"
    )
    twin = f"{site.domains[0]}-0001"
    assert twin in site.as_root(f"ls {site.certs}/live")
    assert "certbot was once called without --cert-name" in site.json("certbot.status", code=3)["error"]["what"]
    site.inv("certbot.delete", "--domain", twin, code=5)
    site.inv("certbot.delete", "--domain", twin, "--yes")
    assert twin not in site.as_root(f"ls {site.certs}/live") and site.json("certbot.status")["ok"]


def test_a_clock_that_is_wrong(secure: Secure) -> None:
    site, image = secure, f"{secure.images}certbot:2.1"
    site.inside(f"c=$(docker create {image}) && docker commit -c 'ENV LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'"
                " -c 'ENV FAKETIME=+2d' $c wrong-clock:1 && docker rm $c")  # fmt: skip
    site.configure(image="wrong-clock:1")
    error = site.json("certbot.renew", "--force", code=1)["error"]
    assert "the clock of the host is 48.0 h ahead" in error["what"] and "was not asked" in error["left"]
    assert any("clock differs" in one["what"] for one in site.json("certbot.status", code=3)["result"]["findings"])


def test_a_disk_that_is_full(secure: Secure) -> None:
    site, before = secure, secure.shown().serial
    site.as_root(f"mkdir -p /tmp/full && cp -a {site.certs}/. /tmp/full && mount -t tmpfs -o size=700k tmpfs {site.certs}"
                 f" && cp -a /tmp/full/{{live,archive,renewal,accounts}} {site.certs}")  # fmt: skip
    try:
        error = site.json("certbot.renew", "--force", code=1)["error"]
        assert "KiB are free in" in error["what"] and "was not asked" in error["left"]
    finally:
        site.as_root(f"umount {site.certs}; rm -rf /tmp/full")
    assert site.shown().serial == before


def test_two_at_once(secure: Secure) -> None:
    """Another certbot, which waits in a hook, has certbot's own lock."""
    site = secure
    words = (f"certonly -n --agree-tos -m a@b.org --no-verify-ssl --server {site.acme['server']} --manual --preferred-challenges http "
             f"--manual-auth-hook 'sleep 100' --config-dir {site.certs} --work-dir {site.certs}/work --logs-dir {site.certs}/logs "
             f"--cert-name other -d {site.domains[1]}")  # fmt: skip
    site.as_root(f"docker run -d --rm --name other -v {site.certs}:{site.certs} {site.images}certbot:2.1 {words}")
    try:
        until(lambda: "sleep" in site.inside("docker top other"), 30, "it does not wait")
        error = site.json("certbot.renew", "--force", code=4)["error"]
        assert "another certbot is at work" in error["what"]
    finally:
        site.inside("docker rm -f other")


def test_port_80_is_taken(secure: Secure) -> None:
    site = secure
    site.configure("  challenge: standalone\n")
    error = site.json("certbot.issue", "--force", code=1)["error"]
    assert f"container {site.name}-nginx-1" in error["what"] and "certbot: challenge: webroot" in error["next"]
    text = (site.root / "hosts/there.yml").read_text()
    text = re.sub(r", sites: .*", "}", text).replace("  email:", f"  domains: [{site.domains[0]}]\n  email:")
    (site.root / "hosts/there.yml").write_text(text)
    nginx = site.container("nginx")
    site.as_root(f"docker stop -t 1 {nginx}; setsid nc -lk -p 80 >/dev/null 2>&1 & sleep 0.1" if site.inside("command -v nc") else
                 f"docker stop -t 1 {nginx}; cp /usr/sbin/sshd /tmp/squatter; setsid /tmp/squatter -p 80 >/dev/null 2>&1")  # fmt: skip
    try:
        error = site.json("certbot.issue", "--force", code=1)["error"]
        assert re.search(r"(nc|squatter|sshd).* \(process \d+\) has it", error["what"]), error
        # When it is free certbot answers by itself; that nobody shows the certificate is told all the same.
        site.inside("pkill -x squatter || pkill -x nc; true")
        error = site.json("certbot.issue", "--force", code=1)["error"]
        assert "nobody answers on port 443" in error["what"] and "did not prove" not in error["what"]
        found = from_pem(site.on_disk())
        assert found is not None and found.names == (site.domains[0],)
    finally:
        site.inside("pkill -x squatter || pkill -x nc; true")
        site.as_root(f"docker start {nginx}")
        until(lambda: site.container("nginx"), 20, "nginx does not come back")


def test_names_with_a_star_by_dns(secure: Secure) -> None:
    """By hooks of one's own: they tell the name server."""
    site, base = secure, f"star{secure.name}.lab"
    for name, what in (("add", '"value": "\'$CERTBOT_VALIDATION\'"'), ("clear", "")):
        call = "set-txt" if name == "add" else "clear-txt"
        body = f'{{"host": "_acme-challenge.\'$CERTBOT_DOMAIN\'."{", " + what if what else ""}}}'
        site.as_root(
            f"cat >{site.certs}/{name} <<'END'\n#!/bin/sh\ncurl -sf -d '{body}' {site.acme['names']}/{call}\nEND\nchmod 755 {site.certs}/{name}"
        )
    challenge = f"[--manual, --preferred-challenges, dns, --manual-auth-hook, {site.certs}/add, --manual-cleanup-hook, {site.certs}/clear]"
    site.configure(f"  challenge: {challenge}\n  domains: [\"*.{base}\"]\n  reload: 'true'\n")
    site.manage("add-a", {"host": f"opslib.{base}", "addresses": [site.address]})
    error = site.json("certbot.issue", "--domain", f"*.{base}", code=1)["error"]
    assert "not the one on the disk" in error["what"], "nothing shows it"
    found = from_pem(site.on_disk(base))
    assert found is not None and found.names == (f"*.{base}",)
    site.inv("certbot.delete", "--domain", base, "--yes")


def test_revoked_and_got_anew(secure: Secure) -> None:
    site, before = secure, secure.shown().serial
    site.inv("certbot.revoke", "--domain", site.domains[0], "--reason", "keycompromise", "--yes")
    assert site.shown().issuer == NOT_REAL, "nginx goes on"
    assert site.domains[0] not in site.as_root(f"ls {site.certs}/live")
    site.inv("certbot.issue")
    assert site.shown().serial != before and site.get() == "blue"


def test_tried_and_nothing_kept(secure: Secure) -> None:
    site, before = secure, secure.shown().serial
    site.inv("certbot.issue", "--dry-run")
    site.inv("certbot.renew", "--dry-run", "--force")
    assert site.shown().serial == before
    assert "host file names another" in site.inv("certbot.issue", "--staging", code=2)


def test_a_proxy_that_gets_its_own_is_left_alone(secure: Secure) -> None:
    """A container that is called Traefik, with a router's label: a stand-in, as only its look counts."""
    site = secure
    nginx = site.container("nginx")
    site.as_root(f"docker stop -t 1 {nginx}; docker tag {site.images}busybox:1 traefik:v3.1; docker run -d --name tr -p 80:80 -p 443:443 "
                 f"--label 'traefik.http.routers.x.rule=Host(`t.{site.name}.lab`)' traefik:v3.1 sleep 1000")  # fmt: skip
    try:
        error = site.json("certbot.issue", "--force", code=1)["error"]
        assert "traefik in container tr has the ports 80 and 443" in error["what"]
        status = site.json("certbot.status", code=3)["result"]
        assert status["own_acme"] == ["traefik in container tr"]
        assert f"t.{site.name}.lab" in [one["name"] for one in status["certificates"]]
    finally:
        site.as_root(f"docker rm -f tr; docker rmi traefik:v3.1; docker start {nginx}")
        until(lambda: site.container("nginx"), 20, "nginx does not come back")


def test_the_limits_of_let_s_encrypt_are_counted(secure: Secure) -> None:
    """It is not asked: nothing of this leaves the lab."""
    site, now = secure, int(time.time())
    entry = {"name": "x", "domains": sorted(site.domains), "failed": [], "ok": True, "server": "letsencrypt"}
    lines = "\n".join(json.dumps({"at": now - 60 * one, **entry}) for one in range(5))
    site.as_root(f"cat >>{site.folder}/.opslib/certbot/asked.jsonl <<'END'\n{lines}\nEND")
    text = (site.root / "hosts/there.yml").read_text()
    (site.root / "hosts/there.yml").write_text(re.sub(r"(?m)^  server: .*\n", "", text))
    error = site.json("certbot.issue", code=1)["error"]
    assert "5 of 5 certificates with exactly these names in 7 days" in error["what"] and "not asked" in error["left"]
