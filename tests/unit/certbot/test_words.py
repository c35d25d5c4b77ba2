"""What certbot is told, what it says, and what that costs of the rate limits."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.certbot import answer, around, disk, limits, reachable, renewal, wanted
from opslib.certbot.reachable import Seen
from opslib.certbot.run import certbot, issue_words, program, shell
from opslib.compose.script import sections
from opslib.errors import BadSettings, Locked, OpsError
from opslib.settings.model import Deploy, Host, Proxy
from opslib.settings.sites import Certbot, Site

PROXY = Proxy(
    service="web", folder="up", upstreams={"api": 1}, sites=(Site(domains=("a.org", "www.a.org"), service="api"),)
)


def host(**more: Any) -> Host:
    return Host(name="h", path="/p", deploy=Deploy(proxy=PROXY), certbot=Certbot(**more))


def test_certbot_in_its_container_and_on_the_host() -> None:
    shown = certbot(host(image="c:1"), "/p/acme", "renew").masked()
    assert shown.startswith("docker run --rm --init --label opslib=1 --name opslib-certbot-")
    assert (
        "-v /etc/letsencrypt:/etc/letsencrypt -v /p/acme:/p/acme --entrypoint certbot c:1 renew --config-dir" in shown
    )
    own = host(command=("sudo", "-n", "certbot"))
    assert certbot(own, "/p/acme", "renew").masked() == "sudo -n certbot renew"
    assert shell(own, "ls", "x").masked() == "sudo -n sh -c ls sh x"
    assert program(host(command=("/opt/c/bin/certbot",), directory="/d"), "/w", ["renew"]) == [
        "/opt/c/bin/certbot", "renew", "--config-dir", "/d", "--work-dir", "/d/work", "--logs-dir", "/d/logs",
    ]  # fmt: skip
    assert "-p 80:80" in certbot(host(challenge=("standalone",)), "/w", "renew").masked()


def test_what_certbot_is_told() -> None:
    words = issue_words(host(email="o@a.org", server="https://x/dir"), "a.org", ["a.org", "*.a.org"], "/w")
    text = " ".join(words)
    assert "--cert-name a.org" in text and "--key-type ecdsa" in text and "--webroot --webroot-path /w" in text
    assert "--domain a.org --domain *.a.org" in text and text.endswith("--server https://x/dir")
    dns = issue_words(host(challenge=("--dns-route53",)), "a.org", ["a.org"], "/w")
    assert "--dns-route53" in dns and "--webroot" not in dns and "--register-unsafely-without-email" in dns


def test_which_certificates_are_meant() -> None:
    both = host(domains=("mail.a.org",))
    assert [one.name for one in wanted.chosen(both, None)] == ["a.org", "mail.a.org"]
    assert [one.name for one in wanted.chosen(both, "www.a.org")] == ["a.org"]
    with pytest.raises(BadSettings, match=r"does not name b\.org"):
        wanted.chosen(both, "b.org")
    with pytest.raises(BadSettings, match="names no domain"):
        wanted.chosen(Host(name="h", path="/p"), None)
    star = host(domains=("*.a.org",))
    with pytest.raises(BadSettings, match="only a challenge by DNS proves"):
        wanted.chosen(star, None)
    assert wanted.chosen(host(domains=("*.b.org", "b.org"), challenge=("--dns-x",)), "b.org")[0].name == "b.org"


FAILED = """Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: bad.a.org
  Type:   dns
  Detail: No valid IP addresses found for bad.a.org

  Domain: www.a.org
  Type:   unauthorized
  Detail: 203.0.113.9: Invalid response from http://www.a.org/.well-known/acme-challenge/x: 404

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org.
"""


def test_the_names_that_failed_and_why() -> None:
    names = answer.failed_names(FAILED)
    assert [(one.domain, one.kind) for one in names] == [("bad.a.org", "dns"), ("www.a.org", "unauthorized")]
    assert "Hint" not in names[1].detail
    error = answer.failure(FAILED, "h", "all")
    assert "did not prove 2 of the names" in error.what and "bad.a.org: it does not find the name in DNS" in error.what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x\nurn:ietf:params:acme:error:rateLimited :: too many certificates (5) already issued", "rate limit"),
        (
            "An unexpected error occurred:\nurn:ietf:params:acme:error:accountDoesNotExist :: x",
            "does not know the account",
        ),
        ("OSError: [Errno 28] No space left on device", "the disk of the certificates is full"),
        (
            "requests.exceptions.SSLError: certificate verify failed: certificate has expired",
            "look at the clock|not trusted",
        ),
        ("docker: Bind for 0.0.0.0:80 failed: port is already allocated.", "port 80 of the host is taken"),
        ("something new", "certbot failed"),
    ],
)
def test_other_ends_of_certbot(text: str, what: str) -> None:
    with pytest.raises(OpsError, match=what):
        raise answer.failure(text, "h", "all")


def test_a_second_certbot_is_a_lock_and_a_hook_that_failed_is_seen() -> None:
    assert isinstance(answer.failure("Another instance of Certbot is already running.", "h", ""), Locked)
    said = (
        "Congratulations!\nHook 'deploy-hook' reported error code 1\nHook 'deploy-hook' ran with error output:\n no\n"
    )
    assert answer.failed_hooks(said) == ["Hook 'deploy-hook' reported error code 1 (no)"]
    assert answer.failed_hooks("Hook 'deploy-hook' ran with output:\n fine") == []


def asked(
    at: float, ok: bool = True, failed: tuple[str, ...] = (), domains: tuple[str, ...] = ("a.org",)
) -> dict[str, Any]:
    return {"at": at, "ok": ok, "failed": list(failed), "domains": sorted(domains)}


def test_rate_limits_are_counted() -> None:
    now = 1_000_000.0
    four = [asked(now - 100 * one) for one in range(1, 5)]
    assert limits.look(four, ["a.org"], now) == (["4 of 5 certificates with exactly these names in 7 days"], None)
    _, full = limits.look([*four, asked(now - 50)], ["a.org"], now)
    assert full and full.startswith(
        "5 of 5 certificates with exactly these names in 7 days; the next one is free at 1970-01-19"
    )
    assert limits.look([asked(now - 8 * 86400)] * 9, ["a.org"], now) == ([], None)
    wrong = [asked(now - 60, ok=False, failed=("www.a.org",)) for _ in range(5)]
    assert "5 of 5 failures of www.a.org in an hour" in (limits.look(wrong, ["a.org", "www.a.org"], now)[1] or "")
    assert limits.look(wrong, ["a.org"], now) == ([], None)
    many = [asked(now - 60, domains=(f"{one}.a.org",)) for one in range(49)]
    assert limits.look(many, ["new.a.org"], now)[0] == ["49 of 50 certificates of a.org in 7 days"]
    assert limits.look(many, ["3.a.org"], now) == ([], None), "a renewal does not count"
    assert (limits.registered("x.shop.co.uk"), limits.registered("*.a.b.org")) == ("shop.co.uk", "b.org")


def test_what_a_look_at_the_names_means() -> None:
    assert reachable.judge([Seen("a.org", "1.2.3.4", "", None)], [], "h") == []
    alone = reachable.judge([Seen("a.org", "1.2.3.4", None, "")], [], "h")
    assert alone == ["a.org at 1.2.3.4 was reached from the server alone"], "a firewall that lets only some in"
    assert "neither from here nor from the server" in reachable.judge([Seen("a.org", "::1", None, None)], [], "h")[0]
    for seen, gone in (([Seen("a.org", "9.9.9.9", "Apache answers 404", "")], []), ([], ["b.org"]),
                       ([Seen("a.org", "9.9.9.9", None, "Apache answers 404")], []),
                       ([Seen("a.org", "9.9.9.9", reachable.SILENT, None)], [])):  # fmt: skip
        with pytest.raises(
            OpsError,
            match=r"would not find its answer.*\n    (a.org leads to 9.9.9.9: (Apache|nobody)|b.org has no address)",
        ):
            reachable.judge(seen, gone, "h")
    assert reachable.answered(200, "abc\n", "nginx", "abc") == ""


AROUND = """# systemd
# timers
|timer|Tue 2026-12-01 01:02:03 UTC 5h left n/a certbot.timer certbot.service
# cron
|/etc/cron.d/certbot|0 */12 * * * root test -x /usr/bin/certbot -a \\! -d /run/systemd/system && certbot -q renew
# crontab
there
|5 4,16 * * * bash /p/.opslib/certbot/renew # opslib certbot proj
|0 0 * * * certbot renew
# containers
|p-traefik-1\ttraefik:v3.1\t0.0.0.0:80->80/tcp, 0.0.0.0:443->443/tcp\t"/entrypoint.sh"\ttraefik.http.routers.x.rule=Host(`t.a.org`)
|renewer\tcertbot/certbot\t\t"sh -c 'while :; do certbot renew; sleep 12h; done'"\tx=1
# programs
caddy
"""


def test_who_renews_and_who_gets_certificates_by_itself() -> None:
    seen = around.read(sections(AROUND), host(), "proj")
    assert [one.what for one in seen.renewers] == [
        "systemd's certbot.timer", "cron, by /etc/cron.d/certbot", "cron, by opslib's line",
        "cron, by a line of the login user", "container renewer",
    ]  # fmt: skip
    assert [one.mine for one in seen.renewers].count(True) == 1
    assert dict(seen.proxies) == {"traefik in container p-traefik-1": (("t.a.org",), True), "caddy": ((), True)}
    with pytest.raises(OpsError, match="traefik in container p-traefik-1 has the ports 80 and 443"):
        around.refuse(seen, wanted.all_of(host()), host())
    elsewhere = around.read(sections(AROUND), host(directory="/srv/certs"), "proj")
    assert next(one.what for one in elsewhere.renewers) == "cron, by opslib's line", (
        "the system's are for its own folder"
    )
    under_systemd = around.read(sections(AROUND.replace("# systemd\n", "# systemd\nyes\n")), host(), "proj")
    assert "cron, by /etc/cron.d/certbot" not in [one.what for one in under_systemd.renewers], (
        "it leaves it to the timer"
    )


def test_what_is_read_of_a_disk() -> None:
    said = "# now\n5\n# free\n900\n# live a.org\n|nonsense\n# renewal a.org\n|server = https://x/dir\n|authenticator = webroot\n# live a.org-0001\n# accounts\n/x/regr"
    found = disk.read(sections(said))
    assert (found.now, found.free, found.twins("a.org"), found.certificate("a.org")) == (5.0, 900, ["a.org-0001"], None)
    assert found.kept["a.org"].renewal == {"server": "https://x/dir", "authenticator": "webroot"}


def test_the_line_of_cron() -> None:
    line = renewal.cron_line("/p/.opslib/certbot", "proj")
    minute, hours, rest = line.split(" ", 2)
    assert 0 <= int(minute) < 60 and len(hours.split(",")) == 2
    assert rest == "* * * bash /p/.opslib/certbot/renew # opslib certbot proj"
    assert "tell 0" in renewal.reload_text(host(), "/p", "proj")
    assert renewal.reload_text(
        Host(name="h", path="/p", certbot=Certbot(reload=("systemctl", "reload", "x"))), "/p", "p"
    ).endswith("systemctl reload x\n")
