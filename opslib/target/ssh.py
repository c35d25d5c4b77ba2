"""A machine behind SSH as a target."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from paramiko import SSHException

from opslib.errors import HostLost, OpsError
from opslib.events import Tell, silent
from opslib.target.base import Target
from opslib.target.connection import SshConnection, open_connection
from opslib.target.leash import REMOTE_LINE
from opslib.target.pipe import ChannelPipe, Pipe
from opslib.target.process import AFTER_LOSS, Ended, Process
from opslib.target.ssh_config import SshSettings, of_host
from opslib.target.ssh_failures import lost_on_the_way

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.ssh_keys import Prompt

CHANNELS = 8  # at once on one connection: sshd's MaxSessions is 10
_SETTLED = 0.5  # seconds in which a hop that has let go is seen to have ended, after what went through it


class Ssh(Target):
    """Commands run through channels of one connection; the keeper has a second one. Each passes the hops by itself: on
    a shared one heartbeats would queue behind bulk data."""

    def __init__(self, host: Host, tell: Tell = silent, *, prompt: Prompt | None = None) -> None:
        super().__init__(host, tell)
        if host.address is None:
            raise OpsError("a host without an address is this machine", host=host.name)
        self._settings = of_host(host)
        self._prompt = prompt
        self._free = threading.BoundedSemaphore(CHANNELS)
        self._connection = self._connect()
        self._keeper: SshConnection | None = None
        self._why_lost = ""

    @property
    def settings(self) -> SshSettings:
        """How the machine is reached."""
        return self._settings

    @property
    def host_key(self) -> tuple[str, bytes]:
        """The type and the bytes of the key that the machine has shown."""
        key = self._connection.transport.get_remote_server_key()
        return key.get_name(), key.asbytes()

    def _connect(self) -> SshConnection:
        return open_connection(self._settings, host_name=self.host.name, prompt=self._prompt)

    def _open(self) -> Pipe:
        return self._shell(self._connection)

    def open_keeper(self) -> Pipe:
        if self._keeper is None or not _alive(self._keeper):
            self._keeper = self._connect()
        return self._shell(self._keeper)

    def _shell(self, connection: SshConnection) -> Pipe:
        self._free.acquire()
        try:
            channel = connection.transport.open_session(timeout=30)
            channel.exec_command(REMOTE_LINE)
        except Exception as error:  # paramiko raises SSHException, EOFError, OSError and AttributeError here
            self._free.release()
            why = self._why_lost or lost_on_the_way((), _gone(connection), silent=False)
            raise HostLost(
                f"the connection broke: {error or type(error).__name__}{why}", host=self.host.name, next=AFTER_LOSS
            ) from error
        return ChannelPipe(channel, self._free.release)

    def finish(self, process: Process) -> Ended:
        try:
            return super().finish(process)
        except HostLost as error:
            if not self._why_lost:
                raise
            raise HostLost(f"{error.what}{self._why_lost}", host=error.host, next=error.next) from None

    def lose(self, *, silent: bool = False) -> None:
        if not (self._lost or self._why_lost):  # before it is closed: then all of it has ended
            self._why_lost = lost_on_the_way(
                self._settings.proxy_jump, _gone(self._connection, self._keeper), silent=silent
            )
        super().lose(silent=silent)

    @property
    def lost(self) -> bool:
        return self._lost or not _alive(self._connection)

    def reconnect(self) -> None:
        self.close()
        self._free = threading.BoundedSemaphore(CHANNELS)
        self._connection, self._keeper, self._why_lost = self._connect(), None, ""
        super().reconnect()

    def close(self) -> None:
        # Transport.close wakes every reader and writer at once, also on a line that swallows everything.
        for connection in (self._connection, self._keeper):
            if connection is not None:
                threading.Thread(target=connection.close, daemon=True).start()
                transport = connection.transport
                if transport is not None:
                    with contextlib.suppress(SSHException, EOFError, OSError):  # a hop that is gone takes no leave
                        transport.close()


def _way(connection: SshConnection | None) -> Iterator[SshConnection]:
    """The connections to the hops, the nearest first."""
    if connection is not None and connection.gateway is not None:
        yield from _way(connection.gateway)
        yield connection.gateway


def _gone(*connections: SshConnection | None) -> SshSettings | None:
    """The first hop that has let go; it is heard of a little after what went through it has ended."""
    hops = [hop for connection in connections for hop in _way(connection)]
    until = time.monotonic() + _SETTLED
    while hops:
        for hop in hops:
            if not _alive(hop):
                return hop.settings
        if time.monotonic() >= until:
            break
        time.sleep(0.02)
    return None


def _alive(connection: SshConnection) -> bool:
    return bool(connection.transport is not None and connection.transport.is_active())
