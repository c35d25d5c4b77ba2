"""What a stack's HTTPS needs on a new machine: certbot's folder, with keys and account, and nginx's sites."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from opslib.backup.tree import Files
from opslib.command import bash

if TYPE_CHECKING:
    from opslib.backup.found import Found, Wishes
    from opslib.target.base import Target

# $1 certbot's folder, $2 that of the sites, or "".
_LOOK = """shopt -s nullglob; [[ ! -d $1 ]] || echo there
[[ -z $2 ]] || for f in "$2"/opslib-site-*; do printf ' %s\\n' "${f##*/}"; done"""


def find(target: Target, wishes: Wishes, found: Found) -> None:
    """Cover them where they are the stack's: where the host file has sites, or domains for certbot. One round trip, and
    none where it has not."""
    host = target.host
    spec = host.deploy.proxy if host.deploy.proxy and host.deploy.proxy.sites else None
    if spec is None and not host.certbot.domains:
        return
    folder = posixpath.normpath(posixpath.join(target.root, spec.folder)) if spec else ""
    own = posixpath.normpath(host.certbot.directory)
    seen = target.run(bash(_LOOK, own, folder)).text.split("\n")
    if "there" in seen and not wishes.out_path(own) and not _copied(found, own):
        base, name = posixpath.split(own)
        without = tuple(f"{name}/{part}" for part in ("logs", "work"))
        one = Files(base, (name,), without, f"certificates {own}")
        found.cover(one.title, (), one)
    sites = [line[1:] for line in seen if line.startswith(" ")]
    if sites and not wishes.out_path(folder) and not _copied(found, folder):
        two = Files(folder, tuple(sites), (), "nginx sites")
        found.cover(two.title, (), two)


def _copied(found: Found, path: str) -> bool:
    """Whether a source that was found has it already."""
    for one in found.sources:
        if isinstance(one, Files) and not one.globs:
            whole = [posixpath.normpath(posixpath.join(one.base, each)) for each in one.paths]
            if any(path == each or path.startswith(f"{each}/") for each in whole):
                return True
    return False
