"""The project's own files as they were deployed: what a new machine needs beside the data.

They come as `.tar.gz`, which every machine can unpack. Left out are the env file, whatever else the release knows to
hold passwords, and files by whose names passwords and private keys go; their names are in the facts. A set that is
encrypted has them all.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from opslib.backup.byhand import decompress, joined
from opslib.backup.manifest import Artifact, Kind, file_name
from opslib.backup.pack import DIGEST, LONG, SEAL, pack
from opslib.command import bash, quote
from opslib.errors import OpsError
from opslib.settings.dotenv import read_env_file
from opslib.state import releases
from opslib.state.sums import parse_sums
from opslib.target.docker import mount, run_in
from opslib.target.transfer import read_file, stream_out

if TYPE_CHECKING:
    from opslib.backup.source import Stage
    from opslib.state.releases import Release
    from opslib.target.base import Target

_EXAMPLE = re.compile(r"[._-](example|sample|template|dist)\Z", re.IGNORECASE)
_PRIVATE = re.compile(
    r"\.env(\..*)?\Z|.+\.(env|key|pem|p12|pfx|jks|keystore|kdbx)\Z|id_(rsa|dsa|ecdsa|ed25519)\Z|\.(htpasswd|netrc|pgpass)\Z",
    re.IGNORECASE,
)

# $1 the folder; paths on stdin, each ended by NUL. Prints the length and the path of those that are there.
_SIZES = """cd -- "$1" && xargs -0 -r stat --printf='%s %n\\0' -- 2>/dev/null; true"""

# $1 the file, $2 bytes that must stay free; paths on stdin, each ended by NUL.
_PACK = f"""{DIGEST}{SEAL}set -euo pipefail; export LC_ALL=C; umask 027; cd /stage; t=$(mktemp)
free=$(df -PB1 . | awk 'NR == 2 {{ print $4 }}'); room=$(( (free - $2) / 1024 ))
[ "$room" -gt 0 ] || {{ echo "only $free bytes are free, and $2 must stay free" >&2; exit 1; }}
ulimit -f "$room"; [ ! -e "$1" ] || {{ echo "two artifacts are called $1" >&2; exit 1; }}
tar -C /src --null --no-recursion --verbatim-files-from --owner=0 --group=0 --numeric-owner -T - -cf - | gzip -n >"$t"
if ((${{#to[@]}})); then age "${{to[@]}}" <"$t" >"$1"; else cat "$t" >"$1"; fi; sealed "$1"
chown --reference=. -- "$1"; chmod 0440 -- "$1"
raw=$(gzip -dc "$t" | wc -c); sum=$(digest <"$1")
printf 'packed %s %s %s\\n' "$(stat -c %s -- "$1")" "$raw" "${{sum%% *}}" """


def private(path: str, known: Iterable[str] = ()) -> bool:
    """Whether a file is left out of a set: one of the `known`, or one by whose name passwords go."""
    name = posixpath.basename(path)
    return path in known or (_PRIVATE.match(name) is not None and _EXAMPLE.search(name) is None)


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """The files (path -> bytes) of a release below `root`. `left_out` has what the release has beside them, `variables`
    the names in its env file."""

    kind: ClassVar[Kind] = "project"
    root: str
    release: Release
    compose: tuple[str, ...]
    files: dict[str, int] = field(repr=False)
    left_out: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"project {self.release.project}"

    @property
    def stem(self) -> str:
        return file_name("project", self.release.project, suffix=".tar")

    @property
    def size(self) -> int:
        """What the files take uncompressed."""
        return sum(self.files.values())

    def take(self, stage: Stage) -> list[Artifact]:
        """Pack them."""
        file = f"{self.stem}.gz"
        feed = b"".join(b"./" + os.fsencode(path) + b"\0" for path in sorted(self.files))
        mounts = [mount("bind", stage.folder, "/stage"), mount("bind", self.root, "/src", readonly=True)]
        cmd = run_in(
            stage.target.host, stage.tools, "bash", "-c", _PACK, "opslib", stage.named(file), str(stage.reserve),
            mounts=mounts, options=["--security-opt", "label=disable"], env=stage.keys, feed=feed, limit=LONG,
        )  # fmt: skip
        packed = pack(stage, self.title, file, cmd)
        one = self.release
        facts: dict[str, Any] = {
            "release": one.id, "commit": one.commit, "dirty": one.dirty, "compose": list(self.compose),
            "env_file": one.env_file, "variables": list(self.variables), "left_out": list(self.left_out),
        }  # fmt: skip
        counts = {"files": len(self.files), "dirs": 0, "links": 0, "bytes": self.size}
        return [Artifact(
            file=file, kind=self.kind, name=one.project, bytes=packed.bytes, raw_bytes=packed.raw_bytes,
            sha256=packed.sha256, counts=counts, facts=facts,
            by_hand=(f"mkdir -p -- {quote(self.root)}",
                     joined(decompress(stage, file, "gzip"), f"tar -xf - -C {quote(self.root)}")),
        )]  # fmt: skip


def find(target: Target, release: Release | None, *, sealed: bool = False) -> list[ProjectFiles]:
    """The project's files as the release that runs wrote them and as they are there now; none where opslib has
    deployed nothing. `sealed`: the set is encrypted, so that what holds passwords may be in it."""
    if release is None:
        return []
    text = read_file(target, f"{releases.folder(target, release.id)}/files.sha256") or b""
    paths = list(parse_sums(os.fsdecode(text)))
    known = {*release.private, release.env_file or ""}
    held = [] if sealed else [path for path in paths if private(path, known)]
    out = tuple(sorted(path for path in held if path != release.env_file))
    own = [release.env_file] if sealed and release.env_file else []
    there = _sizes(target, dict.fromkeys([*(path for path in paths if path not in held), *own]))
    if not there:
        return []
    names = _variables(target, release.env_file) if release.env_file else ()
    return [ProjectFiles(target.root, release, target.host.compose, there, out, names)]


def _sizes(target: Target, paths: Iterable[str]) -> dict[str, int]:
    out = bytearray()
    feed = b"".join(b"./" + os.fsencode(path) + b"\0" for path in paths)
    stream_out(target, bash(_SIZES, target.root, feed=feed), out.extend)
    entries = (entry.split(b" ./", 1) for entry in bytes(out).split(b"\0") if entry)
    return {os.fsdecode(path): int(size) for size, path in entries}


def _variables(target: Target, env_file: str) -> tuple[str, ...]:
    """The names alone; none where the file cannot be read as one."""
    text = read_file(target, f"{target.root}/{env_file}")
    try:
        return tuple(read_env_file((text or b"").decode("utf-8", "replace")))
    except OpsError:
        return ()
