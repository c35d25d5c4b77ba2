"""Certificates from a real ACME server (pebble) for a real nginx, by the real certbot, and what goes wrong on the way.

One server of these tests' own, as its ports 80 and 443 are. The faults that take long are for `--full`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.certbot.certificate import from_pem
from opslib.proxy.first_certificate import NOT_REAL
from tests.lab.acme import NGINX_CONF, Secure, lab_acme
from tests.lab.site import own_server, until

pytestmark = pytest.mark.lab
SERVER = "certbot"


@pytest.fixture(scope="module")
def acme() -> dict[str, Any]:
    return lab_acme()


def secured(server: str, lab: dict[str, Any], acme: dict[str, Any], root: Path) -> Iterator[Secure]:
    """Deployed on a server of that name, with no certificate but its own yet."""
    before = os.environ.get("OPSLIB_SSH_CONFIG")
    made = Secure(root, lab["images_prefix"], own_server(server, "nginx,busybox,certbot:2.1"), acme)
    try:
        made.inv("deploy", "--yes")
        yield made
    finally:
        made.down()
        os.environ.pop("OPSLIB_SSH_CONFIG")
        if before is not None:
            os.environ["OPSLIB_SSH_CONFIG"] = before


@pytest.fixture(scope="module")
def site(lab: dict[str, Any], acme: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    yield from secured(SERVER, lab, acme, tmp_path_factory.mktemp("secure"))


@pytest.fixture
def secure(site: Secure) -> Iterator[Secure]:
    """The same with its certificate; a test may change the host file, nginx.conf and the names."""
    if site.shown().issuer == NOT_REAL:
        site.inv("certbot.issue")
    yield site
    site.configure()
    for one in site.domains:
        site.lead(one, site.address)
    nginx_conf(site, NGINX_CONF)
    site.as_root(f"rm -f {site.certs}/renewal-hooks/deploy/fails")


def nginx_conf(site: Secure, text: str) -> None:
    """Change nginx.conf on the server, as somebody would by hand."""
    site.as_root(f"cat >{site.folder}/nginx/nginx.conf <<'END'\n{text}\nEND")


def test_from_a_deploy_to_https(site: Secure) -> None:
    assert site.shown().issuer == NOT_REAL, "nginx starts before the first certificate"
    plan = site.json("certbot.issue", "--plan")["result"]["plan"]
    assert ["there is none yet" in one["what"] for one in plan if one["step"] == "certificates"] == [True]
    assert "has no certificate yet" in site.json("certbot.status", code=3)["error"]["what"]
    record = site.json("certbot.issue")
    assert [one["problems"] for one in record["result"]["certificates"]] == [[]]
    shown = site.shown()
    assert set(shown.names) == set(site.domains) and site.get() == "blue"
    assert site.shown(site.domains[1]).serial == shown.serial
    plain = site.as_root(f"curl -sI -H 'Host: {site.domains[0]}' http://127.0.0.1/color")
    assert f"Location: https://{site.domains[0]}/color" in plain
    cron = site.as_root("crontab -u deploy -l")
    assert f"# opslib certbot {site.name}" in cron
    again = site.json("certbot.issue")
    assert (again["changed"], site.shown().serial) == (False, shown.serial)
    status = site.json("certbot.status")
    assert status["result"]["renewed_by"] == ["cron, by opslib's line"] and status["result"]["findings"] == []
    (one,) = status["result"]["certificates"]
    assert one["disk"]["serial"] == shown.serial and {each["trusted"] for each in one["served"]} == {True}
    assert len(one["disk"]["chain"]) == 1 and one["by"] == "webroot"
    # what cron will call, as the login user; forced, as it is not due
    script = f"{site.folder}/.opslib/certbot/renew"
    site.as_root(
        f"su deploy -c 'sed s/--quiet/--quiet\\ --force-renewal\\ --no-verify-ssl/ {script} >/tmp/now; bash /tmp/now'"
    )
    until(lambda: site.shown().serial != shown.serial, 20, "nginx goes on with the old one")
    assert site.json("certbot.status")["ok"]


def test_renewed_and_shown_or_else_it_failed(secure: Secure) -> None:
    site, before = secure, secure.shown()
    assert site.json("certbot.renew")["changed"] is False, "it is not due"
    nginx_conf(site, NGINX_CONF + "broken by hand;")
    record = site.json("certbot.renew", "--force", code=1)
    said = record["error"]["what"]
    assert "not the one on the disk" in said and 'unknown directive "broken"' in said
    disk = from_pem(site.on_disk())
    assert disk is not None and site.shown().serial == before.serial != disk.serial
    assert "not the one on the disk" in site.json("certbot.status", code=3)["error"]["what"]
    refused = site.json("certbot.issue", "--force", code=1)["error"]
    assert "broken, before anything was changed" in refused["what"] and "until docker compose exec" in refused["next"]
    nginx_conf(site, NGINX_CONF)
    site.inv("certbot.renew")
    assert site.shown().serial == disk.serial, "nothing was renewed, and nginx reloaded"


@pytest.mark.full
def test_a_hook_that_fails_is_no_success(secure: Secure) -> None:
    site = secure
    hook = f"{site.certs}/renewal-hooks/deploy/fails"
    site.as_root(
        f"mkdir -p $(dirname {hook}); printf '#!/bin/sh\\necho no luck >&2\\nexit 1\\n' >{hook}; chmod 755 {hook}"
    )
    record = site.json("certbot.renew", "--force", code=1)
    assert "reported error code 1" in record["error"]["what"] and "no luck" in record["error"]["what"]
    disk = from_pem(site.on_disk())
    assert disk is not None and site.shown().serial == disk.serial, "and yet it is shown"


@pytest.mark.full
def test_names_that_lead_elsewhere(secure: Secure) -> None:
    """Three names: one leads to the ACME server's own address, where nobody answers so; one is in no DNS."""
    site, three = secure, [*secure.domains, f"gone.{secure.name}.lab"]
    asked = site.as_root(f"cat {site.folder}/.opslib/certbot/asked.jsonl").count("\n")
    site.configure(domains=", ".join(three))
    site.lead(site.domains[1], site.acme["address"])
    record = site.json("certbot.issue", code=1)
    said = record["error"]["what"]
    assert f"{three[2]} has no address in DNS" in said and "so it was not asked" in said
    assert site.as_root(f"cat {site.folder}/.opslib/certbot/asked.jsonl").count("\n") == asked
    # Asked all the same: the ACME server says which, and what was there stays.
    before = site.shown().serial
    record = site.json("certbot.issue", "--unchecked", code=1)
    said = record["error"]["what"]
    # it ends with the first that fails, so the second may not be told
    assert re.search(r"did not prove [12] of the names", said) and (three[2] in said or three[1] in said)
    assert f"    {three[0]}:" not in said
    assert site.shown().serial == before
    last = site.as_root(f"tail -n 1 {site.folder}/.opslib/certbot/asked.jsonl")
    assert '"failed":[]' not in last and '"ok":false' in last


@pytest.mark.full
def test_a_site_of_somebody_s_own_stays(secure: Secure) -> None:
    site = secure
    file = f"{site.folder}/nginx/sites/opslib-site-{site.domains[0]}.conf"
    before = site.as_root(f"cat {file}")
    try:
        site.as_root(f"sed -i 's/proxy_read_timeout 60s/proxy_read_timeout 90s/' {file}")
        said = site.inv("deploy.proxy", code=1)
        assert "was changed by hand, and is not overwritten" in said and "-        proxy_read_timeout 90s;" in said
        assert "90s" in site.as_root(f"cat {file}")
    finally:
        site.as_root(f"cat >{file} <<'END'\n{before}\nEND")
    site.configure()
    text = (site.root / "hosts/there.yml").read_text()
    (site.root / "hosts/there.yml").write_text(
        text.replace("service: web}]", "service: web, body: 5MB, headers: {X-It: 'a b'}}]")
    )
    assert "client_max_body_size 5000000" in site.inv("deploy.proxy", "--plan")
    site.inv("deploy.proxy")
    assert "client_max_body_size 5000000" in site.as_root(f"cat {file}") and site.get() == "blue"
    bad = text.replace("service: web}]", "service: web, headers: {X-It: '$nosuch'}}]")
    (site.root / "hosts/there.yml").write_text(bad)
    said = site.inv("deploy.proxy", code=1)
    assert 'unknown "nosuch" variable' in said
    assert "client_max_body_size 5000000" in site.as_root(f"cat {file}"), "the old one is back"
    site.configure()
    site.inv("deploy.proxy")


@pytest.mark.full
def test_certificates_are_in_a_backup(secure: Secure) -> None:
    result = secure.json("backup.files")["result"]
    assert re.search(r"certificates", str(result)), result
    files = secure.inside(f"cd {secure.folder}/backups/{result['set']} && ls").split()
    assert any("certificates" in one for one in files) and any("nginx-sites" in one or "nginx" in one for one in files)
    # and they come back
    before = secure.on_disk()
    secure.as_root(f"rm -rf {secure.certs}/live {secure.certs}/archive")
    secure.inv("restore.files", "--file", "latest", "--yes")
    assert secure.on_disk() == before and secure.json("certbot.status")["ok"]


@pytest.mark.full
def test_what_is_shown_is_seen_through_the_line(secure: Secure) -> None:
    """Where the names lead nowhere from here, the server shows it to itself."""
    for one in secure.domains:
        secure.lead(one)
    status = secure.json("certbot.status")
    (one,) = status["result"]["certificates"]
    assert {each["seen"] for each in one["served"]} == {"there"} and {each["trusted"] for each in one["served"]} == {
        True
    }
    assert one["served"][0]["serial"] == secure.shown().serial
