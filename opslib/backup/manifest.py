"""The manifest of a backup set: written last, so that without it there is no set.

A set is a folder `<root>/<backup.directory>/<ID>/` of artifacts and `manifest.json`. An artifact's file name is made
of safe characters only; its suffix tells how it is compressed (`.zst`, or `.gz` where no Docker engine was at hand),
and then whether it is encrypted (`.age`).
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from opslib.errors import OpsError

FILE = "manifest.json"
VERSION = 2
UNSEALED = 1
"""The version of manifests that say nothing about their own text; they are read, too."""

Kind = Literal["postgres", "mysql", "mongo", "qdrant", "redis", "sqlite", "volume", "files", "project"]
KINDS: tuple[Kind, ...] = ("postgres", "mysql", "mongo", "qdrant", "redis", "sqlite", "volume", "files", "project")

_SAFE = re.compile(r"[A-Za-z0-9_-]")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.%~-]*\Z")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
_SEAL = re.compile(rb',\n  "digest": "([0-9a-f]{64})"\n}\n\Z')
_LONGEST = 80  # bytes of one part of a file name; what is longer is cut and told apart by a digest


class BadManifest(OpsError):
    """A manifest that cannot be read, is of an unknown version, or contradicts itself."""


class Engine(Struct, frozen=True, kw_only=True):
    """The Docker engine that the set was made with."""

    docker: str
    compose: str
    arch: str


def stem(file: str) -> str:
    """The name of an artifact's file without the endings that say how it is compressed, and whether it is encrypted."""
    return file.removesuffix(".age").removesuffix(".zst").removesuffix(".gz")


class Fingerprint(Struct, frozen=True, kw_only=True):
    """What a drill finds the same in what it has restored: hashes of the `contents` of tables, called as in the counts,
    and of `definitions`, by what they define. Without a hash are the tables in `left_out`, and columns as
    `table.column`. What makes them is the business of each kind; servers of other versions may make others."""

    contents: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


class Artifact(Struct, frozen=True, kw_only=True):
    """One file of a set.

    `bytes` is its length, `raw_bytes` that of what it holds uncompressed. `name` is the database, the volume's name in
    the compose file, the path. What `counts` and `facts` hold for each kind is said in `opslib.backup.source`.
    `fingerprint` where it was cheap to take, of the same state as the counts.
    `by_hand` are the commands that restore it without opslib, run in the set's folder.
    """

    file: str
    kind: Kind
    name: str
    service: str | None = None
    image: str | None = None
    container: str | None = None
    bytes: int
    raw_bytes: int
    sha256: str
    counts: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    fingerprint: Fingerprint | None = None
    by_hand: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """By this an artifact is known in every set."""
        return stem(self.file)

    @property
    def title(self) -> str:
        """How it is called in front of people: `postgres db/app`, `volume uploads`."""
        return f"{self.kind} {self.service + '/' if self.service else ''}{self.name}"


class Moment(Struct, frozen=True, kw_only=True):
    """The one moment that all artifacts of a set stand for: `at` (ISO 8601 in UTC), when the services that write,
    `stopped`, had stopped. They were so for `seconds`. `killed` are those that did not end by themselves: a file that
    they were writing may be half. `went_on` says who might have written meanwhile all the same."""

    at: str
    seconds: float
    stopped: tuple[str, ...] = ()
    killed: tuple[str, ...] = ()
    went_on: tuple[str, ...] = ()


class Manifest(Struct, frozen=True, kw_only=True):
    """What a set holds, where it comes from, and how it was made. `created` is ISO 8601 in UTC, `root` the project's
    folder there. `recipients` are the public keys of age that every artifact is encrypted to; none: in clear.
    `consistent` where the set was made for one point in time."""

    version: int = VERSION
    id: str
    created: str
    host: str
    project: str
    root: str | None = None
    by: str
    opslib: str
    engine: Engine | None = None
    release: str | None = None
    recipients: tuple[str, ...] = ()
    consistent: Moment | None = None
    seconds: float
    artifacts: tuple[Artifact, ...]

    def of(self, kind: Kind) -> tuple[Artifact, ...]:
        """The artifacts of one kind."""
        return tuple(artifact for artifact in self.artifacts if artifact.kind == kind)

    @property
    def bytes(self) -> int:
        """The length of all artifacts together."""
        return sum(artifact.bytes for artifact in self.artifacts)


class _Version(Struct):
    version: int


# Made while the module is loaded, by one thread: msgspec learns a type when it is first used, and two that do so at the
# same time end the process by SIGSEGV (seen with 0.22: several hosts, each with a manifest to read).
_VERSION_IN, _MANIFEST_IN = msgspec.json.Decoder(_Version), msgspec.json.Decoder(Manifest)


def encode(manifest: Manifest) -> bytes:
    """The manifest as the text of its file."""
    return seal(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def seal(text: bytes) -> bytes:
    """The text with its own SHA-256 as the last word, in the place of one that it has: every artifact has its digest in
    the manifest, and nobody else has the manifest's."""
    bare = _SEAL.sub(b"\n}\n", text)
    digest = hashlib.sha256(bare).hexdigest().encode()
    return bare.removesuffix(b"\n}\n") + b',\n  "digest": "' + digest + b'"\n}\n'


def decode(data: bytes, where: str) -> Manifest:
    """The manifest from the text of its file; `where` names it in errors.

    Raises BadManifest for a text that is no manifest, an unknown version, file names that lead elsewhere, and a text
    that is not as it was written.
    """
    try:
        version = _VERSION_IN.decode(data).version
        if version not in (VERSION, UNSEALED):
            raise BadManifest(
                f"{where} is of version {version}, this opslib reads versions up to {VERSION}",
                left="everything",
                next="use the opslib that made it, or a newer one: pip install --upgrade opslib",
            )
        manifest = _MANIFEST_IN.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadManifest(f"{where} cannot be read: {error}", left="everything", next="inv backup.list") from None
    wrong = _contradiction(manifest)
    if not wrong and (version != UNSEALED or _SEAL.search(data)) and seal(data) != data:
        wrong = "is not as it was written: its digest is another"
    if wrong:
        raise BadManifest(f"{where} {wrong}", left="everything", next="inv backup.list")
    return manifest


def _contradiction(manifest: Manifest) -> str:
    files = [artifact.file for artifact in manifest.artifacts]
    if not _ID.match(manifest.id):
        return f"has the id {manifest.id!r}, which is none"
    for artifact in manifest.artifacts:
        if not _FILE.match(artifact.file) or artifact.file == FILE:
            return f"names the file {artifact.file!r}, which is no artifact's"
        if not re.fullmatch(r"[0-9a-f]{64}", artifact.sha256) or artifact.bytes <= 0:
            return f"has no length or digest for {artifact.file}"
    return "names a file twice" if len(set(files)) != len(files) else ""


def file_name(*parts: str, suffix: str) -> str:
    """A safe file name of the parts, whatever is in them: `postgres.db.app.dump.zst`.

    Other characters than letters, digits, `-` and `_` are percent-encoded, so that different names stay different.
    """
    return ".".join(_safe(part) for part in parts) + suffix


def _safe(part: str) -> str:
    data = part.encode("utf-8", "surrogateescape")
    text = "".join(chr(byte) if _SAFE.match(chr(byte)) else f"%{byte:02X}" for byte in data) or "%"
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 17].rstrip('%')}~{hashlib.sha256(data).hexdigest()[:16]}"
