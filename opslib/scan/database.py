"""`inv scan.db`: the scanner's database carried to a machine without internet, as one file.

The file is a tar of the scanner's own folder of it (Trivy's `db/`, and `java-db/` where it is there), compressed. It is
put in place whole: the old one stays until the new one is unpacked and Trivy has read it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opslib.command import Command, bash
from opslib.errors import CommandFailed, OpsError
from opslib.run.step import Run
from opslib.scan.result import stamp
from opslib.scan.scanner import Scanner, again, find
from opslib.settings.scanning import Scan
from opslib.target.base import Target
from opslib.target.transfer import stream_in, stream_out

LIMIT = 3600.0  # seconds

# $1 Trivy's folder, "" for its own.
_FOLDER = 'cache=$1; [ -n "$cache" ] || cache=${XDG_CACHE_HOME:-$HOME/.cache}/trivy\n'
_SAVE = (
    _FOLDER
    + """[ -e "$cache/db/metadata.json" ] || { echo "there is no database in $cache/db" >&2; exit 1; }
set -o pipefail; folders=(db); [ ! -d "$cache/java-db" ] || folders+=(java-db)
tar -C "$cache" -cf - -- "${folders[@]}" | gzip -1"""
)
_LOAD = (
    _FOLDER
    + """set -euo pipefail; mkdir -p -- "$cache"; part=$(mktemp -d -- "$cache/load.XXXXXX")
trap 'rm -rf -- "$part"' EXIT
gzip -dc | tar -C "$part" -xf - --no-same-owner
[ -s "$part/db/trivy.db" ] && [ -s "$part/db/metadata.json" ] || { echo "it holds no database of Trivy" >&2; exit 65; }
for name in db java-db; do
  [ -d "$part/$name" ] || continue
  rm -rf -- "$cache/$name.old"; [ ! -e "$cache/$name" ] || mv -T -- "$cache/$name" "$cache/$name.old"
  mv -T -- "$part/$name" "$cache/$name"; rm -rf -- "$cache/$name.old"
done"""
)


def save(here: Target, settings: Scan, path: Path) -> dict[str, Any]:
    """Write this machine's database into a file here: whole, or not at all. Raises OpsError."""
    scanner = _trivy(here, here, settings)
    part = path.with_name(f"{path.name}.part")
    try:
        with open(part, "wb") as out:
            size = stream_out(here, _command(scanner, _SAVE), out.write)
        part.replace(path)
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return {"file": str(path), "bytes": size, **_age(scanner)}


def look(run: Run, here: Target, file: Path | None) -> None:
    """Say which database the host's scans use, and how old it is; with a file, load it from there first. Raises
    OpsError where the file holds none: the old one stays then."""
    settings = run.target.host.scan
    if file is None:
        run.result.update(_age(find(run.target, here, settings)))
        return
    scanner = _trivy(run.target, here, settings)
    try:
        with open(file, "rb") as source:
            stream_in(scanner.at, _command(scanner, _LOAD), source)
    except OSError as error:
        raise OpsError(f"{file} cannot be read: {error.strerror}", host=run.host, left="everything") from None
    except CommandFailed as error:
        said = (error.stderr.strip().splitlines() or [error.what])[-1]
        raise OpsError(f"{file} was not loaded: {said}", host=run.host, left="the database that was there") from None
    run.result.update(file=str(file), **_age(again(scanner)))


def _age(scanner: Scanner) -> dict[str, str | None]:
    database = stamp(scanner.database) if scanner.database else None
    return {"scanner": scanner.kind, "version": scanner.version, "on": scanner.at.host.name, "database": database}


def _trivy(target: Target, here: Target, settings: Scan) -> Scanner:
    scanner = find(target, here, settings)
    if scanner.kind != "trivy":
        raise OpsError("only Trivy's database is saved and loaded; for grype there is `grype db import`")
    return scanner


def _command(scanner: Scanner, text: str) -> Command:
    if scanner.inside and scanner.settings.cache is None:
        raise OpsError(
            "of a scanner in a container the database can be reached with `scan: cache:`, a folder of the host"
        )
    return bash(text, scanner.settings.cache or "", limit=LIMIT)
