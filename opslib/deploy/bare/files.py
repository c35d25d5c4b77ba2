"""The project's files for a new machine: those of the folder here, or those of a set, with what holds passwords from
here in any case."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO

from opslib.backup.keys import SUFFIX
from opslib.backup.manifest import Artifact
from opslib.backup.restore.chosen import Chosen
from opslib.command import Secret
from opslib.compose import references
from opslib.deploy.bare.options import BareOptions
from opslib.deploy.options import DeployOptions
from opslib.deploy.sources import Git
from opslib.errors import BadSettings, OpsError
from opslib.run.step import Run
from opslib.settings.dotenv import EnvFile
from opslib.target.transfer import get, sha256

_VARIABLE = re.compile(r"\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)([^}]*)\})")


def choose(
    run: Run, chosen: Chosen, options: BareOptions, identities: Sequence[Secret] = ()
) -> tuple[DeployOptions, tuple[str, ...]]:
    """What a deploy is to be told, and which files of the project with passwords in them are nowhere to be found.
    `identities` read a set that is encrypted, and that has them all.

    Raises BadSettings where there are no files, OpsError where those of the set are damaged.
    """
    host, root = run.target.host, options.deploy.root.resolve()
    assert chosen.manifest is not None, "a whole set"
    named = replace(options.deploy, name=host.project or chosen.manifest.project)
    held = next(iter(chosen.manifest.of("project")), None)
    complete = bool(host.compose) and all((root / file).is_file() for file in host.compose)
    if options.files == "here" or (options.files is None and (complete or held is None)):
        return named, ()
    if held is None:
        raise BadSettings(
            f"the set {chosen.manifest.id} holds no files of the project: it was made of a stack that opslib had not "
            "deployed",
            host=host.name, left="everything", next="leave --files out, in a folder that has the project's files",
        )  # fmt: skip
    folder = options.scratch / "project"
    paths = unpack(_fetched(run, chosen, held, options.scratch), folder, identities)
    lacking = [file for file in host.compose if file not in paths]
    if lacking or not host.compose:
        was = ", ".join(held.facts.get("compose") or ())
        raise BadSettings(
            f"the set's project has no {', '.join(lacking)}" if lacking else "no compose file is named",
            host=host.name, left="everything", next=f"`compose: [{was}]` in the host file, as it was deployed",
        )  # fmt: skip
    env = host.env_file or held.facts.get("env_file") or ".env"
    theirs = _read(folder / env)
    if _copy(root, folder, env) and env in paths:
        run.note(f"the env file is {root / env}{_complete(folder / env, theirs)}")
    private = [str(path) for path in held.facts.get("left_out") or ()]
    missing = tuple(path for path in private if not _copy(root, folder, path))
    wanted = [path for path in references.compose_files(folder, host.compose).private if path in missing]
    if wanted:
        raise lacks(wanted, root, host.name)
    own = [path for path in paths if path != env]  # which is sent apart
    git = Git(held.facts.get("commit"), bool(held.facts.get("dirty")), (*own, *sorted({*private} - {*missing})))
    return replace(named, root=folder, git=git), missing


def lacks(paths: Iterable[str], root: Path, host: str) -> BadSettings:
    """The error for files with passwords in them that only a person can bring."""
    return BadSettings(
        f"the project needs {', '.join(paths)}, which hold passwords or keys: no set has them, and they are not here",
        host=host,
        left="everything",
        next=f"put them below {root}, mode 0600",
    )


def _fetched(run: Run, chosen: Chosen, held: Artifact, scratch: Path) -> Path:
    path = Path(chosen.folder) / held.file
    if not chosen.here:
        path = scratch / held.file
        get(chosen.origin or run.target, f"{chosen.folder}/{held.file}", path)
    if not path.is_file() or sha256(path) != held.sha256:
        raise OpsError(f"{chosen.folder}/{held.file} is not what the manifest says", host=run.host, left="everything",
                       next="leave --files out to take the files from here, or restore another set")  # fmt: skip
    return path


def unpack(archive: Path, folder: Path, identities: Sequence[Secret] = ()) -> list[str]:
    """Unpack the files and links of an archive below a folder, which is made; returns their paths. Raises OpsError
    for a path that leads elsewhere, and for one that cannot be decrypted."""
    found = []
    folder.mkdir(mode=0o700)
    with _opened(archive, identities) as file, tarfile.open(fileobj=file, mode="r:gz") as tar:
        for entry in tar:
            path = PurePosixPath(entry.name)
            into = folder / path
            if path.is_absolute() or ".." in path.parts or folder.resolve() not in into.resolve().parents:
                raise OpsError(
                    f"{archive.name} holds {entry.name!r}, which leads out of the project", left="everything"
                )
            into.parent.mkdir(parents=True, exist_ok=True)
            if entry.issym():
                os.symlink(entry.linkname, into)
            elif entry.isfile():
                source = tar.extractfile(entry)
                assert source is not None, "it is a file"
                with source, open(into, "wb") as file:
                    while block := source.read(1024 * 1024):
                        file.write(block)
                into.chmod(entry.mode & 0o777)
            else:
                continue
            found.append(str(path))
    return found


def _opened(archive: Path, identities: Sequence[Secret]) -> IO[bytes]:
    if archive.suffix != SUFFIX:
        return open(archive, "rb")
    from opslib.backup.sealed import opened

    try:
        return opened(archive, [one.reveal() for one in identities])
    except OSError as error:
        raise OpsError(f"{archive.name} cannot be decrypted: {error}", left="everything") from None


def _copy(root: Path, folder: Path, path: str) -> bool:
    """Take a file over from the folder here; False where it is not there."""
    source, into = root / path, folder / path
    if not source.is_file():
        return False
    into.parent.mkdir(parents=True, exist_ok=True)
    into.touch(mode=0o600)
    into.write_bytes(source.read_bytes())
    return True


def _read(path: Path) -> EnvFile | None:
    """An env file of the set; None for one that is only to be had whole."""
    try:
        return EnvFile.read(path, path.name)
    except BadSettings:
        return None


def _complete(path: Path, theirs: EnvFile | None) -> str:
    """Add the variables that the env file lacks and the set's has; what to say of it. Raises BadSettings."""
    missing = theirs.beside(EnvFile.read(path, path.name).values()) if theirs else {}
    if not missing:
        return ", not that of the set"
    with open(path, "a", encoding="utf-8") as file:
        file.write("\n" + "".join(missing.values()))
    return f"; from the set comes what it lacks: {', '.join(missing)}"


def needed(texts: Iterable[str]) -> list[str]:
    """The variables that compose files use and give no default for."""
    found = set()
    for text in texts:
        for plain, braced, rest in _VARIABLE.findall(text):
            if plain or (braced and not rest.lstrip(":").startswith(("-", "+"))):
                found.add(plain or braced)
    return sorted(found)
