"""The text of nginx's sites, and whose a file is that is there."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.compose.script import sections
from opslib.errors import BadSettings, OpsError
from opslib.proxy.place import Place
from opslib.proxy.site import Paths, certificate_of, files, text, whose
from opslib.proxy.site_steps import found, refuse_broken, refuse_others
from opslib.settings.model import Deploy, Host, Proxy
from opslib.settings.sites import Certbot, Site

PATHS = Paths("/c/fullchain.pem", "/c/privkey.pem", "/acme")
PORTS = {"api": 8000, "chat": 9000}


def made(**more: Any) -> str:
    paths = more.pop("at", PATHS)
    real = more.pop("real", True)
    site = Site(domains=("example.com", "www.example.com"), service="api", **more)
    return text(site, paths, PORTS, real=real)


def test_a_site_redirects_answers_the_acme_server_and_passes_on() -> None:
    plain, tls = made().split("\nserver {")[1:]
    assert "return 301 https://$host$request_uri;" in plain and "listen 80;" in plain and "proxy_pass" not in plain
    for part in (plain, tls):
        assert "server_name example.com www.example.com;" in part
        assert 'location ^~ /.well-known/acme-challenge/ {\n        root "/acme";' in part
    assert "listen 443 ssl http2;" in tls and "guideline 5.7" in tls and "ssl_protocols TLSv1.2 TLSv1.3;" in tls
    assert "proxy_pass http://api;" in tls and "proxy_set_header X-Forwarded-Proto $scheme;" in tls
    assert "client_max_body_size 10000000;" in tls and "proxy_read_timeout 60s;" in tls
    assert "[::]" not in tls and "Upgrade" not in tls and "Strict-Transport" not in tls


def test_what_a_site_may_have() -> None:
    all_of_it = made(
        paths={"/ws/": "chat"}, websockets=True, body=25_000_000, timeout=300.0, headers={"X-Frame-Options": 'D"NY'},
        http="serve", hsts=86400.0, at=Paths("/c/f", "/c/p", "/acme", ipv6=True),
    )  # fmt: skip
    assert "map $http_upgrade $opslib_example_com { default upgrade; '' close; }" in all_of_it
    assert all_of_it.count("proxy_set_header Connection $opslib_example_com;") == 4, "both servers, both places"
    assert "location /ws/ {  # port 9000\n        proxy_pass http://chat;" in all_of_it
    assert 'add_header X-Frame-Options "D\\"NY" always;' in all_of_it and "return 301" not in all_of_it
    assert "listen [::]:443 ssl http2;" in all_of_it and "proxy_read_timeout 300s;" in all_of_it
    assert 'add_header Strict-Transport-Security "max-age=86400" always;' in all_of_it
    first = made(hsts=86400.0, real=False)
    assert "Strict-Transport" not in first, "a browser that was told so would not come back"


def test_a_change_by_hand_is_seen() -> None:
    ours = made()
    assert (whose(None), whose(""), whose(ours)) == ("absent", "absent", "ours")
    assert whose(ours.replace("60s", "90s")) == "changed"
    assert whose("server { listen 80; }\n") == "other"
    assert certificate_of(ours) == "/c/fullchain.pem" and certificate_of("server {}") == ""
    star = Site(domains=("*.example.com",), service="api")
    assert files(star) == ("opslib-site-example.com.conf", "opslib-site-example.com.crt", "opslib-site-example.com.key")


def place(**more: Any) -> Place:
    site = Site(domains=("example.com",), service="api")
    proxy = Proxy(service="web", folder="up", upstreams={"api": 8000}, sites=(site,))
    host = Host(name="h", path="/p", deploy=Deploy(proxy=proxy), certbot=Certbot(**more))
    pairs = (("/p/up", "/etc/nginx/up"), ("/p/acme", "/acme"), ("/etc/letsencrypt", "/certs"))
    return Place(host, proxy, "proj", "/p", "/p/up", pairs)


def test_where_nginx_has_things() -> None:
    at, site = place(), Site(domains=("example.com",), service="api")
    assert at.paths(site, True).certificate == "/certs/live/example.com/fullchain.pem"
    assert at.paths(site, False).key == "/etc/nginx/up/opslib-site-example.com.key"
    assert at.paths(site, True).webroot == "/acme"
    with pytest.raises(
        BadSettings, match="service web does not mount /srv/certs, where its certificates are"
    ) as raised:
        place(directory="/srv/certs").paths(site, True)
    assert 'volumes: ["/srv/certs:/srv/certs:ro"]' in str(raised.value.next)
    with pytest.raises(BadSettings, match=r"does not mount \./elsewhere"):
        place(webroot="elsewhere").paths(site, True)


GOOD = "# user\ndeploy\n# may\nthere\nwrite\n# code\n0\n# said\n|ok\n# dump\n|# configuration file /etc/nginx/nginx.conf:\n|http {\n"
INCLUDES = "|  include /etc/nginx/up/*.conf;\n"


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (GOOD.replace("write\n", "") + INCLUDES, "/p/up is not there, or may not be written to by deploy"),
        (GOOD.replace("# code\n0", "# code\n1").replace("|ok", "|[emerg] unknown directive"), r"broken, before anything was changed:\n    \[emerg\]"),
        (GOOD, "includes nothing from /etc/nginx/up"),
        (GOOD + "|  # include /etc/nginx/up/*.conf;\n", "includes nothing from /etc/nginx/up"),
    ],
)  # fmt: skip
def test_an_nginx_that_could_not_be_given_a_site(seen: str, what: str) -> None:
    refuse_broken(sections(GOOD + INCLUDES), place())
    with pytest.raises(OpsError, match=what):
        refuse_broken(sections(seen), place())


def test_a_site_of_somebody_s_own_is_never_overwritten() -> None:
    name = "opslib-site-example.com.conf"
    at = place()
    ours = at.text(at.spec.sites[0], False)
    written = "# file opslib-site-example.com.conf\n" + "".join(f"|{line}\n" for line in ours.splitlines())
    seen = sections(GOOD + INCLUDES + written)
    assert found(seen) == {name: ours}, "read back as it was written"
    refuse_others(at, found(seen), {name: ours}, seen)
    with pytest.raises(OpsError, match="was changed by hand, and is not overwritten") as raised:
        refuse_others(at, {name: ours.replace("60s", "90s")}, {name: ours}, seen)
    assert (
        "-        proxy_read_timeout 90s;" in raised.value.what
        and "+        proxy_read_timeout 60s;" in raised.value.what
    )
    other = "|# configuration file /etc/nginx/conf.d/mine.conf:\n|server {\n|  server_name www.x.org example.com;\n|}\n"
    with pytest.raises(OpsError, match=r"mine.conf serves example.com already") as raised:
        refuse_others(at, {}, {name: ours}, sections(GOOD + INCLUDES + other))
    assert "-  server_name www.x.org example.com;" in raised.value.what
    mine = other.replace("/etc/nginx/conf.d/mine.conf", f"/etc/nginx/up/{name}")
    refuse_others(at, {}, {name: ours}, sections(GOOD + INCLUDES + mine))
