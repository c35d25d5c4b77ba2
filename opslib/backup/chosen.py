"""Files that the host file names by patterns: what they match on the target, and what is never taken."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from opslib.backup import within
from opslib.backup.sqlite import SqliteFile
from opslib.backup.tree import Files
from opslib.command import bash
from opslib.engines import tree
from opslib.errors import BadSettings, Cancelled, HostLost, OpsError
from opslib.settings import globs, kinds
from opslib.target.docker import mount, run_in, whole

if TYPE_CHECKING:
    from opslib.backup.found import Found
    from opslib.backup.scan import Inside, Place
    from opslib.settings.model import Host
    from opslib.target.base import Target

LOOKING = 600.0  # seconds


def own(host: Host) -> list[str]:
    """What of the project's folder is opslib's, and in no backup: its own folder and the backup sets."""
    directory = host.backup.directory
    return [".opslib"] if directory.startswith("/") else [".opslib", posixpath.normpath(directory)]


def specs(host: Host, *, patterns: bool) -> Iterator[kinds.Files]:
    """The files of the host file with patterns among their paths, or those with none."""
    for spec in host.backup.sources:
        if isinstance(spec, kinds.Files) and any(map(globs.is_glob, spec.paths)) == patterns:
            yield spec


def excluded(host: Host, root: str, source: str) -> tuple[str, ...]:
    """The patterns that the host file leaves out of a folder or file of the machine that is backed up whole, from the
    project's folder."""
    found: list[str] = []
    for spec in specs(host, patterns=False):
        for path in spec.paths:
            full = posixpath.normpath(posixpath.join(root, path))
            if full == source or full.startswith(f"{source}/"):
                found += globs.below(spec.exclude, posixpath.normpath(path))
    return tuple(dict.fromkeys(found))


def find(target: Target, tools: str, spec: kinds.Files) -> Files:
    """The files that the patterns match now. Without a tools image ("") they are looked for on the machine itself.

    Raises OpsError naming a pattern or path that matches nothing.
    """
    exclude, patterns = globs.below(spec.exclude), tuple(path.rstrip("/") for path in spec.paths)
    left_out = globs.regex([*exclude, *(one for one in own(target.host) if not globs.is_glob(one))])
    found = roots(target, tools, target.root, left_out, patterns)
    missing = [pattern for pattern, some in zip(spec.paths, found, strict=True) if not some]
    if missing:
        raise OpsError(
            f"files: nothing matches {', '.join(missing)}",
            host=target.host.name,
            left="everything: no backup set was made, nothing was pruned",
            next="mend `backup: sources:` in the host file; patterns begin in the project's folder",
        )
    paths = _outermost([path for some in found for path in some])
    return Files(target.root, paths, tuple(own(target.host)), ", ".join(spec.paths), 0, patterns, exclude)


def find_or_refuse(target: Target, tools: str, spec: kinds.Files, found: Found) -> list[Files]:
    """The same; what is wrong with it is noted in `found`, and then there is none."""
    try:
        return [find(target, tools, spec)]
    except (BadSettings, Cancelled, HostLost):
        raise
    except OpsError as error:
        found.refuse(f"files {', '.join(spec.paths)}", (), error)
        return []


def roots(target: Target, tools: str, base: str, left_out: str, patterns: Sequence[str]) -> list[list[str]]:
    """For each pattern the paths in the folder `base` that it matches or has matches below: the folder that it begins
    with, or what is in `base` itself. `left_out` is a regular expression.

    Raises OpsError for a name that no manifest can hold, or where the answer has no end.
    """
    words = [word for one in patterns for word in (globs.start(one), globs.regex([one]))]
    if tools:
        place = mount("bind", base, "/src", readonly=True)
        cmd = run_in(target.host, tools, "bash", "-c", tree.ROOTS, "opslib", "/src", left_out, *words, mounts=[place],
                     options=["--security-opt", "label=disable"], limit=LOOKING)  # fmt: skip
    else:
        cmd = bash(tree.ROOTS, base, left_out, *words, limit=LOOKING)
    found: list[list[str]] = []
    for line in whole(target, target.run(cmd).lines):
        if line == "pattern":
            found.append([])
        else:
            found[-1].append(_name(target, base64.b64decode(line.partition(" ")[2])))
    return found


def _name(target: Target, name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise OpsError(
            f"files: the name {name!r} is not UTF-8, and a pattern without a folder before it cannot take it",
            host=target.host.name,
            left="everything: no backup set was made, nothing was pruned",
            next="name its folder, or leave it out by `exclude:`",
        ) from None


def _outermost(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in paths if not any(one.startswith(f"{other}/") for other in paths)))


def apart(target: Target, sources: Sequence[Files]) -> None:
    """Raise BadSettings where two sources with patterns reach into one another: a restore exchanges the folders of
    each as a whole."""
    for at, one in enumerate(sources):
        for other in sources[at + 1 :]:
            both = [a for a in one.paths for b in other.paths if f"{a}/".startswith(f"{b}/") or b.startswith(f"{a}/")]
            if both and (one.globs or other.globs):
                raise BadSettings(
                    f"files: {one.name} and {other.name} both reach into {both[0]}",
                    host=target.host.name,
                    next="write them as one source: files: {paths: [...]}",
                )


def picked(target: Target, tools: str, folders: Mapping[Place, bool], found: Found) -> list[Files]:
    """The files that the host file names by patterns, as far as their folders are not backed up whole."""
    left = []
    for spec in specs(target.host, patterns=True):
        for one in find_or_refuse(target, tools, spec, found):
            whole = {path for path in one.paths for folder in folders
                     if f"{target.root.rstrip('/')}/{path}/".startswith(f"{folder.source}/")}  # fmt: skip
            if whole:
                said = f"{', '.join(sorted(whole))} is backed up whole, by another source"
                found.warnings.append(f"files {one.name}: {said}")
            if set(one.paths) - whole:
                left.append(replace(one, paths=tuple(path for path in one.paths if path not in whole)))
    apart(target, left)
    return left


def pick(one: Files, seen: Mapping[Place, Inside], folders: Mapping[Place, bool], found: Found) -> None:
    """Add chosen files; SQLite files among them, and folders among them that are backed up whole, are artifacts of
    their own."""
    wanted, left_out = globs.matcher(one.globs), globs.matcher(one.exclude)
    root, own_artifacts = one.base.rstrip("/"), []
    for place, inside in seen.items():
        path = place.source[len(root) + 1 :]
        within.own(inside, f"folder {path}", found, left_out=left_out, wanted=wanted, above=path)
        for name in inside.sqlite:
            folder, file = (place.source, name) if name else posixpath.split(place.source)
            base = SqliteFile(False, folder, file, {"place": "bind", "folder": folder})
            found.cover(base.title, (), base)
            own_artifacts.append(posixpath.normpath(posixpath.join(path, name)))
    whole = [folder.source[len(root) + 1 :] for folder in folders
             if any(f"{folder.source}/".startswith(f"{place.source}/") for place in seen)]  # fmt: skip
    size = sum(inside.size for inside in seen.values())
    without = (*one.without, *within.beside(own_artifacts), *whole)
    found.cover(one.title, (), replace(one, without=without, size=size))
