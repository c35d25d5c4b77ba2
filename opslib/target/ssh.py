"""A machine behind SSH as a target."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from opslib.errors import HostLost, OpsError
from opslib.events import Tell, silent
from opslib.target.base import Target
from opslib.target.connection import SshConnection, open_connection
from opslib.target.leash import REMOTE_LINE
from opslib.target.pipe import ChannelPipe, Pipe
from opslib.target.process import AFTER_LOSS
from opslib.target.ssh_config import resolve

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.ssh_keys import Prompt

CHANNELS = 8  # at once on one connection: sshd's MaxSessions is 10


class Ssh(Target):
    """Commands run through channels of one connection; the keeper has a second one."""

    def __init__(self, host: Host, tell: Tell = silent, *, prompt: Prompt | None = None) -> None:
        super().__init__(host, tell)
        if host.address is None:
            raise OpsError("a host without an address is this machine", host=host.name)
        self._settings = resolve(str(host.address))
        self._prompt = prompt
        self._free = threading.BoundedSemaphore(CHANNELS)
        self._connection = self._connect()
        self._keeper: SshConnection | None = None

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
            raise HostLost(
                f"the connection broke: {error or type(error).__name__}", host=self.host.name, next=AFTER_LOSS
            ) from error
        return ChannelPipe(channel, self._free.release)

    @property
    def lost(self) -> bool:
        return self._lost or not _alive(self._connection)

    def reconnect(self) -> None:
        self.close()
        self._free = threading.BoundedSemaphore(CHANNELS)
        self._connection, self._keeper = self._connect(), None
        super().reconnect()

    def close(self) -> None:
        # Transport.close wakes every reader and writer at once, also on a line that swallows everything.
        for connection in (self._connection, self._keeper):
            if connection is not None:
                threading.Thread(target=connection.close, daemon=True).start()
                transport = connection.transport
                if transport is not None:
                    transport.close()


def _alive(connection: SshConnection) -> bool:
    return bool(connection.transport is not None and connection.transport.is_active())
