"""Which requests nginx's own log counts: read from its configuration as `nginx -T` prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from opslib.proxy.directives import parse
from opslib.proxy.nginx_log import Counted, counted, default_log, texts

FOLDER = "/etc/nginx/up"
PRODUCT = Path(__file__).parents[3] / "examples/productdemo/nginx/nginx.conf"
OWN = "access_log /var/log/nginx/own.log"


def printed(**files: str) -> str:
    """What `nginx -T` prints: the main file first."""
    return "".join(
        f"# configuration file /etc/nginx/{name.replace('__', '/')}.conf:\n{text}\n\n" for name, text in files.items()
    )


def found(http: str, **files: str) -> Counted:
    return counted(parse(printed(nginx=f"events {{}}\nhttp {{\n{http}\n}}", **files)), FOLDER)


def test_words_quotes_braces_and_comments() -> None:
    text = """
    user nginx; # not; this {
    http { log_format main '$remote_addr "{x}" it\\'s' "a;b";
      map $a $b { default ""; ~^x{2}$ 1; } server { location ~ "^/a{2}" { return 200 ok#1; } set $x ${y}z; } }
    """
    user, http = parse(printed(nginx=text))
    assert user.words == ("user", "nginx")
    form, mapped, server = http.inside
    assert form.words[1:] == ("main", '$remote_addr "{x}" it\\\'s', "a;b")
    assert mapped.inside[0].words == ("default", "")
    assert server.inside[0].words == ("location", "~", "^/a{2}")
    assert (server.inside[0].inside[0].words, server.inside[1].words) == (
        ("return", "200", "ok#1"),
        ("set", "$x", "${y}z"),
    )
    assert parse("") == ()


def test_what_is_included_stands_where_it_is_included() -> None:
    one = found(
        "include conf.d/*.conf; access_log /dev/stdout;",
        conf__d__other="",
        **{"conf.d__a": "server { listen 80; location / { proxy_pass http://web; } }"},
    )
    assert one == Counted(("server 80 location /",), (), False)
    assert (
        found(
            "include conf.d/*.conf;", **{"conf.d__deep__a": "server { location / { proxy_pass http://web; } }"}
        ).blocks
        == ()
    )


@pytest.mark.parametrize(
    ("http", "server", "location", "seen", "default"),
    [
        ("", "", "", True, True),
        ("access_log /dev/stdout main;", "", "", True, False),
        ("access_log off;", "", "", False, False),
        ("access_log off;", f"include {FOLDER}/*.log;", "", True, False),
        ("", f"{OWN};", "", False, True),
        ("", f"{OWN}; include {FOLDER}/*.log;", "", True, True),
        ("", f"{OWN}; include {FOLDER}/opslib.log;", "", True, True),
        ("", f"{OWN}; include up/*.log;", "", True, True),
        ("", f"{OWN}; include /other/*.log;", "", False, True),
        ("", f"access_log off; include {FOLDER}/*.log;", "", False, True),
        ("", f"{OWN}; include {FOLDER}/*.log;", "access_log off;", False, True),
        ("", "", f"{OWN};", False, True),
        ("", f"{OWN};", f"include {FOLDER}/*.log;", True, True),
    ],
)  # fmt: skip
def test_which_logs_count(http: str, server: str, location: str, seen: bool, default: bool) -> None:
    """Each of these was tried with nginx 1.22."""
    one = found(f"{http} server {{ server_name a b; listen 80; {server} location / {{ {location} grpc_pass grpc://web; }} "
                f"location = /health {{ access_log off; return 200; }} }}")  # fmt: skip
    name = ("server a b location /",)
    assert one == Counted(name if seen else (), () if seen else name, default)


def test_the_example_is_counted() -> None:
    one = counted(parse(printed(nginx=PRODUCT.read_text())), "/etc/nginx/upstreams")
    assert (len(one.blocks), one.without, one.default) == (5, (), False)


def test_nginx_s_own_default_goes_on() -> None:
    said = "nginx version: nginx/1.22.1\nconfigure arguments: --prefix=/etc/nginx --http-log-path=/var/log/nginx/access.log --with-x"
    assert default_log(said) == "/var/log/nginx/access.log"
    assert default_log("configure arguments: --with-threads") == "logs/access.log"
    assert "access_log logs/access.log combined;" in texts("logs/access.log")["opslib.conf"]
    assert texts(None)["opslib.conf"].count("access_log") == texts(None)["opslib.log"].count("access_log") == 1
