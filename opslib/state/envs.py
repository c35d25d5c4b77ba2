"""What opslib wrote as a target's env file beside its deploys, and what it wrote over: `<state>/env/`.

`written` lists the digests of what was written, the newest last; beside it stand the files that were replaced, each
named by the run that did it (0600: they hold every secret).
"""

from __future__ import annotations

from opslib.command import bash
from opslib.target.base import Target
from opslib.target.transfer import put_bytes, read_file

KEPT = 5
"""Files that were replaced and are kept."""
_REMEMBERED = 20  # digests

# $1 the file, $2 the folder, $3 the run, $4 how many are kept
_KEEP = """set -eu; umask 007; mkdir -p -- "$2"; [ -e "$1" ] && [ ! -e "$2/$3" ] || exit 0
install -m 600 -- "$1" "$2/$3.part"; sync -- "$2/$3.part"; mv -fT -- "$2/$3.part" "$2/$3"; sync -- "$2"
cd -- "$2"; shopt -s nullglob; old=(20*Z-????); n=${#old[@]}
for f in "${old[@]:0:n > $4 ? n - $4 : 0}"; do rm -f -- "./$f"; done"""
_BACK = """set -eu; umask 077
if [ -e "$2" ]; then install -m 600 -- "$2" "$1.back"; sync -- "$1.back"; mv -fT -- "$1.back" "$1"
elif [ -z "$3" ]; then rm -f -- "$1"; fi"""


def folder(target: Target) -> str:
    """Where all of it stands."""
    return f"{target.state}/env"


def keep(target: Target, file: str, run: str, place: str | None = None) -> None:
    """Keep a copy of the file, if it is there, and the last ones before it. `place`: another folder than a target's."""
    target.run(bash(_KEEP, file, place or folder(target), run, str(KEPT)))


def back(target: Target, file: str, run: str, *, was: bool) -> None:
    """Put back what the run has replaced; nothing where it had not begun. `was`: there was a file before.
    Idempotent."""
    target.run(bash(_BACK, file, f"{folder(target)}/{run}", "yes" if was else ""))


def written(target: Target) -> list[str]:
    """The digests of what was written, the newest last."""
    return (read_file(target, f"{folder(target)}/written") or b"").decode("ascii", "replace").split()


def remember(target: Target, digest: str) -> None:
    """Have it among those that opslib wrote: a deploy takes it for no change of somebody else's."""
    lines = [*(one for one in written(target) if one != digest), digest][-_REMEMBERED:]
    put_bytes(target, "".join(f"{one}\n" for one in lines).encode(), f"{folder(target)}/written", mode=0o660)
