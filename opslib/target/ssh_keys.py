"""Which keys are offered to a server, in which order, and who is asked for a passphrase.

Keys of the agent that ssh_config names come first, then key files that need nobody, then the agent's other keys, and
last the files with a passphrase: so nobody is asked for what is not needed, and few keys count against MaxAuthTries.
"""

from __future__ import annotations

import base64
import binascii
import io
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from paramiko import AuthenticationException, BadAuthenticationType, Message, SSHException, Transport
from paramiko.agent import AgentKey, AgentSSH
from paramiko.ecdsakey import ECDSAKey
from paramiko.ed25519key import Ed25519Key
from paramiko.pkey import PKey
from paramiko.rsakey import RSAKey

from opslib.errors import TimedOut
from opslib.target.ssh_config import SshSettings
from opslib.target.ssh_failures import machine, no_key_accepted

Prompt = Callable[[str], str]
_ATTEMPTS = 3  # as ssh asks
_FINAL = ("the server takes no keys", "accepted")  # so begins a verdict after which no other key can help

_unlocked: dict[tuple[Path, int], PKey] = {}  # by file and time of change: each passphrase is asked for once a process
_asking = threading.Lock()


class LockedKey(Exception):
    """The key file has a passphrase, and the one given (if any) does not open it."""


class UnusableKey(Exception):
    """The file holds no private key of a kind that works without hardware."""


class Agent(AgentSSH):
    """The agent behind a socket, which need not be that of SSH_AUTH_SOCK. Without an answer it has no keys."""

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        if path is None:
            return
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.connect(str(path))
            self._connect(line)  # type: ignore[attr-defined]  # paramiko's stubs leave it out
        except (OSError, SSHException):
            line.close()

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined]


class AskedTooLong(Exception):
    """The server hung up while somebody typed a passphrase. It is remembered: dial again."""


class KeyOffers:
    """Logs in to one machine with the keys of its settings; what paramiko calls an authentication strategy.

    `unattended` means as cron would: no agent, nobody to ask, nothing remembered.
    """

    def __init__(
        self, settings: SshSettings, host_name: str, prompt: Prompt | None, unattended: bool, hop: bool
    ) -> None:
        self._settings, self._host_name, self._hop = settings, host_name, hop
        self._prompt, self._unattended = (None if unattended else prompt), unattended
        self._tried: list[str] = []
        self._locked: list[Path] = []
        self._asked = False

    def authenticate(self, transport: Transport) -> None:
        """Offer one key after the other. Raises NoKeyAccepted, and TimedOut when the server does not decide."""
        self._tried, self._locked, self._asked = [], [], False
        agent = Agent(None if self._unattended else self._settings.identity_agent)
        offered = 0
        try:
            for name, key in self._offers(agent):
                if self._asked and not transport.is_active():
                    raise AskedTooLong
                offered += 1
                verdict = self._offer(transport, key)
                if not verdict:
                    return
                self._tried.append(f"{name} ({verdict})")
                if not transport.is_active() or verdict.startswith(_FINAL):
                    break
        finally:
            agent.close()
        cut = "" if transport.is_active() else f"the server hung up after {offered} key{'s' if offered > 1 else ''}"
        raise no_key_accepted(
            self._settings, self._host_name, self._hop, self._tried, self._locked, cut, self._unattended
        )

    def _offer(self, transport: Transport, key: PKey) -> str:
        """Empty when the server let us in, else why not."""
        try:
            further = transport.auth_publickey(self._settings.user, key)
        except BadAuthenticationType as error:
            return f"{_FINAL[0]}, it wants {' or '.join(error.allowed_types)}"
        except AuthenticationException as error:
            if "timeout" in str(error):
                where = machine(self._settings, self._hop)
                raise TimedOut(f"{where} did not decide on our key in time", host=self._host_name) from None
            return "not accepted"
        except (SSHException, EOFError, OSError) as error:
            return f"not usable: {error}"
        return f"{_FINAL[1]}, but the server also wants {' or '.join(further)}" if further else ""

    def _offers(self, agent: Agent) -> Iterator[tuple[str, PKey]]:
        files = {path: public_blob(path) for path in self._settings.identity_files}
        held = {key.asbytes(): key for key in agent.get_keys()}
        named = [blob for blob in files.values() if blob in held]
        for blob in named:
            yield _agent_name(held[blob]), held[blob]
        locked = []
        for path in (path for path, blob in files.items() if blob not in held):
            try:
                yield str(path), self._load(path)
            except LockedKey:
                locked.append(path)
            except UnusableKey as error:
                self._tried.append(f"{path} ({error})")
        if not self._settings.identities_only:
            yield from ((_agent_name(key), key) for blob, key in held.items() if blob not in named)
        for path in locked:
            key = self._ask(path, self._prompt) if self._prompt else None
            if key is None:
                self._locked.append(path)
            else:
                yield str(path), key

    def _load(self, path: Path) -> PKey:
        if not self._unattended and path.is_file():
            known = _unlocked.get((path, path.stat().st_mtime_ns))
            if known is not None:
                return known
        return read_key(path)

    def _ask(self, path: Path, prompt: Prompt) -> PKey | None:
        mark = (path, path.stat().st_mtime_ns)
        with _asking:
            if mark in _unlocked:
                return _unlocked[mark]
            self._asked = True
            for _ in range(_ATTEMPTS):
                passphrase = prompt(f"Passphrase of {path} (for {self._host_name}): ")
                if not passphrase:
                    return None
                try:
                    key = _unlocked[mark] = read_key(path, passphrase)
                    return key
                except LockedKey:
                    continue
        return None


def read_key(path: Path, passphrase: str | None = None) -> PKey:
    """The private key of a file, with its certificate if `path-cert.pub` is there. Raises LockedKey, UnusableKey."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnusableKey(f"cannot be read: {error.strerror}") from None
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        private = load(data, passphrase.encode() if passphrase else None)
    except TypeError:
        raise LockedKey from None
    except (ValueError, UnsupportedAlgorithm):
        if passphrase:
            raise LockedKey from None
        raise UnusableKey("no private key, or of a kind that needs an agent") from None
    if isinstance(private, ed25519.Ed25519PrivateKey):
        kind: type[PKey] = Ed25519Key
    elif isinstance(private, rsa.RSAPrivateKey):
        kind = RSAKey
    elif isinstance(private, ec.EllipticCurvePrivateKey):
        kind = ECDSAKey
    else:
        raise UnusableKey("a kind of key that SSH servers no longer take")
    text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    key = kind.from_private_key(io.StringIO(text))
    certificate = Path(f"{path}-cert.pub")
    if certificate.is_file():
        key.load_certificate(str(certificate))
    return key


def public_blob(path: Path) -> bytes:
    """The public part of a key file, read from `.pub` or the file itself, without any passphrase; empty if unknown."""
    for file in (Path(f"{path}.pub"), path):
        try:
            data = file.read_bytes()
            words = data.split(None, 2)
            if words[0].startswith((b"ssh-", b"ecdsa-", b"sk-")):
                return base64.b64decode(words[1])
            body = b"".join(data.split(b"-----")[2].split())
            private = base64.b64decode(body)
        except (OSError, IndexError, binascii.Error):
            continue
        if private.startswith(b"openssh-key-v1\0"):
            message = Message(private[15:])
            for _ in range(3):  # cipher, key derivation, its options
                message.get_binary()
            message.get_int()
            return message.get_binary()
    return b""


def _agent_name(key: AgentKey) -> str:
    return f"the agent's {key.comment or key.get_name()}"
