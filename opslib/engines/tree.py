"""Folders as tar archives, and counting them: scripts for the tools container's bash and GNU tar."""

from __future__ import annotations

from collections.abc import Sequence

# What tar's own list says of each entry, so that the counts are of the archive; a hard link's bytes are counted once.
_TALLY = """/^[-hC]/ { files++; if (/^-/) bytes += $3 } /^d/ { dirs++ } /^l/ { links++ }
END { printf "counts %.0f %.0f %.0f %.0f\\n", files, dirs, links, bytes }"""

# Names of what is packed, from the regular expressions of `opslib.settings.globs`, "" for none: without what `exclude`
# matches, only what `chosen` does, with the folders that lead to it from where it begins.
_NAMES = """names() {
  local not=(); [ -z "$exclude" ] || not=(-regex "$exclude" -prune -o)
  not=(-ignore_readdir_race -regextype posix-extended "${not[@]}")
  if [ -z "$chosen" ]; then find "$@" "${not[@]}" -print0; return; fi
  find "$@" "${not[@]}" -regex "$chosen" -fprint0 "$t/names" -fprintf "$t/above" '%h\\0' || return
  { cat "$t/names"; sort -zu "$t/above" | leading "$@"; } | sort -zu
}
leading() {
  local p r
  while IFS= read -r -d '' p; do for r in "$@"; do
    case $p in "$r" | "$r"/*) ;; *) continue ;; esac
    while printf '%s\\0' "$p"; [ "$p" != "$r" ]; do p=${p%/*}; done; break
  done; done
}
"""

# What happens to every folder in use is a warning; that a name of the list is gone by now is an error to tar.
_GONE = "Cannot [a-z]*: No such file or directory"
_USUAL = f"{_GONE}|Exiting with failure status .*|socket ignored|file changed as we read it|" \
         "File removed before we read it|File shrank by .*; padding with zeros"  # fmt: skip

# $1 the folder, $2 what to leave out and $3 what is chosen, as regular expressions, then paths to leave out, `--`, and
# what to pack. Prints the archive; counts go to descriptor 4. tar's 1 is "a file changed as we read it".
PACK = f"""{_NAMES}set -u; cd -- "$1" || exit 1; exclude=$2 chosen=$3; shift 3; out=()
while [ "$1" != -- ]; do out+=(--exclude="$1"); shift; done; shift
t=$(mktemp -d); exec 5> >(awk '{_TALLY}' >&4); tally=$!
pack() {{ tar --create --file=- --format=posix --sparse --xattrs --xattrs-include='*' --acls --selinux \\
  --numeric-owner --anchored --no-wildcards "${{out[@]}}" -vv --index-file=/dev/fd/5 "$@" 5>&5; }}
if [ -z "$exclude$chosen" ]; then pack -- "$@"; code=$?
else
  names "$@" | pack --no-recursion --null --files-from=- 2>"$t/said"; codes=("${{PIPESTATUS[@]}}"); code=${{codes[1]}}
  if [ "${{codes[0]}}" = 0 ] && [ "$code" = 2 ] && ! grep -aqvE ': ({_USUAL})$' "$t/said"; then code=1
    sed -i -e '/: Exiting with failure/d' -e 's/: {_GONE}$/: File removed before we read it/' "$t/said"
  fi
  cat "$t/said" >&2; [ "${{codes[0]}}" = 0 ] || code=3
fi
exec 5>&-; wait "$tally" || exit 3; [ "$code" -le 1 ]"""

# $1 the folder, $2 what to leave out, then for each pattern where it begins ("." for anywhere) and its regular
# expression. Prints `pattern` for each, and `root NAME` for what has matches below it or is one; the name in base64.
ROOTS = """export LC_ALL=C; set -u; shopt -s nullglob dotglob; cd -- "$1" || exit 1
not=(); [ -z "$2" ] || not=(-regex "$2" -prune -o); shift 2
while [ $# -gt 0 ]; do
  echo pattern; if [ "$1" = . ]; then at=(./*); else at=("./$1"); fi
  for p in "${at[@]}"; do
    [ -e "$p" ] || [ -L "$p" ] || continue
    [ -z "$(find "$p" -ignore_readdir_race -regextype posix-extended "${not[@]}" -regex "$2" -printf x -quit)" ] ||
      printf 'root %s\\n' "$(printf %s "${p#./}" | base64 -w0)"
  done; shift 2
done; echo end"""

# $1 the folder, then the paths. The same figures of what is there. tar takes a second name of a symbolic link as a hard
# link, which is counted as a file.
COUNT = """set -euo pipefail; cd -- "$1"; shift
find "$@" -printf '%y %D:%i %n %s\\n' | awk '$1 == "f" { files++; if ($3 < 2 || !seen[$2]++) bytes += $4 }
$1 == "d" { dirs++ } $1 == "l" { if ($3 > 1 && seen[$2]++) files++; else links++ }
END { printf "counts %.0f %.0f %.0f %.0f\\n", files, dirs, links, bytes }'"""


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
