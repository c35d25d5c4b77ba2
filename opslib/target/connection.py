"""An open, checked and logged-in SSH connection: Fabric's Connection without its habit of trusting any host key."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import IO, Any

import fabric
from paramiko import ChannelException, PKey, SSHClient, SSHConfig, SSHException
from paramiko.client import MissingHostKeyPolicy
from paramiko.ssh_exception import IncompatiblePeer

from opslib.errors import NoKeyAccepted, OpsError
from opslib.target import ssh_failures as failures
from opslib.target.known_hosts import Known, Verdict, lookup
from opslib.target.ssh_config import SshSettings
from opslib.target.ssh_keys import AskedTooLong, KeyOffers, Prompt
from opslib.target.ssh_transport import connect, transport_factory

TIMEOUT = 15.0  # seconds for connecting, for the greeting and for logging in, unless ssh_config says ConnectTimeout
PATIENCE = 30.0  # seconds for a server that hangs up before the handshake, as a busy sshd does

_BROKEN = (SSHException, EOFError, OSError)

HostKeyCheck = Callable[[SshSettings, PKey, Known], None]

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else Python prints paramiko's tracebacks to stderr


class _Policy(MissingHostKeyPolicy):
    """Asked for every host key, because the client itself is given none."""

    def __init__(self, settings: SshSettings, known: Known, check: HostKeyCheck) -> None:
        self._settings, self._known, self._check = settings, known, check

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        self._check(self._settings, key, self._known)


class SshConnection(fabric.Connection):  # type: ignore[misc]  # fabric has no types
    """One machine, hop or goal. What runs over it uses `transport`."""

    # Declared, because an Invoke context takes every attribute that its class does not have for configuration.
    _settings: Any = None
    _host_name: Any = None
    _hop: Any = None
    _proxy: Any = None
    _proxy_errors: Any = None

    def __init__(
        self,
        settings: SshSettings,
        *,
        host_name: str,
        prompt: Prompt | None = None,
        unattended: bool = False,
        gateway: SshConnection | None = None,
        hop: bool = False,
        check: HostKeyCheck | None = None,
    ) -> None:
        self._settings, self._host_name, self._hop = settings, host_name, hop
        known = lookup(settings.known_hosts_files, *settings.known_as)
        limit = settings.connect_timeout or TIMEOUT
        super().__init__(
            host=settings.hostname,
            user=settings.user,
            port=settings.port,
            gateway=gateway,
            config=fabric.Config(ssh_config=SSHConfig(), lazy=True),
            connect_timeout=limit,
            connect_kwargs={
                "transport_factory": transport_factory(known),
                "auth_strategy": KeyOffers(settings, host_name, prompt, unattended, hop),
                "banner_timeout": limit,
                "auth_timeout": max(limit, TIMEOUT),
                "channel_timeout": max(limit, TIMEOUT),
            },
        )
        self.client.set_missing_host_key_policy(_Policy(settings, known, check or self._check_host_key))

    @property
    def settings(self) -> SshSettings:
        """Which machine it is, and how it is reached."""
        found: SshSettings = self._settings
        return found

    def open(self) -> None:
        """Connect, check the host key, log in. Raises a CannotConnect that says what to do."""
        give_up, pause = time.monotonic() + PATIENCE, 0.2
        while not self.is_connected:
            started = time.monotonic()
            try:
                if self.gateway is None:
                    self.connect_kwargs["sock"] = self._dial()
                super().open()
            except AskedTooLong:
                self._drop()
                give_up = time.monotonic() + PATIENCE
            except _BROKEN as error:
                said = self._proxy_said()
                self._drop()
                now = time.monotonic()
                if now - started >= self.connect_timeout and not said:
                    raise failures.silent(self._settings, self._host_name, self._hop, now - started) from None
                final = isinstance(error, IncompatiblePeer) or "Indecipherable" in str(error)
                if final or said or now + pause > give_up:
                    raise failures.broken_off(error, self._settings, self._host_name, self._hop, said) from None
                time.sleep(random.uniform(0, pause))
                pause = min(2 * pause, 3.0)
            except BaseException:
                self._drop()
                raise

    def open_gateway(self) -> Any:
        """A channel through the hop before this machine."""
        through = self.gateway._settings
        try:
            return self.gateway.transport.open_channel(
                "direct-tcpip", (self.host, self.port), ("", 0), timeout=self.connect_timeout
            )
        except ChannelException as error:
            raise failures.not_forwarded(error.code, self._settings, through, self._host_name, self._hop) from None
        except SSHException:
            if self.gateway.is_connected:
                raise failures.silent(
                    self._settings, self._host_name, self._hop, self.connect_timeout, through
                ) from None
            raise failures.dialling(
                ConnectionError("the line broke"), through, self._host_name, True, self.connect_timeout
            ) from None

    def close(self) -> None:
        """Close the way as a whole: this machine, and the hops before it."""
        with contextlib.suppress(*_BROKEN):  # over a hop that is gone there is nobody to take leave of
            super().close()
        self._drop()
        if self.gateway is not None:
            self.gateway.close()

    def _dial(self) -> socket.socket:
        settings = self._settings
        if settings.proxy_command:
            return self._start_proxy(settings.proxy_command)
        try:
            return connect(settings.hostname, settings.port, self.connect_timeout)
        except (OSError, UnicodeError) as error:
            raise failures.dialling(error, settings, self._host_name, self._hop, self.connect_timeout) from None

    def _start_proxy(self, command: str) -> socket.socket:
        # A socket pair and not paramiko's ProxyCommand, which never notices that the command has ended.
        ours, theirs = socket.socketpair()
        self._proxy_errors = tempfile.TemporaryFile()  # noqa: SIM115  # _drop closes it
        self._proxy = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=self._proxy_errors,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        theirs.close()
        return ours

    def _proxy_said(self) -> str:
        """What a proxy command that failed complained of, in one line."""
        if self._proxy is None:
            return ""
        try:
            code = self._proxy.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return ""
        if code == 0:
            return ""
        errors: IO[bytes] = self._proxy_errors
        errors.seek(0)
        lines = errors.read(4096).decode(errors="replace").strip().splitlines()
        return lines[0] if lines else f"it ended with exit code {code}"

    def _drop(self) -> None:
        with contextlib.suppress(*_BROKEN):
            self.client.close()
        if self._proxy is not None:
            self._proxy.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._proxy.wait(timeout=2)
            self._proxy_errors.close()
            self._proxy = None

    def _check_host_key(self, settings: SshSettings, key: PKey, known: Known) -> None:
        verdict = known.judge(key.asbytes())
        if verdict is not Verdict.KNOWN:
            raise failures.bad_host_key(
                verdict, key.get_name(), key.asbytes(), known, settings, self._host_name, self._hop
            )


def open_connection(
    settings: SshSettings, *, host_name: str, prompt: Prompt | None, unattended: bool = False
) -> SshConnection:
    """Connect to the machine, hop by hop, each one's host key checked.

    `prompt` asks a person for a passphrase; None: there is nobody. `unattended` also leaves the agent and remembered
    passphrases aside. Raises the CannotConnect that fits.
    """
    way: SshConnection | None = None
    for place in (*settings.proxy_jump, settings):
        step = SshConnection(
            place, host_name=host_name, prompt=prompt, unattended=unattended, gateway=way, hop=place is not settings
        )
        try:
            step.open()
        except BaseException:
            if way is not None:
                way.close()
            raise
        way = step
    if way is None:
        raise OpsError("no machine to connect to", host=host_name)
    return way


def needs_person(settings: SshSettings, *, host_name: str) -> str | None:
    """Why a job without a person (cron) could not log in, or None when it can: found out by doing it.

    Raises CannotConnect when the machine cannot be reached, so that nothing is known.
    """
    try:
        open_connection(settings, host_name=host_name, prompt=None, unattended=True).close()
    except NoKeyAccepted as error:
        return error.what
    return None
