"""Whether the ACME server will find its answer: a nonce through each public name and address, before it is asked.

Asked from here, as the world would, and from the server: behind a router that leads nothing back inside, a server
cannot see its own public address; and this machine may have no IPv6, or be kept out by a firewall.
"""

from __future__ import annotations

import errno
import http.client
import re
import secrets
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opslib.certbot import names
from opslib.command import bash
from opslib.compose.script import sections
from opslib.errors import OpsError
from opslib.proxy.place import webroot_of

if TYPE_CHECKING:
    from opslib.run.step import Run
    from opslib.target.base import Target

SECONDS = 8.0
FOLDER = ".well-known/acme-challenge"
_REDIRECTS = 3
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_PUT = """umask 022; mkdir -p -- "$1/$2" && printf '%s' "$4" >"$1/$2/$3" """
# $1 the path, then pairs of an address and a name. No curl: bash and a port.
_ASK = r"""path=$1; shift
one() {
  exec 3<>"/dev/tcp/$1/80" || exit 1
  printf 'GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: opslib\r\n\r\n' "$path" "$2" >&3; head -c 4096 <&3
}
while (($#)); do
  export path; export -f one
  said=$(timeout 8 bash -c 'one "$@"' bash "$1" "$2" 2>&1 | tr -d '\000\r')
  printf '# asked %s %s\n%s\n' "$1" "$2" "$(while IFS= read -r l || [[ $l ]]; do printf '|%s\n' "$l"; done <<<"$said")"
  shift 2
done"""


SILENT = "nobody answers on port 80"


@dataclass(frozen=True, slots=True)
class Seen:
    """How one address of one name answered; `here` and `there` say from where: "" is the nonce, else what came instead;
    None: it cannot be asked from there, as where this machine has no IPv6."""

    name: str
    address: str
    here: str | None
    there: str | None

    @property
    def good(self) -> bool:
        """Whether somebody got the nonce, and nobody another answer on this side of the server."""
        return self.here == "" or (self.here in (None, SILENT) and self.there == "")

    @property
    def unknown(self) -> bool:
        """Whether nobody can tell."""
        return self.here is None and self.there is None


def check(run: Run, domains: Iterable[str]) -> list[str]:
    """Ask for a nonce under each name. Returns what could not be proved.

    Raises OpsError naming each name that leads elsewhere, with what answered there.
    """
    target, name, nonce = run.target, f"opslib-{secrets.token_hex(8)}", secrets.token_hex(16)
    webroot = webroot_of(target.host, target.root)
    target.run(bash(_PUT, webroot, FOLDER, name, nonce))
    try:
        asked = [(one, names.addresses(target.host, one)) for one in domains]
        pairs = [(one, address) for one, found in asked for address in found]
        there = _from_there(target, f"/{FOLDER}/{name}", pairs, nonce)
        seen = [Seen(one, address, from_here(one, address, f"/{FOLDER}/{name}", nonce), there.get((address, one)))
                for one, address in pairs]  # fmt: skip
    finally:
        target.run(bash('rm -f -- "$1"', f"{webroot}/{FOLDER}/{name}"), check=False)
    nowhere = [one for one, found in asked if not found]
    return judge(seen, nowhere, run.host)


def judge(seen: Sequence[Seen], nowhere: Sequence[str], host: str) -> list[str]:
    """What could not be proved, in words. Raises OpsError for names by which the ACME server would be led elsewhere."""
    wrong = [f"{name} has no address in DNS" for name in nowhere]
    wrong += [f"{one.name} leads to {one.address}: {one.here or one.there}"
              for one in seen if not one.good and not one.unknown]  # fmt: skip
    if wrong:
        raise OpsError(
            "the ACME server would not find its answer, so it was not asked:\n    " + "\n    ".join(wrong), host=host,
            left="the certificates, and the rate limits",
            next="lead the names to this server and port 80 to nginx (docs/certbot.md), then run it again; "
            "--unchecked asks all the same",
        )  # fmt: skip
    unsure = [f"{one.name} at {one.address} could be reached neither from here nor from the server" for one in seen
              if one.unknown]  # fmt: skip
    return unsure + [f"{one.name} at {one.address} was reached from the server alone" for one in seen
                     if one.here != "" and one.there == ""]  # fmt: skip


def from_here(name: str, address: str, path: str, nonce: str) -> str | None:
    """As `Seen.here`. Redirects are followed as an ACME server follows them: to another scheme of the same name."""
    secure = False
    for _ in range(_REDIRECTS):
        try:
            status, location, body, server = _get(name, address, path, secure)
        except OSError as error:
            return None if ":" in address and error.errno in _NO_WAY else SILENT
        except http.client.HTTPException:
            return "what answers there speaks no HTTP"
        to = urlsplit(location)
        if status not in (301, 302, 303, 307, 308) or to.hostname != name or to.path != path:
            return answered(status, body, server, nonce)
        secure = to.scheme == "https"
    return "it redirects in circles"


def _get(name: str, address: str, path: str, secure: bool) -> tuple[int, str, str, str]:
    line = http.client.HTTPConnection(name, 443 if secure else 80, timeout=SECONDS)
    line.sock = socket.create_connection((address, line.port), timeout=SECONDS)
    try:
        if secure:
            anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
            line.sock = anybody.wrap_socket(line.sock, server_hostname=name)
        line.request("GET", path, headers={"Host": name, "User-Agent": "opslib"})
        answer = line.getresponse()
        body = answer.read(4096).decode("latin-1")
        return answer.status, answer.headers.get("Location", ""), body, answer.headers.get("Server", "")
    finally:
        line.close()


def answered(status: int, body: str, server: str, nonce: str) -> str:
    """ "" for the nonce, else who answers there instead."""
    if status == 200 and body.strip() == nonce:
        return ""
    who = server or "somebody"
    return f"{who} answers {status} there, and not from the folder of the challenges"


def _from_there(target: Target, path: str, pairs: Sequence[tuple[str, str]],
                nonce: str) -> dict[tuple[str, str], str | None]:  # fmt: skip
    words = [word for name, address in pairs for word in (address, name)]
    if not words:
        return {}
    told = sections(target.run(bash(_ASK, path, *words, limit=30 + 10 * len(pairs))).text)
    return {(address, name): _read(told.get(f"asked {address} {name}", []), nonce) for name, address in pairs}


def _read(lines: Sequence[str], nonce: str) -> str | None:
    text = "\n".join(line[1:] for line in lines)
    found = re.search(r"(?m)^HTTP/1\.[01] (\d{3})", text)
    if found is None:
        return None
    if found[1].startswith("3"):  # it would have to be followed, and TLS needs more than bash
        return None
    server = re.search(r"(?mi)^server: *(.+)$", text)
    return answered(int(found[1]), text.partition("\n\n")[2], server[1].strip() if server else "", nonce)
