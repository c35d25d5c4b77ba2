"""nginx and certbot of the server itself, from Debian's packages: found, kept, and told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from opslib.proxy.first_certificate import NOT_REAL
from tests.conftest import ROOT
from tests.lab.acme import Secure, lab_acme
from tests.lab.site import own_server, until

pytestmark = [pytest.mark.lab, pytest.mark.full]
SERVER = "certbot-host"
COMPOSE = """
services:
  web:
    image: ${IMAGES}busybox:1
    init: true
    stop_grace_period: 1s
    command: [sh, -c, 'mkdir -p /www; echo "$$COLOR" >/www/color; exec httpd -f -p 8000 -h /www']
    environment: {COLOR: "${COLOR}"}
    ports: ["127.0.0.1:8000-8003:8000"]
"""
SETTINGS = """deploy:
  timeout: 60s
  stable: 1s
  proxy:
    kind: host-nginx
    folder: /etc/nginx/opslib
    command: [sudo, -n, nginx]
    upstreams: {{web: 8000}}
    sites: [{{domains: [{domains}], service: web}}]
certbot:
  email: ops@example.com
  command: [sudo, -n, certbot]
  webroot: /var/www/acme
  server: {server}
  ca: {ca}
  resolver: {resolver}
  options: [--no-verify-ssl]
"""
INSTALL = """apt-get update -q && apt-get install -y -q --no-install-recommends nginx certbot &&
install -d -o deploy /etc/nginx/opslib /var/www/acme &&
sed -i 's|^http {|http {\\ninclude /etc/nginx/opslib/*.conf;|' /etc/nginx/nginx.conf &&
echo 'deploy ALL=(root) NOPASSWD: /usr/sbin/nginx, /usr/bin/certbot, /usr/bin/sh' >/etc/sudoers.d/deploy &&
chmod 440 /etc/sudoers.d/deploy && nginx"""


class OnHost(Secure):
    def configure(self, more: str = "", **changes: str) -> None:
        said = {"domains": ", ".join(self.domains), "server": self.acme["server"], "ca": self.acme["root"],
                "resolver": self.acme["resolver"]}  # fmt: skip
        (self.root / "hosts/there.yml").write_text(self.head + SETTINGS.format(**{**said, **changes}) + more)


@pytest.fixture(scope="module")
def site(lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnHost]:
    server = own_server(SERVER, "busybox")
    made = OnHost(tmp_path_factory.mktemp("onhost"), lab["images_prefix"], server, lab_acme())
    (made.root / "compose.yml").write_text(COMPOSE)
    made.as_root(INSTALL)
    yield made
    made.target.close()
    subprocess.run([str(ROOT / "scripts/lab"), "server", SERVER, "--down"], check=True, capture_output=True)


def test_nginx_and_certbot_of_the_host(site: OnHost) -> None:
    site.inv("deploy", "--yes")
    site.inv("deploy.proxy")
    assert site.shown().issuer == NOT_REAL
    record = site.json("certbot.issue")
    assert record["result"]["renewed_by"] == ["cron, by /etc/cron.d/certbot"], "Debian's own is kept"
    assert "opslib certbot" not in site.inside("crontab -u deploy -l"), "and nobody else renews"
    first = site.shown()
    assert set(first.names) == set(site.domains) and site.get() == "blue"
    assert site.json("certbot.issue")["changed"] is False
    # what Debian's line calls, as root and without opslib: the hook has nginx take it
    site.as_root("certbot -q renew --force-renewal --no-verify-ssl --no-random-sleep-on-renew")
    until(lambda: site.shown().serial != first.serial, 20, "the hook did not reload nginx")
    assert site.json("certbot.status")["result"]["findings"] == []
    # certbot's folder is the stack's, as nginx's sites are
    result = str(site.json("backup.files")["result"])
    assert "certificates /etc/letsencrypt" in result and "nginx sites" in result


def test_a_site_by_hand_elsewhere_is_not_run_over(site: OnHost) -> None:
    name = f"mine.{site.name}.lab"
    site.as_root(
        f"printf 'server {{ listen 80; server_name {name}; return 204; }}\\n' >/etc/nginx/sites-enabled/mine && nginx -s reload"
    )
    site.configure(domains=f"{name}, {site.domains[0]}")
    said = site.inv("deploy.proxy", code=1)
    assert "/etc/nginx/sites-enabled/mine serves" in said and "return 204" in said
    site.as_root("rm /etc/nginx/sites-enabled/mine")
    site.configure()


def test_a_user_who_may_not(site: OnHost) -> None:
    site.as_root("mv /etc/sudoers.d/deploy /root/deploy")
    try:
        error = site.json("certbot.status", code=1)["error"]
        assert "cannot be read" in error["what"] and "sudo" in error["what"]
        assert "let the login user call sudo -n sh there" in error["next"]
    finally:
        site.as_root("mv /root/deploy /etc/sudoers.d/deploy")
