"""What is proven before anything is touched: every artifact is what its manifest says."""

from __future__ import annotations

from pathlib import Path

from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.options import Options
from opslib.backup.verify import digests
from opslib.command import Secret
from opslib.errors import BadSettings, OpsError
from opslib.target.base import Target
from opslib.target.transfer import sha256


def verify(target: Target, chosen: Chosen) -> None:
    """Compare length and SHA-256 of every chosen artifact with the manifest. Raises OpsError for the first that is
    not what it was."""
    there = chosen.origin or target
    wrong = _wrong_here(chosen) if chosen.here else digests(there, chosen.folder, chosen.artifacts)
    for file, why in wrong.items():
        if why:
            raise OpsError(
                f"{chosen.folder}/{file}: {why}",
                host=there.host.name,
                left="everything",
                next=f"inv backup.verify --host {there.host.name}, and restore another set",
            )


def identities(chosen: Chosen, options: Options) -> list[Secret]:
    """Who can read what is chosen; empty where it is in clear. Raises BadSettings where nobody can."""
    if chosen.manifest is None or not chosen.manifest.recipients:
        return []
    if options.identity is None:
        raise BadSettings(f"{chosen.title} is encrypted, and no identity is there to read it", left="everything")
    return [options.identity(chosen.manifest.recipients, chosen.title)]


def _wrong_here(chosen: Chosen) -> dict[str, str]:
    """The same as `digests`, of files on this machine."""
    found = {}
    for artifact in chosen.artifacts:
        path, why = Path(chosen.folder) / artifact.file, ""
        try:
            if not path.is_file():
                why = "is missing"
            elif path.stat().st_size != artifact.bytes:
                why = f"has {path.stat().st_size} bytes, the manifest says {artifact.bytes}"
            elif sha256(path) != artifact.sha256:
                why = "has another SHA-256 than the manifest says"
        except OSError as error:
            raise OpsError(f"cannot read {error.filename}: {error.strerror}", left="everything") from None
        found[artifact.file] = why
    return found
