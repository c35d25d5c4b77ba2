"""Files that the host file names by patterns: what they match on the target, and what is never taken."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from opslib.backup.tree import Files
from opslib.command import bash
from opslib.engines import tree
from opslib.errors import BadSettings, OpsError
from opslib.settings import globs, model
from opslib.target.docker import mount, run_in

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

LOOKING = 600.0  # seconds


def own(host: Host) -> list[str]:
    """What of the project's folder is opslib's, and in no backup: its own folder and the backup sets."""
    directory = host.backup.directory
    return [".opslib"] if directory.startswith("/") else [".opslib", posixpath.normpath(directory)]


def specs(host: Host, *, patterns: bool) -> Iterator[model.Files]:
    """The files of the host file with patterns among their paths, or those with none."""
    for spec in host.backup.sources:
        if isinstance(spec, model.Files) and any(map(globs.is_glob, spec.paths)) == patterns:
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


def find(target: Target, tools: str, spec: model.Files) -> Files:
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


def roots(target: Target, tools: str, base: str, left_out: str, patterns: Sequence[str]) -> list[list[str]]:
    """For each pattern the paths in the folder `base` that it matches or has matches below: the folder that it begins
    with, or what is in `base` itself. `left_out` is a regular expression.

    Raises OpsError for a name that no manifest can hold.
    """
    words = [word for one in patterns for word in (globs.start(one), globs.regex([one]))]
    if tools:
        place = mount("bind", base, "/src", readonly=True)
        cmd = run_in(target.host, tools, "bash", "-c", tree.ROOTS, "opslib", "/src", left_out, *words, mounts=[place],
                     options=["--security-opt", "label=disable"], limit=LOOKING)  # fmt: skip
    else:
        cmd = bash(tree.ROOTS, base, left_out, *words, limit=LOOKING)
    found: list[list[str]] = []
    for line in target.run(cmd).lines:
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
