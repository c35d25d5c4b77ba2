"""What certbot says, made plain: which name failed and why, what kept it from asking at all, and hooks that failed.

Its exit code tells done from failed and no more: a deploy hook that fails leaves it at 0 (certbot 2.1; issue 8528 of
its tracker).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from opslib.errors import Locked, OpsError

_DOMAIN = re.compile(r"Domain:\s*(\S+)\s*\n\s*Type:\s*(\S+)\s*\n\s*Detail:\s*(.+(?:\n(?!\s*Domain:)[^\n]+)*)")
_HOOK = re.compile(r"(?m)^.*(?:[Hh]ook).*(?:reported error code|returned error code|exited with).*$")
_HOOK_SAID = re.compile(r"(?m)^.*[Hh]ook.* ran with error output:\n((?:[ \t]+.*\n?)+)")
_TYPES = {
    "connection": "it could not reach the name",
    "dns": "it does not find the name in DNS",
    "unauthorized": "somebody else answered there",
    "caa": "the CAA record of the domain forbids it this ACME server",
    "tls": "TLS failed on the way",
}
# What certbot prints, what that means, and what to do. The first that is found counts.
_KNOWN = (
    ("accountDoesNotExist", "the ACME server does not know the account on this host any more", ""),
    ("rateLimited", "the ACME server has had enough for now (rate limit)",
     "wait until the time that it names; --staging is for trying"),
    ("too many certificates", "the ACME server has had enough for now (rate limit)",
     "wait until the time that it names; --staging is for trying"),
    ("anti-replay nonce", "the ACME server takes none of the nonces that it gives", "run it again in a while"),
    ("badNonce", "the ACME server takes none of the nonces that it gives", "run it again in a while"),
    ("No space left on device", "the disk of the certificates is full", "free some space there, and run it again"),
    ("Read timed out", "the ACME server is too slow to answer", "run it again in a while"),
    ("serverInternal", "the ACME server has failed by itself", "run it again in a while"),
    ("certificate verify failed", "the ACME server's own certificate is not trusted on this host",
     "look at the clock of the host, and at its CA certificates"),
    ("Could not bind TCP port 80", "port 80 of the host is taken", ""),
    ("Problem binding to port 80", "port 80 of the host is taken", ""),
    ("address already in use", "port 80 of the host is taken", ""),
    ("port is already allocated", "port 80 of the host is taken by another container", ""),
    ("Failed to establish a new connection", "the ACME server cannot be reached from this host",
     "look at the host's way out, and at `certbot: server:`"),
    ("Unable to find image", "the image of certbot is not on the host, and could not be pulled",
     "docker pull there, or `certbot: image:`"),
    ("An unexpected error occurred", "the ACME server has failed, or its answer is not understood",
     "run it again in a while"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failed:
    """A name that was not proved, the kind of its problem in ACME's words, and what the ACME server says of it."""

    domain: str
    kind: str
    detail: str

    @property
    def told(self) -> str:
        """A line for people."""
        return f"{self.domain}: {_TYPES.get(self.kind, self.kind)} ({self.detail})"


def failed_names(text: str) -> list[Failed]:
    """The names that certbot lists, in order, once each."""
    found = {one[1]: Failed(one[1], one[2], " ".join(one[3].split())[:300]) for one in _DOMAIN.finditer(text)}
    return list(found.values())


def failed_hooks(text: str) -> list[str]:
    """What certbot says of hooks that did not end well."""
    said = [" ".join(one[1].split()) for one in _HOOK_SAID.finditer(text)]
    failed = list(dict.fromkeys(" ".join(one[0].split()) for one in _HOOK.finditer(text)))
    return [f"{one} ({'; '.join(dict.fromkeys(said))})" if said else one for one in failed]


def no_account(text: str) -> bool:
    """Whether the ACME server does not know the account, or the host has lost it."""
    return _KNOWN[0][0] in text or re.search(r"Account at .* does not exist", text) is not None


def failure(text: str, host: str, left: str) -> OpsError:
    """The error for a certbot that ended badly, from all that it printed."""
    if "Another instance of Certbot is already running" in text:
        return Locked("another certbot is at work on this host (its own timer, or a person)", host=host, left=left,
                      next="run it again when that one is done")  # fmt: skip
    if names := failed_names(text):
        lines = "\n    ".join(one.told for one in names)
        return OpsError(f"the ACME server did not prove {len(names)} of the names:\n    {lines}", host=host, left=left,
                        next="mend them, or take them out of the host file for now, and run it again")  # fmt: skip
    for word, what, do in _KNOWN:
        if word.lower() in text.lower():
            return OpsError(f"{what}:\n    {_last(text, word)}", host=host, left=left, next=do or None)
    return OpsError(f"certbot failed:\n    {_last(text, '')}", host=host, left=left,
                    next="its log on the host says more")  # fmt: skip


def _last(text: str, word: str) -> str:
    """The lines that say it, or the last ones."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and "Ask for help" not in line]
    lines = [line for line in lines if "warnings.warn(" not in line and "InsecureRequestWarning" not in line]
    found = [at for at, line in enumerate(lines) if word and word.lower() in line.lower()]
    told = [line for at in found for line in lines[at : at + (2 if lines[at].endswith(":") else 1)]]
    return "\n    ".join(line[:400] for line in (told[-2:] or lines[-3:] or ["it printed nothing"]))
