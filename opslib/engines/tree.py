"""Folders as tar archives, and counting them: scripts for the tools container's bash and GNU tar."""

from __future__ import annotations

from collections.abc import Sequence

# What tar's own list says of each entry, so that the counts are of the archive; a hard link's bytes are counted once.
_TALLY = """/^[-hC]/ { files++; if (/^-/) bytes += $3 } /^d/ { dirs++ } /^l/ { links++ }
END { printf "counts %.0f %.0f %.0f %.0f\\n", files, dirs, links, bytes }"""

# $1 the folder, then what to leave out, `--`, and what to pack. Prints the archive; counts go to descriptor 4.
# tar's 1 is "a file changed as we read it": said as a warning, it happens to every folder in use.
PACK = f"""set -u; cd -- "$1" || exit 1; shift; out=()
while [ "$1" != -- ]; do out+=(--exclude="$1"); shift; done; shift
exec 5> >(awk '{_TALLY}' >&4); tally=$!
tar --create --file=- --format=posix --sparse --xattrs --xattrs-include='*' --acls --selinux --numeric-owner \\
  --anchored --no-wildcards "${{out[@]}}" -vv --index-file=/dev/fd/5 -- "$@" 5>&5; code=$?
exec 5>&-; wait "$tally" || exit 3; [ "$code" -le 1 ]"""

# $1 the folder, then the paths. The same figures of what is there.
COUNT = """set -euo pipefail; cd -- "$1"; shift
find "$@" -printf '%y %D:%i %n %s\\n' | awk '$1 == "f" { files++; if ($3 < 2 || !seen[$2]++) bytes += $4 }
$1 == "d" { dirs++ } $1 == "l" { links++ } END { printf "counts %.0f %.0f %.0f %.0f\\n", files, dirs, links, bytes }'"""


def inside(path: str) -> str:
    """A relative path as it stands in an archive of `.`, whatever it begins with."""
    return path if path == "." or path.startswith("./") else f"./{path}"


def counts_from(lines: Sequence[str]) -> dict[str, int]:
    """The counts from the line of a pack or a count."""
    for line in lines:
        words = line.split()
        if words[:1] == ["counts"] and len(words) == 5:
            return dict(zip(("files", "dirs", "links", "bytes"), map(int, words[1:]), strict=True))
    raise ValueError("no counts")
