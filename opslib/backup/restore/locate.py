"""What `--file X` stands for: a set, one artifact of one, or what some script made; on the host or on this machine."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from opslib.backup import sets
from opslib.backup.manifest import FILE, Manifest, decode
from opslib.backup.restore.chosen import Chosen, choose, is_globals
from opslib.command import bash
from opslib.errors import BadSettings, OpsError
from opslib.target.transfer import read_file

if TYPE_CHECKING:
    from opslib.backup.restore.options import Options
    from opslib.target.base import Target


def locate(target: Target, options: Options) -> Chosen:
    """Find X. Raises BadSettings where nothing or more than one thing is meant, BadManifest for a set that cannot be
    read."""
    if options.origin is not None:
        return _on_another(options.origin, options)
    name = options.file
    if name is None:
        return _of_set(sets.newest_safety_copy(sets.list_sets(target), target.host.name), options)
    if "/" not in name:
        every = sets.list_sets(target)
        if name == "latest" or any(one.id.startswith(name) for one in every):
            return _of_set(sets.choose_there(target, every, name), options)
    there = _kind_there(target, name)
    here = Path(name) if name.startswith("/") else options.root / name
    if not target.host.is_local and here.exists():
        if there:
            raise BadSettings(
                f"{name} is both on {target.host.name} and on this machine",
                host=target.host.name,
                next="name it by a path that only one of them has, or by the set's id",
            )
        return _on_this_machine(here, options)
    if there == "folder":
        return _of_folder(target, _absolute(target, name), options)
    if there == "file":
        return _of_file(target, _absolute(target, name))
    raise BadSettings(
        f"there is no set and no file {name!r}",
        host=target.host.name,
        next=sets.after_none(target, name) or f"inv backup.list --host {target.host.name}",
    )


def _on_another(origin: Target, options: Options) -> Chosen:
    found = locate(origin, replace(options, origin=None))
    if found.here or found.manifest is None:
        raise BadSettings(
            f"--from takes a set of {origin.host.name}, and {options.file} is none",
            host=origin.host.name,
            next=f"inv backup.list --host {origin.host.name}",
        )
    return replace(found, origin=origin)


def _of_set(found: sets.SetInfo, options: Options) -> Chosen:
    if found.manifest is None:
        raise OpsError(f"{found.folder} is no whole set: {found.wrong}", left="everything", next="inv backup.list")
    return Chosen(found.folder, False, found.manifest, choose(found.manifest, options))


def _absolute(target: Target, name: str) -> str:
    return name.rstrip("/") or "/" if name.startswith("/") else f"{target.root}/{name.rstrip('/')}"


def _kind_there(target: Target, name: str) -> str:
    script = 'if [ -d "$1" ]; then echo folder; elif [ -f "$1" ]; then echo file; fi'
    return target.run(bash(script, _absolute(target, name))).text


def _of_folder(target: Target, folder: str, options: Options) -> Chosen:
    data = read_file(target, f"{folder}/{FILE}")
    if data is None:
        return Chosen(posixpath.dirname(folder), False, single=posixpath.basename(folder), whole=False)
    manifest = decode(data, f"{folder}/{FILE}")
    return Chosen(folder, False, manifest, choose(manifest, options))


def _of_file(target: Target, path: str) -> Chosen:
    folder, name = str(PurePosixPath(path).parent), PurePosixPath(path).name
    data = read_file(target, f"{folder}/{FILE}")
    manifest = decode(data, f"{folder}/{FILE}") if data is not None else None
    return _single(manifest, folder, name, here=False, there=lambda file: _kind_there(target, f"{folder}/{file}") != "")


def _on_this_machine(path: Path, options: Options) -> Chosen:
    path = path.resolve()
    folder = path if path.is_dir() else path.parent
    try:
        manifest = decode((folder / FILE).read_bytes(), str(folder / FILE)) if (folder / FILE).is_file() else None
    except OSError as error:
        raise OpsError(f"cannot read {folder / FILE}: {error.strerror}") from None
    if path.is_dir():
        if manifest is None:
            return Chosen(str(folder.parent), True, single=folder.name, whole=False)
        return Chosen(str(folder), True, manifest, choose(manifest, options))
    return _single(manifest, str(folder), path.name, here=True, there=lambda file: (folder / file).is_file())


def _single(manifest: Manifest | None, folder: str, name: str, *, here: bool, there: Callable[[str], bool]) -> Chosen:
    """One file. A database brings its server's roles along, where their file is beside it."""
    named = next((one for one in manifest.artifacts if one.file == name), None) if manifest else None
    if manifest is not None and named is not None:
        if is_globals(named):
            raise BadSettings(f"{name} holds the roles of a server: they come back with a database that needs them")
        if named.kind == "project":
            raise BadSettings(f"{name} holds the project's own files: they come back with inv restore --bare")
        with_it = [
            one
            for one in manifest.artifacts
            if is_globals(one) and (one.kind, one.service) == (named.kind, named.service) and there(one.file)
        ]
        return Chosen(folder, here, manifest, (named, *with_it), whole=False)
    return Chosen(folder, here, single=name, whole=False)
