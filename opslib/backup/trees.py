"""The volumes and mounted folders of a project that are data, and the SQLite files in them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from opslib.backup import chosen, mounts, others
from opslib.backup.deciding import Deciding
from opslib.backup.found import Found, Server, Wishes
from opslib.backup.scan import Place, scan
from opslib.command import bash
from opslib.engines.known import ENGINES
from opslib.errors import BadSettings

if TYPE_CHECKING:
    from opslib.compose.stack import Stack
    from opslib.target.base import Target

_RELEASED = 'for f in "$1"/releases/*/files.sha256; do [ -r "$f" ] && cut -c67- -- "$f"; done; true'


def find_trees(target: Target, stack: Stack, tools: str, wishes: Wishes, engines: Mapping[Place, Server],
               near: Mapping[Place, Server], found: Found) -> None:  # fmt: skip
    """Add what is to be backed up file by file to `found`, and what becomes of each volume and folder that is mounted.
    `engines` are the places of databases, whose files are not copied, `near` what else their containers may write to.

    Raises BadSettings where the host file asks for a copy of the files of an engine that runs.
    """
    writable = {place for container in stack.containers for place in mounts.writable(container)}
    ours = [one for one, server in engines.items()
            if server.kind in ENGINES and (one.kind == "volume" or one in writable)]  # fmt: skip
    folders, inner = mounts.folders(stack, wishes, ours, found)
    picked = chosen.picked(target, tools, folders, found)
    volumes = {Place("volume", one.name): one for one in stack.volumes if not wishes.out_volume(one)}
    places = [place for place in [*volumes, *folders] if place not in engines or wishes.asked(place)]
    _refuse_engines(target, places, engines)
    strange = [one for one in [*volumes, *folders] if one in engines and one not in places and one not in ours]
    released = _released(target, folders)
    below = {Place("bind", f"{target.root.rstrip('/')}/{path}"): one for one in picked for path in one.paths}
    seen = scan(target, tools, [*places, *strange, *below], released)
    for one in picked:
        chosen.pick(one, {place: seen[place] for place, of in below.items() if of is one}, folders, found)
    decide = Deciding(wishes, found)
    for place in places:
        server, inside = near.get(place), seen[place]
        if server is not None and server.kind in inside.marks:
            decide.served(place, server)
        elif place in volumes:
            decide.volume(place, volumes[place], inside)
        elif folders[place] or inside.unreleased or not released[place]:  # also an empty folder is data
            decide.folder(place, inside, empty=not (inside.unreleased or released[place]))
        else:
            decide.skip(place, "no data", "a release wrote all of it")
    for place in ours:
        decide.served(place, engines[place])
    for place in strange:
        decide.strange(place, engines[place], seen[place])
    for volume in stack.volumes:
        place = Place("volume", volume.name)
        if place not in volumes and place not in ours:
            decide.skip(place, "excluded", mounts.EXCLUDED)
    for place, outer in inner.items():
        if place not in ours:
            decide.part(place, outer)
    found.outside = others.writing(target, stack, found.sources)
    found.warnings += found.outside


def _refuse_engines(target: Target, places: Iterable[Place], engines: Mapping[Place, Server]) -> None:
    for place in places:
        if place in engines and engines[place].kind in ENGINES:
            raise BadSettings(
                f"volume {place.source} is the data folder of {engines[place].kind}, which runs: a copy of its files "
                "would be broken, and a dump backs it up",
                host=target.host.name,
                next="take it out of `backup: sources:`",
            )


def _released(target: Target, folders: Iterable[Place]) -> dict[Place, list[str]]:
    """The files in the folders that a release wrote; "" for a place that is such a file itself."""
    lines = target.run(bash(_RELEASED, target.state)).lines
    released = {posixpath.normpath(posixpath.join(target.root, path)) for path in lines if path}
    return {
        place: [""] if place.source in released
        else [one[len(place.source) + 1 :] for one in released if one.startswith(f"{place.source}/")]
        for place in folders
    }  # fmt: skip
