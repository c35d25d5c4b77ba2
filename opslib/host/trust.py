"""The host key of a machine: looked at without logging in, and written into known_hosts once a person agrees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from paramiko import PKey

from opslib.errors import OpsError
from opslib.target.connection import SshConnection
from opslib.target.known_hosts import HostKeyLine, Known, Verdict, append, fingerprint
from opslib.target.ssh_config import SshSettings
from opslib.target.ssh_failures import bad_host_key
from opslib.target.ssh_keys import Prompt


@dataclass(frozen=True, slots=True)
class HostKey:
    """The key that a machine showed, and what known_hosts says of it. `hop`: the machine is only on the way."""

    settings: SshSettings
    host_name: str
    hop: bool
    key_type: str
    blob: bytes
    verdict: Verdict
    known_lines: Known

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.blob)

    @property
    def machine(self) -> str:
        """`203.0.113.7 port 22`."""
        return f"{self.settings.hostname} port {self.settings.port}"

    @property
    def known(self) -> bool:
        return self.verdict is Verdict.KNOWN

    @property
    def changed(self) -> bool:
        """Another key than the one listed, or one that is revoked: nothing to agree to."""
        return self.verdict in (Verdict.CHANGED, Verdict.REVOKED)

    @property
    def listed(self) -> tuple[HostKeyLine, ...]:
        """The keys that known_hosts files list for this machine."""
        return self.known_lines.keys


class _Shown(Exception):
    """Ends a connection as soon as the server has shown its key."""

    def __init__(self, key: PKey, known: Known) -> None:
        super().__init__()
        self.key, self.known = key, known


def inspect(settings: SshSettings, *, host_name: str, prompt: Prompt | None = None) -> HostKey:
    """The key of the first machine on the way that is not known, else that of the machine itself.

    So a caller asks, trusts and inspects again until `known`. Nobody logs in to the machine in question, only to the
    hops before it. Raises the CannotConnect that fits.
    """
    way: SshConnection | None = None
    try:
        for place in settings.proxy_jump:
            seen = _look(place, host_name, hop=True, way=way)
            if not seen.known:
                return seen
            step = SshConnection(place, host_name=host_name, prompt=prompt, gateway=way, hop=True)
            step.open()
            way = step
        return _look(settings, host_name, hop=False, way=way)
    finally:
        if way is not None:
            way.close()


def trust(key: HostKey) -> Path:
    """Write the key into the first known_hosts file of the user, which is returned.

    Raises HostKeyChanged where another key is listed or this one revoked, OpsError where nothing can be written.
    """
    if key.changed:
        raise bad_host_key(key.verdict, key.key_type, key.blob, key.known_lines, key.settings, key.host_name, key.hop)
    if not key.settings.user_known_hosts:
        raise OpsError(
            "ssh_config says `UserKnownHostsFile none`: there is no file to write the key into", host=key.host_name
        )
    file = key.settings.user_known_hosts[0]
    if not key.known:
        append(file, *key.settings.known_as, key.key_type, key.blob, hashed=key.settings.hash_known_hosts)
    return file


def _look(place: SshSettings, host_name: str, *, hop: bool, way: SshConnection | None) -> HostKey:
    connection = SshConnection(place, host_name=host_name, gateway=way, hop=hop, check=_stop)
    try:
        connection.open()
    except _Shown as shown:
        blob = shown.key.asbytes()
        verdict = shown.known.judge(blob)
        return HostKey(place, host_name, hop, shown.key.get_name(), blob, verdict, shown.known)
    raise OpsError(f"{place.hostname} showed no host key", host=host_name)


def _stop(settings: SshSettings, key: PKey, known: Known) -> NoReturn:
    raise _Shown(key, known)
