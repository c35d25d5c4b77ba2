"""The effective SSH settings of an address, as the user's own ssh would use them.

`ssh -G` is asked (10 ms a machine, `Include` and `Match` and all); where there is no ssh, paramiko's parser reads the
same files and knows less. `OPSLIB_SSH_CONFIG=FILE` replaces the user's and the system's file, like `ssh -F FILE`.
"""

from __future__ import annotations

import getpass
import io
import os
import pwd
import re
import shlex
import socket
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.errors import BadSettings
from opslib.settings.units import Address
from opslib.settings.units import address as parsed_address

if TYPE_CHECKING:
    from opslib.settings.model import Host

CONFIG_VARIABLE = "OPSLIB_SSH_CONFIG"
_SYSTEM_CONFIG = "/etc/ssh/ssh_config"
_GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_USER_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
_IDENTITIES = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")
_LIMIT = 15.0  # seconds for ssh -G: a `Match exec` or a canonical name may ask the network

Options = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How to reach and log in to one machine. `proxy_jump` are the hops in the order in which they are passed; `jump`
    is what `ssh -J` has to be told of them, "" where ssh_config says it."""

    alias: str
    hostname: str
    user: str
    port: int
    identity_files: tuple[Path, ...]  # those that exist, or whose .pub does
    identities_only: bool
    identity_agent: Path | None  # the agent's socket
    user_known_hosts: tuple[Path, ...]  # a new key is written into the first
    global_known_hosts: tuple[Path, ...]
    proxy_jump: tuple[SshSettings, ...]
    proxy_command: str | None  # percent tokens expanded, for a shell
    connect_timeout: int | None  # seconds
    host_key_alias: str | None
    strict_host_key_checking: str
    hash_known_hosts: bool
    jump: str = ""

    @property
    def known_hosts_files(self) -> tuple[Path, ...]:
        return self.user_known_hosts + self.global_known_hosts

    @property
    def known_as(self) -> tuple[str, int]:
        """The name and port under which known_hosts files list this machine."""
        return (self.host_key_alias, 22) if self.host_key_alias else (self.hostname, self.port)

    def command(self, program: str = "ssh") -> str:
        """What a person types to go the same way: `ssh -p 2222 deploy@alias`."""
        file = os.environ.get(CONFIG_VARIABLE)
        words = [program, *(["-F", file] if file else []), *(["-p", str(self.port)] if self.port != 22 else [])]
        words += ["-o", f"ProxyJump={self.jump}"] if self.jump else []
        return shlex.join([*words, f"{self.user}@{self.alias}"])


def of_host(host: Host) -> SshSettings:
    """The settings of a host that has an address: of its machine and of every hop. Raises as `resolve`."""
    try:
        return resolve(str(host.address), None if host.jump is None else [str(hop) for hop in host.jump])
    except BadSettings as error:
        raise error.on(host.name) from None


def resolve(address: str, jump: Sequence[str] | None = None) -> SshSettings:
    """The settings of `address` and of every hop on the way to it. `jump`: the hops to pass, like `ssh -J`, whatever
    ssh_config says of the address itself; none of them: straight there.

    Raises BadSettings for an address, a config file or a chain of hops that cannot be used.
    """
    return _resolve(address, (), None if jump is None else ",".join(jump) or "none")


def _resolve(address: str, seen: tuple[str, ...], instead: str | None = None) -> SshSettings:
    if address in seen:
        raise _circle([*seen, address])
    try:
        parsed = parsed_address(_plain(address))
    except ValueError as error:
        raise BadSettings(f"bad SSH address '{address}': {error}") from None
    options = _effective(parsed)
    settings = _settings(parsed, options)
    jump = instead or _first(options, "proxyjump", "none")
    if jump == "none":
        return settings if instead is None else replace(settings, proxy_command=None, jump=instead)
    names = jump.split(",")
    # Like ssh: only the first hop may have a way of its own, for the others it is the hop before them.
    entry = _resolve(names[0], (*seen, address))
    hops = [*entry.proxy_jump, replace(entry, proxy_jump=())]
    for place, other in enumerate(names[1:], 1):
        found = _resolve(other, (*seen, address))
        hops.append(replace(found, proxy_jump=(), proxy_command=None, jump=",".join(names[:place])))
    return replace(settings, proxy_jump=tuple(hops), proxy_command=None, jump=instead or "")


def _plain(address: str) -> str:
    """An address as a host file writes it: ProxyJump also takes `ssh://…`, brackets around anything, and an IPv6
    address without them."""
    user, at, host = address.removeprefix("ssh://").rstrip("/").rpartition("@")
    if host.startswith("["):
        inner, bracket, port = host[1:].partition("]")
        host = host if ":" in inner or not bracket else f"{inner}{port}"
    elif host.count(":") > 1:
        host = f"[{host}]"
    return f"{user}{at}{host}"


def _circle(way: list[str]) -> BadSettings:
    return BadSettings(
        f"ProxyJump goes round in circles: {' -> '.join(way)}",
        next=f"add `ProxyJump none` under `Host {way[-1]}` in ssh_config",
    )


def _effective(address: Address) -> Options:
    file = os.environ.get(CONFIG_VARIABLE)
    argv = ["ssh", *(["-F", file] if file else []), "-G"]
    argv += ["-l", address.user] if address.user else []
    argv += ["-p", str(address.port)] if address.port else []
    try:
        done = subprocess.run(
            [*argv, "--", address.host], stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT, check=False
        )
    except FileNotFoundError:
        return _without_ssh(address, file)
    except subprocess.TimeoutExpired:
        raise BadSettings(f"`ssh -G {address.host}` did not end within {_LIMIT:.0f} s: a `Match exec`?") from None
    if done.returncode != 0:
        lines = [x for x in done.stderr.decode(errors="replace").splitlines() if not x.startswith("Pseudo-terminal")]
        if lines and "jumphost loop" in lines[0]:  # a hop that is its own hop: ssh notices this one itself
            raise _circle([address.host, address.host])
        raise BadSettings(f"ssh cannot read its settings for '{address.host}': {lines[0] if lines else 'no reason'}")
    return _collect(line.partition(" ")[::2] for line in done.stdout.decode(errors="replace").splitlines())


def _without_ssh(address: Address, file: str | None) -> Options:
    """What paramiko's own parser makes of the same files. It ignores `Include` and knows few forms of `Match`."""
    from paramiko import SSHConfig
    from paramiko.ssh_exception import ConfigParseError

    config = SSHConfig()
    files = [Path(file)] if file else [Path(_home("~/.ssh/config")), Path(_SYSTEM_CONFIG)]
    first = [
        "Host *",
        *([f"User {address.user}"] if address.user else []),
        f"Port {address.port}" if address.port else "",
    ]
    try:
        config.parse(io.StringIO("\n".join(first)))  # the first value counts, and goes into %p and %r too
        for path in files:
            if file or path.exists():
                with path.open() as text:
                    config.parse(text)
        found = config.lookup(address.host)
    except (ConfigParseError, OSError, KeyError) as error:
        raise BadSettings(f"ssh_config: {error}", next="install openssh-client: `ssh -G` reads every form") from None
    pairs = [(key, one) for key, value in found.items() for one in ([value] if isinstance(value, str) else value)]
    return _collect(pairs)


def _collect(pairs: Iterable[Iterable[str]]) -> Options:
    options: Options = {}
    for key, value in pairs:
        options.setdefault(key.lower(), []).append(value)
    return options


def _settings(address: Address, options: Options) -> SshSettings:
    hostname = _first(options, "hostname", address.host)
    user = _first(options, "user", "") or getpass.getuser()
    port = int(_first(options, "port", "22"))
    tokens = _tokens(address.host, hostname, user, port)
    named = [Path(_home(_expand(name, tokens))) for name in options.get("identityfile", _IDENTITIES) if name != "none"]
    proxy = _first(options, "proxycommand", "none")
    timeout = _first(options, "connecttimeout", "none")
    return SshSettings(
        alias=address.host,
        hostname=hostname,
        user=user,
        port=port,
        identity_files=tuple(x for x in dict.fromkeys(named) if x.is_file() or Path(f"{x}.pub").is_file()),
        identities_only=_first(options, "identitiesonly", "no") == "yes",
        identity_agent=_agent(_first(options, "identityagent", "SSH_AUTH_SOCK"), tokens),
        user_known_hosts=_paths(_first(options, "userknownhostsfile", _USER_KNOWN_HOSTS)),
        global_known_hosts=_paths(_first(options, "globalknownhostsfile", _GLOBAL_KNOWN_HOSTS)),
        proxy_jump=(),
        proxy_command=None if proxy == "none" else _expand(proxy, tokens, environment=False),
        connect_timeout=int(timeout) if timeout.isdigit() else None,
        host_key_alias=_first(options, "hostkeyalias", "") or None,
        strict_host_key_checking=_first(options, "stricthostkeychecking", "ask"),
        hash_known_hosts=_first(options, "hashknownhosts", "no") == "yes",
    )


def _first(options: Options, key: str, default: str) -> str:
    return options.get(key, [default])[0]


def _tokens(alias: str, hostname: str, user: str, port: int) -> dict[str, str]:
    here = socket.gethostname()
    tokens = {"%": "%", "h": hostname, "n": alias, "k": alias, "p": str(port), "r": user, "u": getpass.getuser()}
    return tokens | {"d": _home("~"), "i": str(os.getuid()), "l": here, "L": here.split(".")[0]}


def _expand(text: str, tokens: dict[str, str], *, environment: bool = True) -> str:
    text = re.sub("%(.)", lambda found: tokens.get(found[1], found[0]), text)
    return re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], ""), text) if environment else text


def _home(path: str) -> str:
    """Like ssh, `~` is the home folder of the user database, whatever HOME says."""
    if path != "~" and not path.startswith("~/"):
        return path
    try:
        return pwd.getpwuid(os.getuid()).pw_dir + path[1:]
    except KeyError:
        return os.path.expanduser(path)


def _agent(value: str, tokens: dict[str, str]) -> Path | None:
    if value == "none":
        return None
    if value == "SSH_AUTH_SOCK" or value.startswith("$"):
        value = os.environ.get(value.lstrip("${").rstrip("}"), "")
        return Path(value) if value else None
    return Path(_home(_expand(value, tokens)))


def _paths(value: str) -> tuple[Path, ...]:
    # ssh -G prints several files in one line, absolute and unquoted; a blank inside a name is followed by no slash.
    return tuple(Path(_home(x)) for x in re.split(r" +(?=[/~])", value.strip()) if x and x != "none")
