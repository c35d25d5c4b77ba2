"""Which commit an image was built from: its version, which is its tag, and its labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import urlsplit

from opslib.images.info import ORIGIN, split_name

PATTERN = r"[0-9]{8}-[0-9]{6}\.[0-9a-f]{7}(\.dirty)?"
"""What a version looks like: an extended regular expression, for bash and for Python."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit: its whole id, its time (seconds since 1970), whether files that git tracks differ from it, and the
    address of the repository that it was cloned from."""

    commit: str
    time: int
    dirty: bool = False
    source: str | None = None

    @property
    def version(self) -> str:
        """`<git date>.<sha7>[.dirty]`: sorts by time."""
        at = datetime.fromtimestamp(self.time, timezone.utc).strftime("%Y%m%d-%H%M%S")
        return f"{at}.{self.commit[:7]}{'.dirty' if self.dirty else ''}"

    def labels(self) -> dict[str, str]:
        """OCI's labels. `created` is the commit's time: the same commit built twice is the same image."""
        created = datetime.fromtimestamp(self.time, timezone.utc).isoformat().replace("+00:00", "Z")
        found = {"revision": self.commit, "created": created, "version": self.version}
        if self.source:
            found["source"] = without_password(self.source)
        return {f"{ORIGIN}{key}": text for key, text in found.items()}


def version_tag(image: str, version: str) -> str:
    """The image's name with the version in place of its tag."""
    return f"{split_name(image)[0]}:{version}"


def without_password(address: str) -> str:
    """The address of a repository without the user and password that a URL may hold; ssh's own forms stay."""
    if not re.match(r"https?://", address):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
