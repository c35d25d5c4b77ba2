"""The line below an SSH connection and how paramiko is made to use it well."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from paramiko import Transport
from paramiko.packet import Packetizer

from opslib.target.known_hosts import Known

WINDOW = 4 * 1024 * 1024  # bytes under way to us on a channel
READ_AHEAD = 256 * 1024  # bytes
LOST_AFTER = 30  # seconds without an acknowledgement until the kernel gives a line up
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_RSA = ("rsa-sha2-512", "rsa-sha2-256")


class Packets(Packetizer):
    """Leaves it to the server to ask for new keys: paramiko's own request at 512 MiB often times out (paramiko#822)."""

    REKEY_BYTES = 1 << 50

    def __init__(self, line: Any) -> None:
        super().__init__(_ReadAhead(line))  # type: ignore[arg-type]  # it uses recv, send and close


class _ReadAhead:
    """The line, read in large pieces: paramiko asks for each packet's head and body by themselves."""

    def __init__(self, line: Any) -> None:
        self._line, self._got, self._at = line, b"", 0
        self.send, self.close = line.send, line.close

    def recv(self, n: int) -> bytes:
        if self._at == len(self._got):
            self._got, self._at = self._line.recv(READ_AHEAD), 0
        piece = self._got[self._at : self._at + n]
        self._at += len(piece)
        return piece


def connect(hostname: str, port: int, limit: float) -> socket.socket:
    """A TCP connection that answers small exchanges at once and notices a dead line. Raises OSError, UnicodeError."""
    line = socket.create_connection((hostname, port), timeout=limit)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else every small exchange may wait 40 ms
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", LOST_AFTER // 2),
        ("TCP_KEEPINTVL", LOST_AFTER // 6),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", LOST_AFTER * 1000),
    ):
        if hasattr(socket, name):  # not every system has all of them
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return line


def transport_factory(known: Known) -> Callable[..., Transport]:
    """For SSHClient.connect: a transport that asks the server for the host key that is known."""

    def make(sock: socket.socket, disabled_algorithms: Any = None) -> Transport:
        transport = Transport(
            sock, default_window_size=WINDOW, disabled_algorithms=disabled_algorithms, packetizer_class=Packets
        )
        options = transport.get_security_options()
        options.ciphers = CIPHERS
        wanted = [x for kind in known.key_types for x in (_RSA if kind == "ssh-rsa" else (kind,))]
        first = [x for x in wanted if x in options.key_types]
        options.key_types = (*first, *(x for x in options.key_types if x not in first))
        return transport

    return make
