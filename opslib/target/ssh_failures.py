"""What a person reads when no SSH connection was made: what happened, to which machine, what to type next. Pure."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Sequence
from pathlib import Path

from opslib.errors import CannotConnect, HostKeyChanged, HostKeyUnknown, NameNotFound, NoKeyAccepted, Refused, TimedOut
from opslib.target.known_hosts import Known, Verdict, fingerprint, listed_as
from opslib.target.ssh_config import SshSettings


def machine(settings: SshSettings, hop: bool) -> str:
    """`203.0.113.7 port 22`, said to be a hop where it is one."""
    return f"{'the hop ' if hop else ''}{settings.hostname} port {settings.port}"


def dialling(error: Exception, settings: SshSettings, host_name: str, hop: bool, limit: float) -> CannotConnect:
    """Why no line to a machine's port came about."""
    where = machine(settings, hop)
    if isinstance(error, (socket.gaierror, UnicodeError)):
        again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        why = "the name server gave no answer" if again else "no such name"
        return NameNotFound(
            f"the name of {where} does not resolve: {why}",
            host=host_name,
            next=f"`getent hosts {shlex.quote(settings.hostname)}`, and `address` in the host file",
        )
    if isinstance(error, ConnectionRefusedError):
        return Refused(
            f"{where} refused the connection: no sshd listens on this port",
            host=host_name,
            next=f"`{settings.command()}`; another port is written user@host:port",
        )
    if isinstance(error, TimeoutError):
        return silent(settings, host_name, hop, limit)
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CannotConnect(f"no way to {where}: {text}", host=host_name, next=f"`{settings.command()}`")


def silent(
    settings: SshSettings, host_name: str, hop: bool, limit: float, through: SshSettings | None = None
) -> TimedOut:
    """Nobody answered. `through`: the hop that was to pass us on, which may be the silent one itself."""
    way = f", by way of {machine(through, True)}" if through else ""
    return TimedOut(
        f"no answer from {machine(settings, hop)} within {limit:.0f} s{way}: it is down, or a firewall drops us",
        host=host_name,
        next=f"`{settings.command()}`; a slow line may have `ConnectTimeout 60` in ssh_config",
    )


def broken_off(error: Exception, settings: SshSettings, host_name: str, hop: bool, proxy_said: str) -> CannotConnect:
    """A line that never became an SSH session."""
    if proxy_said:
        text = f"the ProxyCommand to {machine(settings, hop)} failed: {proxy_said}"
    else:
        text = f"{machine(settings, hop)} answers, but no SSH session came about: {error or type(error).__name__}"
    return CannotConnect(
        text, host=host_name, next=f"`{settings.command()}`; a busy sshd refuses many logins at once (MaxStartups)"
    )


def not_forwarded(code: int, settings: SshSettings, through: SshSettings, host_name: str, hop: bool) -> CannotConnect:
    """A hop that did not pass us on."""
    if code == 1:
        why = "may not forward connections (AllowTcpForwarding and PermitOpen in its sshd_config)"
    else:
        why = "cannot reach it: refused there, no such name there, or no route"
    return CannotConnect(
        f"no way to {machine(settings, hop)}: {machine(through, True)} {why}",
        host=host_name,
        next=f"`{through.command()}`, and try from there",
    )


def lost_on_the_way(hops: Sequence[SshSettings], ended: SshSettings | None, *, silent: bool) -> str:
    """What is added to the error of a line that broke, where it went through `hops`: which of them let go (`ended`), or
    that any of them may have, as nothing was heard any more (`silent`)."""
    if ended is not None:
        return f"; {machine(ended, True)} let go of it"
    named = ", ".join(machine(hop, True) for hop in hops)
    return f"; nothing was heard any more by way of {named}" if named and silent else ""


def bad_host_key(
    verdict: Verdict, key_type: str, blob: bytes, known: Known, settings: SshSettings, host_name: str, hop: bool
) -> HostKeyUnknown | HostKeyChanged:
    """Why the key that the server showed is not taken."""
    where, shown = machine(settings, hop), f"{key_type} {fingerprint(blob)}"
    trust = f"`inv host.trust --host {shlex.quote(host_name)}`"
    if verdict is Verdict.REVOKED:
        line = next(x for x in known.revoked if x.blob == blob)
        return HostKeyChanged(
            f"{where} shows the host key {shown}, which {line.place} revokes",
            host=host_name,
            next="ask who runs the server for its new key; do not connect",
        )
    if verdict is Verdict.CHANGED:
        old = ", ".join(f"{x.key_type} {x.fingerprint} ({x.place})" for x in known.keys)
        name = shlex.quote(listed_as(*settings.known_as))
        remove = f"ssh-keygen -R {name} -f {shlex.quote(str(known.keys[0].file))}"
        return HostKeyChanged(
            f"{where} shows the host key {shown}, but known_hosts lists {old}:"
            " another machine, a new installation, or somebody in between",
            host=host_name,
            next=f"only after whoever runs the server has confirmed the new key: `{remove}`, then {trust}",
        )
    notes = []
    if known.authorities:
        notes.append(f"{known.authorities[0].place} is a @cert-authority, which opslib does not support")
    if known.skipped:
        notes.append(f"not readable: {', '.join(known.skipped[:3])}")
    if settings.strict_host_key_checking in ("no", "off", "false", "accept-new"):
        notes.append("opslib checks host keys whatever StrictHostKeyChecking says")
    return HostKeyUnknown(
        f"the host key of {where} is not known: {shown}" + "".join(f"; {x}" for x in notes),
        host=host_name,
        next=f"compare the fingerprint with the server's own, then {trust}",
    )


def no_key_accepted(
    settings: SshSettings,
    host_name: str,
    hop: bool,
    tried: Sequence[str],
    locked: Sequence[Path],
    cut: str,
    unattended: bool,
) -> NoKeyAccepted:
    """Nobody let us in. `tried` are keys with their outcome, `locked` the files whose passphrase nobody gave."""
    keys = [*tried, *(f"{path} (has a passphrase, and nobody gave it)" for path in locked)]
    text = f"{machine(settings, hop)} let {settings.user} in with none of our keys: " if keys else ""
    text += ", ".join(keys) or f"there is no key for {settings.user} at {machine(settings, hop)}"
    text += f"; {cut}" if cut else ""
    if unattended and settings.identity_agent:
        text += "; the agent was not asked, because cron has none"
    if cut:
        advice = "`IdentitiesOnly yes` with the right `IdentityFile` in ssh_config"
    elif locked and not unattended:
        advice = f"`ssh-add {shlex.quote(str(locked[0]))}`"
    elif locked or (unattended and settings.identity_agent):
        advice = f"a key without a passphrase for this host: `{settings.command('ssh-copy-id')}`"
    elif keys:
        advice = f"`{settings.command('ssh-copy-id')}`, or the right `IdentityFile` in ssh_config"
    else:
        advice = f"`ssh-keygen -t ed25519`, then `{settings.command('ssh-copy-id')}`"
    error = NoKeyAccepted(text, host=host_name, next=advice)
    error.hop = hop
    return error
