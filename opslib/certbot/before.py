"""What is looked at before the ACME server is asked: the host's clock and disk, and what the host file names here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from opslib.errors import BadSettings, OpsError

if TYPE_CHECKING:
    from opslib.certbot.disk import Disk
    from opslib.run.step import Run

SKEW = 300.0  # seconds of the host's clock: from there on TLS and times of certificates go wrong
ROOM = 1024  # KiB that certbot needs: keys, certificates, its log


def ca_file(run: Run, root: Path) -> Path | None:
    """The file of `certbot: ca:`. Raises BadSettings where there is none."""
    named = run.target.host.certbot.ca
    if named is None:
        return None
    if not (root / named).is_file():
        raise BadSettings(f"certbot.ca: there is no {root / named}", host=run.host, left="everything")
    return root / named


def refuse_host(run: Run, found: Disk) -> None:
    """Raises OpsError where the clock or the disk of the host would make certbot fail after it has asked."""
    skew = found.now - time.time()
    if abs(skew) > SKEW:
        raise OpsError(
            f"the clock of the host is {abs(skew) / 3600:.1f} h {'ahead' if skew > 0 else 'behind'}: certificates "
            "would look ended, or not begun", host=run.host, left="everything: the ACME server was not asked",
            next="sudo timedatectl set-ntp true there",
        )  # fmt: skip
    if found.free < ROOM:
        raise OpsError(
            f"{found.free} KiB are free in {run.target.host.certbot.directory}, and certbot needs {ROOM}: a new "
            "certificate would be lost half way", host=run.host,
            left="everything: the ACME server was not asked", next="free some space there",
        )  # fmt: skip
