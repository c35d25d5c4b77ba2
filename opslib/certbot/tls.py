"""The certificate that is really shown: a handshake from this machine, or through the line from the server itself."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.certbot.certificate import Certificate, from_der
from opslib.command import bash
from opslib.errors import OpsError

if TYPE_CHECKING:
    from opslib.target.base import Target

PORT = 443
SECONDS = 8.0
# Both ways at once; the end of either is the end.
_RELAY = 'exec 3<>"/dev/tcp/$1/$2" || exit; cat <&3 & cat >&3; wait'


class Unreached(Exception):
    """Nobody answered there; its text says what happened."""


@dataclass(frozen=True, slots=True)
class Served:
    """What is shown at `at`, seen from `seen` (here, or the host). `trusted`: a client that checks would go on; else
    `why` not."""

    certificate: Certificate
    at: str
    seen: str
    trusted: bool
    why: str = ""


def from_here(name: str, address: str, ca: Path | None, port: int = PORT) -> Served:
    """What is shown to this machine. Raises Unreached."""

    def way(context: ssl.SSLContext) -> bytes:
        try:
            with socket.create_connection((address, port), timeout=SECONDS) as line:
                return _shake(context, name, line.sendall, lambda: line.recv(65536))
        except ssl.SSLError:
            raise
        except OSError as error:
            raise Unreached(_said(error)) from None

    return _served(way, name, f"{address}", "here", ca)


def through(target: Target, name: str, ca: Path | None, port: int = PORT, address: str = "127.0.0.1") -> Served:
    """What the server shows to itself. Raises Unreached."""

    def way(context: ssl.SSLContext) -> bytes:
        process = target.start(bash(_RELAY, address, str(port), streams=True, limit=20))
        try:
            return _shake(context, name, process.write, process.read)
        except OpsError as error:
            raise Unreached(error.what) from None
        finally:
            target.abandon(process)

    return _served(way, name, address, target.host.name, ca)


def _served(way: Callable[[ssl.SSLContext], bytes], name: str, at: str, seen: str, ca: Path | None) -> Served:
    """Twice: what is shown, and whether somebody who checks takes it."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        certificate = from_der(way(anybody))
    except (ssl.SSLError, ValueError) as error:
        raise Unreached(f"no TLS there: {_said(error)}") from None
    careful = ssl.create_default_context(cafile=str(ca) if ca else None)
    try:
        way(careful)
    except ssl.SSLCertVerificationError as error:
        return Served(certificate, at, seen, False, error.verify_message)
    except ssl.SSLError as error:
        return Served(certificate, at, seen, False, _said(error))
    return Served(certificate, at, seen, True)


def _shake(context: ssl.SSLContext, name: str, send: Callable[[bytes], object], receive: Callable[[], bytes]) -> bytes:
    """Shake hands over any pair of ways; returns the certificate in DER. Raises ssl.SSLError, Unreached."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            send(outgoing.read())
            got = receive()
            if not got:
                raise Unreached("it hung up") from None
            incoming.write(got)
            continue
        return tls.getpeercert(binary_form=True) or b""


def _said(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
