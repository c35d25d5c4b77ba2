"""The text of an nginx site, from what the host file says of it. Nothing is read or written here.

A first line says whose the file is and what the rest of it has to hash to, so that a change by hand is seen. TLS is
Mozilla's intermediate configuration, guideline 5.7 (https://ssl-config.mozilla.org), without the DHE ciphers: nginx
offers none as long as it is given no parameters for them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opslib.settings.sites import Site

PREFIX = "opslib-site-"
_HEAD = "# Written by opslib (inv deploy.proxy); change the host file, not this. sha256 "
_CERTIFICATE = re.compile(r'(?m)^\s*ssl_certificate\s+"?([^";]+)"?;')
_TLS = """    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
    ssl_prefer_server_ciphers off;
    ssl_session_timeout 1d;
    ssl_session_cache shared:opslib_tls:10m;
    ssl_session_tickets off;
"""  # noqa: E501
Whose = Literal["absent", "ours", "changed", "other"]


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things are as nginx sees them: the pair of files of the certificate, and the folder of the challenges.
    `ipv6`: whether it listens there too."""

    certificate: str
    key: str
    webroot: str
    ipv6: bool = False


def stem(site: Site) -> str:
    """What the site's files are called, without a suffix."""
    return f"{PREFIX}{site.name}"


def files(site: Site) -> tuple[str, str, str]:
    """The site's own file, and the pair of its first certificate, which nobody has signed but itself."""
    return f"{stem(site)}.conf", f"{stem(site)}.crt", f"{stem(site)}.key"


def text(site: Site, paths: Paths, ports: Mapping[str, int], *, real: bool) -> str:
    """The site. `ports`: of each service, to say in a comment; `real`: its certificate is one that browsers trust, so
    that they may be told to insist on it."""
    variable = "opslib_" + re.sub(r"[^a-z0-9]", "_", site.name)
    body = "\n".join((*_upgrade(site, variable), *_plain(site, paths, ports, variable),
                      *_tls(site, paths, ports, variable, real)))  # fmt: skip
    return f"{_HEAD}{hashlib.sha256(body.encode()).hexdigest()}\n{body}"


def whose(found: str | None) -> Whose:
    """Whose a file is that is there: ours, ours and changed by hand since, or somebody else's."""
    if not found:
        return "absent"
    head, _, body = found.partition("\n")
    if not head.startswith(_HEAD):
        return "other"
    return "ours" if hashlib.sha256(body.encode()).hexdigest() == head[len(_HEAD) :].strip() else "changed"


def certificate_of(found: str | None) -> str:
    """The file of the certificate that a site serves; "" where it names none."""
    seen = _CERTIFICATE.search(found or "")
    return seen[1] if seen else ""


def _upgrade(site: Site, variable: str) -> list[str]:
    if not site.websockets:
        return []
    return [f"map $http_upgrade ${variable} {{ default upgrade; '' close; }}"]


def _plain(site: Site, paths: Paths, ports: Mapping[str, int], variable: str) -> list[str]:
    lines = ["server {", *_listen(80, "", paths), f"    server_name {' '.join(site.domains)};", *_challenge(paths)]
    if site.http == "redirect":
        return [*lines, "    location / { return 301 https://$host$request_uri; }", "}"]
    return [*lines, *_body(site, ports, variable), "}"]


def _tls(site: Site, paths: Paths, ports: Mapping[str, int], variable: str, real: bool) -> list[str]:
    # `http2` of `listen` is for every nginx; the directive of that name, which 1.25.1 prefers, is unknown to older ones
    names = " ".join(site.domains)
    lines = ["server {", *_listen(443, " ssl http2", paths), f"    server_name {names};",
             f'    ssl_certificate "{paths.certificate}";', f'    ssl_certificate_key "{paths.key}";',
             "    # Mozilla's intermediate configuration, guideline 5.7", _TLS.rstrip("\n"),
             *_challenge(paths)]  # fmt: skip
    if real and site.hsts is not None:
        lines.append(f'    add_header Strict-Transport-Security "max-age={round(site.hsts)}" always;')
    return [*lines, *_body(site, ports, variable), "}", ""]


def _listen(port: int, how: str, paths: Paths) -> list[str]:
    return [f"    listen {port}{how};", *([f"    listen [::]:{port}{how};"] if paths.ipv6 else [])]


def _challenge(paths: Paths) -> list[str]:
    return ["    location ^~ /.well-known/acme-challenge/ {", f'        root "{paths.webroot}";',
            "        default_type text/plain;", "    }"]  # fmt: skip


def _body(site: Site, ports: Mapping[str, int], variable: str) -> list[str]:
    lines = [f"    client_max_body_size {site.body};"]
    lines += [f"    add_header {name} {_quoted(value)} always;" for name, value in site.headers.items()]
    for path, service in {"/": site.service, **site.paths}.items():
        lines += [f"    location {path} {{  # port {ports[service]}", *_pass(site, service, variable), "    }"]
    return lines


def _pass(site: Site, service: str, variable: str) -> list[str]:
    connection = f"${variable}" if site.websockets else '""'
    headers = {
        "Host": "$host", "X-Real-IP": "$remote_addr", "X-Forwarded-For": "$proxy_add_x_forwarded_for",
        "X-Forwarded-Proto": "$scheme", "X-Forwarded-Host": "$host", "Connection": connection,
        **({"Upgrade": "$http_upgrade"} if site.websockets else {}),
    }  # fmt: skip
    return [
        f"        proxy_pass http://{service};", "        proxy_http_version 1.1;",
        *(f"        proxy_set_header {name} {value};" for name, value in headers.items()),
        "        proxy_connect_timeout 5s;", f"        proxy_read_timeout {max(1, round(site.timeout))}s;",
        f"        proxy_send_timeout {max(1, round(site.timeout))}s;",
    ]  # fmt: skip


def _quoted(value: str) -> str:
    """A word of nginx; `$` stays a variable's, as people want it in headers."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
