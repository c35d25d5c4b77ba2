"""From a host file to what the machine is to be, and to whom one logs in as to make it that."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from opslib.errors import BadSettings, NoKeyAccepted, OpsError
from opslib.host.provision.part import Wanted
from opslib.settings.model import Host
from opslib.settings.units import Address
from opslib.state.releases import SWARM
from opslib.target.ssh_config import resolve


def as_login(host: Host) -> Host:
    """The host as `provision.login` sees it. What a provisioning keeps is in that user's home: the project's folder may
    not be there yet, and is somebody else's. Raises BadSettings for this machine."""
    if host.address is None:
        raise BadSettings(
            "host.provision makes servers ready, and this is the machine that it runs on", host=host.name,
            left="everything", next=f"give hosts/{host.name}.yml an address, or name another host",
        )  # fmt: skip
    login = replace_user(host.address, host.provision.login)
    return replace(host, address=login, path=".")


def advise(host: Host, error: OpsError) -> None:
    """Where the machine lets none of our keys in: many a provider's image lets in another one than root. A hop is no
    matter of `login`."""
    if isinstance(error, NoKeyAccepted) and not error.hop:
        login = host.provision.login
        told = (
            f"where the machine lets in another than {login}, one with sudo: `provision: {{login: …}}` in the host file"
        )
        error.next = f"{told}; else {error.next}" if error.next else told


def replace_user(address: Address, user: str) -> Address:
    """The same machine, as somebody else."""
    return Address(address.host, user, address.port)


def wanted(root: Path, host: Host) -> Wanted:
    """What the host file wants of the machine; `host` as the file says it. Raises BadSettings."""
    assert host.address is not None
    settings = host.provision
    user = settings.user or resolve(str(host.address)).user
    keys = tuple(line for entry in settings.keys for line in _public(root, host, entry))
    return Wanted(settings, user, settings.login, host.path, keys, host.deploy.strategy == SWARM)


def _public(root: Path, host: Host, entry: str) -> list[str]:
    """The lines of a public key, or of a file of them."""
    if entry.startswith(("ssh-", "ecdsa-", "sk-")):
        return [entry.strip()]
    path = root / Path(entry).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadSettings(f"provision.keys: {path} cannot be read: {why}", host=host.name, left="everything") from None
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines or not all(line.startswith(("ssh-", "ecdsa-", "sk-")) for line in lines):
        raise BadSettings(f"provision.keys: {path} holds no public key", host=host.name, left="everything",
                          next="name the file that ends in .pub")  # fmt: skip
    return lines
