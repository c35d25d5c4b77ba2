"""Pieces of an archive brought to a server one by one, resumed where the line broke, and loaded when all are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opslib.command import Command
from opslib.compose.script import docker_script
from opslib.images.pieces import Codec, Piece
from opslib.target.base import BLOCK
from opslib.target.transfer import Moved, talk

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target
    from opslib.target.process import Process

LIMIT = 6 * 3600.0  # seconds for one transfer: gigabytes over a slow line
NOT_WRITTEN, DAMAGED, NOT_LOADED, NOT_STARTED = 73, 74, 75, 76

# $1 the .opslib folder, $2 how pieces are compressed, $3 how many tags, the tags, then each piece's digest and length.
# It says how much of each is there, takes the rest, and lets the engine load them all. A container that cannot find its
# program (127) has its file system, and runs nothing of the image.
_LOAD = """set -o pipefail; umask 007; state=$1 codec=$2 tags=("${@:4:$3}"); shift "$((3 + $3))"; pieces=("$@")
mkdir -p -- "$state/ship" && cd -- "$state/ship" || exit 73
bytes() { [ -f "$1" ] && stat -c %s -- "$1" || echo 0; }
names=()
for ((i = 0; i < ${#pieces[@]}; i += 2)); do
  f=${pieces[i]} n=${pieces[i + 1]}; names+=("$f")
  have=$(bytes "$f"); ((have == n)) || { rm -f -- "$f"; have=$(bytes "$f.part"); }
  ((have <= n)) || { rm -f -- "$f.part"; have=0; }
  printf '%s\\n' "$have"
done
for ((i = 0; i < ${#pieces[@]}; i += 2)); do
  f=${pieces[i]} n=${pieces[i + 1]}; [ -f "$f" ] && continue
  head -c "$((n - $(bytes "$f.part")))" >>"$f.part" || exit 73
  [ "$(sha256sum <"$f.part")" = "$f  -" ] || { rm -f -- "$f.part"; echo "$f arrived damaged" >&2; exit 74; }
  mv -f -- "$f.part" "$f" || exit 73
done
if [ "$codec" = zst ]; then cat -- "${names[@]}" | zstd -q -d -c | docker image load --quiet
else cat -- "${names[@]}" | docker image load --quiet; fi || exit 75
for tag in "${tags[@]}"; do
  docker run --rm --pull never --network none --log-driver none --entrypoint /opslib-no-program "$tag" >/dev/null 2>said
  [ $? = 127 ] || { cat said >&2; exit 76; }
done
docker image inspect --format '{{.Id}}' -- "${tags[@]}" | cat - ../shipped 2>/dev/null | sort -u >known
comm -12 known <(docker image ls -q --no-trunc | sort -u) >../shipped; cd .. && rm -rf ship"""


def load_command(host: Host, state: str, tags: Sequence[str], pieces: Sequence[Piece], codec: Codec) -> Command:
    """Take pieces on standard input and load what they make together."""
    words = [word for piece in pieces for word in (piece.sha256, str(piece.size))]
    return docker_script(host, _LOAD, state, codec, str(len(tags)), *tags, *words, limit=LIMIT)


def load(target: Target, tags: Sequence[str], pieces: Sequence[Piece], codec: Codec, moved: Moved) -> int:
    """Send what is not there yet of the pieces, and load them; returns the bytes that went.

    `moved` is called with the bytes that are there. Raises CommandFailed with one of the codes above, HostLost,
    Cancelled, OSError.
    """
    went = 0

    def give(process: Process) -> None:
        nonlocal went
        there = _numbers(process, len(pieces))
        for piece, have in zip(pieces, there, strict=False):
            with piece.open() as file:
                file.seek(have)
                while block := file.read(BLOCK):
                    process.write(block)
                    went += len(block)
                    moved(sum(there) + went)

    talk(target, load_command(target.host, target.state, tags, pieces, codec), give)
    return went


def clear_command(host: Host, state: str) -> Command:
    """Remove what was staged."""
    return docker_script(host, 'rm -rf -- "$1/ship"', state)


def _numbers(process: Process, count: int) -> list[int]:
    """The first lines that the command prints; fewer where it ended before."""
    said = b""
    while said.count(b"\n") < count and (got := process.read()):
        said += got
    return [int(line) for line in said.split()]
