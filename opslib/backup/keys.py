"""Keys of age: who may read a backup set. The public one encrypts on every host, the private one (the identity) is
needed to restore, and is nowhere but with its owner.

What decrypts is a program beside the data: age in the tools image, or the Python that runs opslib. It finds the
identity in its environment under `NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.command import Secret
from opslib.errors import BadSettings, OpsError

if TYPE_CHECKING:
    from opslib.target.base import Target

NAME = "AGE_IDENTITY"
"""The variable of a program that decrypts: identities, one a line."""
RECIPIENTS = "AGE_RECIPIENTS"
"""The variable of a program that encrypts: public keys, with spaces between."""
SUFFIX = ".age"
OF_THE_RUN = "key of the run"
"""Among a restore's facts: the public key that it made for its own safety copy."""
MAGIC = b"age-encryption.org/v1"

_IDENTITY = re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]+\Z")

Find = Callable[[Sequence[str], str], Secret]
"""Gives an identity for one of these public keys; the text says what is to be read."""


def make() -> tuple[Secret, str]:
    """A new identity and its public key."""
    import pyrage

    made = pyrage.x25519.Identity.generate()
    return Secret(str(made)), str(made.to_public())


def new_pair(root: Path, out: str | None) -> tuple[bool, dict[str, str | None]]:
    """A new pair for a person: the private one in the new file `out` (relative to `root`), or else in the result.
    Raises BadSettings where the file cannot be made."""
    import os

    identity, public = make()
    if out is None:
        return False, {"recipient": public, "identity": identity.reveal(), "file": None}
    path = root / os.path.expanduser(out)
    text = f"# public key, for `backup: encrypt_to:` in the host file: {public}\n{identity.reveal()}\n"
    try:
        with open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise BadSettings(f"cannot make {path}: {error.strerror}", left="everything", next="name a new file") from None
    return True, {"recipient": public, "identity": None, "file": str(path)}


def from_text(data: bytes, where: str, passphrase: Callable[[str], str] | None = None) -> list[Secret]:
    """The identities in the text of a file such as age-keygen writes, also in one that `age -p` has encrypted.
    `passphrase` asks a person. Raises BadSettings where there is none."""
    import pyrage

    if data.startswith((MAGIC, b"-----BEGIN AGE ENCRYPTED FILE-----")):
        if passphrase is None:
            raise BadSettings(f"{where} has a passphrase, and nobody is there to type it", left="everything")
        try:
            data = pyrage.passphrase.decrypt(data, passphrase(f"Passphrase of {where}"))
        except pyrage.DecryptError:
            raise BadSettings(f"{where} cannot be opened: that is not its passphrase", left="everything") from None
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found or any(not _IDENTITY.match(line) or _public(line) is None for line in found):
        raise BadSettings(
            f"{where} holds no identity of age: expected a line AGE-SECRET-KEY-1…, as inv backup.key makes it",
            left="everything",
        )
    return [Secret(line) for line in found]


def fitting(found: Sequence[Secret], recipients: Sequence[str], where: str) -> Secret:
    """The one that can read what is encrypted to these public keys. Raises BadSettings where none can."""
    publics = {_public(one.reveal()): one for one in found}
    for public, identity in publics.items():
        if public in recipients:
            return identity
    raise BadSettings(
        f"{where} is the key of {', '.join(map(str, publics))}, and the set can be read by {', '.join(recipients)}",
        left="everything",
        next="name another one with --identity",
    )


def _public(identity: str) -> str | None:
    import pyrage

    try:
        return str(pyrage.x25519.Identity.from_str(identity).to_public())
    except pyrage.IdentityError:
        return None


def environment(identities: Sequence[Secret]) -> Mapping[str, Secret]:
    """What a program that decrypts has to be given; nothing where nothing is encrypted."""
    return {NAME: Secret("\n".join(one.reveal() for one in identities))} if identities else {}


def refuse_in_clear(target: Target, before: Sequence[str]) -> tuple[str, ...]:
    """The public keys that a new set is to be encrypted to, by the host file; `before` are those of the newest set.

    Raises OpsError where that one is encrypted and nothing says that this one is not to be.
    """
    wanted = target.host.backup.encrypt_to
    if wanted is None and before:
        raise OpsError(
            f"the newest set is encrypted to {', '.join(before)}, and the host file says nothing of encryption now",
            host=target.host.name,
            left="everything: no backup set was made, nothing was pruned",
            next="put `backup: encrypt_to:` back into the host file, or `encrypt_to: none` for sets in clear",
        )
    return wanted or ()
