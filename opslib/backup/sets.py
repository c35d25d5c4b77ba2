"""The backup sets of a host: what is there, which of them are whole, finding one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.backup.manifest import FILE, BadManifest, Manifest, decode
from opslib.command import bash
from opslib.compose.script import read_all
from opslib.errors import BadSettings, OpsError

if TYPE_CHECKING:
    from opslib.run.step import Run
    from opslib.target.base import Target

DAMAGED = "damaged"
"""A file in a set that failed its verification; its text says why. Such a set does not count when sets are pruned."""

# $1 the folder, $2 one of its folders or "". For each: its name, its files and their lengths, why it is damaged, its
# manifest; a name of a folder that is being written, or was left behind, begins with a dot.
_LIST = """cd -- "$1" 2>/dev/null || exit 0; shopt -s nullglob dotglob
for d in ${2:+"$2"} ${2:-*}; do d=${d%/}; [ -d "$d" ] && [ "$d" != "$seen" ] || continue; seen=$d
  printf 'set %s\\n' "$(printf %s "$d" | base64 -w0)"
  for f in "$d"/*; do [ -f "$f" ] && printf 'file %s %s\\n' "$(stat -c %s -- "$f")" "${f##*/}"; done
  [ -f "$d/damaged" ] && printf 'damaged %s\\n' "$(head -c 300 -- "$d/damaged" | tr '\\n' ' ')"
  [ -f "$d/manifest.json" ] && printf 'manifest %s\\n' "$(base64 -w0 -- "$d/manifest.json")"
done; true"""


@dataclass(frozen=True, slots=True)
class SetInfo:
    """A set, or what is left of one: `wrong` says why it is none (no manifest, files missing or too short), `damaged`
    what a verification found. `folder` is absolute."""

    id: str
    folder: str
    manifest: Manifest | None = None
    wrong: str = ""
    damaged: str = ""

    @property
    def whole(self) -> bool:
        """Whether it can be restored, as far as is known without reading it."""
        return self.manifest is not None and not self.wrong and not self.damaged

    @property
    def safety(self) -> bool:
        """Whether it is the safety copy of a restore."""
        return self.manifest is not None and any(one.facts.get("safety") for one in self.manifest.artifacts)

    def as_json(self) -> dict[str, Any]:
        """For a record's result."""
        manifest = self.manifest
        shown: dict[str, Any] = {"id": self.id, "folder": self.folder, "whole": self.whole}
        if manifest is not None:
            shown |= {
                "created": manifest.created, "project": manifest.project, "by": manifest.by,
                "release": manifest.release, "bytes": manifest.bytes, "safety": self.safety,
                "recipients": list(manifest.recipients),
                "raw_bytes": sum(one.raw_bytes for one in manifest.artifacts), "seconds": manifest.seconds,
                "artifacts": [one.title for one in manifest.artifacts],
            }  # fmt: skip
        return {**shown, "wrong": self.wrong or self.damaged or None}


def directory(target: Target) -> str:
    """The folder of the sets there."""
    given = target.host.backup.directory
    return given if given.startswith("/") else f"{target.root}/{given}"


def list_sets(target: Target) -> list[SetInfo]:
    """Every set, the oldest first, also what is half or broken. One round trip."""
    folder = directory(target)
    return parse(folder, read_all(target, bash(_LIST, folder, "", limit=120.0)))


def parse(folder: str, text: str) -> list[SetInfo]:
    """The sets from what the look printed."""
    import base64

    found: list[SetInfo] = []
    for part in f"\n{text}".split("\nset ")[1:]:
        lines = part.split("\n")
        name = base64.b64decode(lines[0]).decode("utf-8", "surrogateescape")
        sizes = {words[2]: int(words[1]) for words in (line.split(" ", 2) for line in lines) if words[0] == "file"}
        damaged = next((line[8:] for line in lines if line.startswith("damaged ")), "")
        text64 = next((line[9:] for line in lines if line.startswith("manifest ")), None)
        path = f"{folder}/{name}"
        if name.startswith("."):
            if name.endswith(".part"):
                found.append(SetInfo(name[1:-5], path, None, "it is being made, or was left half done"))
            continue
        manifest = None if text64 is None else base64.b64decode(text64)
        found.append(as_found(name, path, manifest, sizes, damaged))
    return oldest_first(found)


def as_found(name: str, path: str, text: bytes | None, sizes: Mapping[str, int], damaged: str) -> SetInfo:
    """A set by the text of its manifest (None: there is none), the lengths of its files, and what a verification
    found."""
    if text is None:
        return SetInfo(name, path, None, f"there is no {FILE}")
    try:
        manifest = decode(text, f"{path}/{FILE}")
    except BadManifest as error:
        return SetInfo(name, path, None, error.what)
    return SetInfo(name, path, manifest, _missing(manifest, sizes), damaged.strip())


def oldest_first(sets: Iterable[SetInfo]) -> list[SetInfo]:
    """By the time in their manifests."""
    return sorted(sets, key=lambda one: (one.manifest.created if one.manifest else "", one.id))


def _missing(manifest: Manifest, sizes: Mapping[str, int]) -> str:
    for artifact in manifest.artifacts:
        if artifact.file not in sizes:
            return f"{artifact.file} is missing"
        if sizes[artifact.file] != artifact.bytes:
            return f"{artifact.file} has {sizes[artifact.file]} bytes, the manifest says {artifact.bytes}"
    return ""


def find(target: Target, wanted: str) -> SetInfo:
    """A set by its id, the beginning of one, `latest` (the newest whole one that is no safety copy), or its folder.

    Raises BadSettings where none or several are meant.
    """
    if "/" in wanted:
        path = wanted.rstrip("/") if wanted.startswith("/") else f"{target.root}/{wanted.rstrip('/')}"
        parent, _, name = path.rpartition("/")
        found = parse(parent or "/", read_all(target, bash(_LIST, parent or "/", name, limit=120.0)))
        if found:
            return found[0]
        raise BadSettings(f"there is no set in {path}", host=target.host.name, next="inv backup.list")
    return choose_there(target, list_sets(target), wanted)


def choose_there(target: Target, sets: list[SetInfo], wanted: str) -> SetInfo:
    """`choose` among a host's own sets; the error says how a set comes back from a store, where there are stores."""
    try:
        return choose(sets, wanted, target.host.name)
    except BadSettings as error:
        raise BadSettings(error.what, host=target.host.name, next=after_none(target, wanted) or error.next) from None


def after_none(target: Target, wanted: str) -> str | None:
    """What to type where a host has no such set and a store may have it."""
    return f"inv backup.pull --set {wanted} --host {target.host.name}" if target.host.backup.stores else None


def choose(sets: list[SetInfo], wanted: str, host: str) -> SetInfo:
    """The pure part of `find`."""
    if wanted == "latest":
        whole = [one for one in sets if one.whole and not one.safety]
        if not whole:
            raise BadSettings("there is no whole backup set", host=host, next=f"inv backup.all --host {host}")
        return whole[-1]
    near = [one for one in sets if one.id == wanted] or [one for one in sets if wanted and one.id.startswith(wanted)]
    if len(near) != 1:
        why = f"{wanted!r} begins {len(near)} sets" if near else f"there is no set {wanted!r}"
        raise BadSettings(why, host=host, next=f"inv backup.list --host {host}")
    return near[0]


def newest_safety_copy(sets: list[SetInfo], host: str) -> SetInfo:
    """The safety copy of the last restore. Raises BadSettings where there is none."""
    copies = [one for one in sets if one.whole and one.safety]
    if not copies:
        raise BadSettings("no restore has left a safety copy here", host=host, next=f"inv backup.list --host {host}")
    return copies[-1]


def show(run: Run, wanted: str = "latest") -> None:
    """Put everything that a set's manifest says into the run's result.

    Raises OpsError for a set without a readable manifest."""
    import msgspec

    one = find(run.target, wanted)
    if one.manifest is None:
        raise OpsError(f"{one.folder} is no whole set: {one.wrong}", host=run.host, next="inv backup.list")
    run.result.update(one.as_json())
    run.result["manifest"] = json.loads(msgspec.json.encode(one.manifest))
