"""One look at a file or folder: a bash script that gathers the facts, and its report read back.

The report is ASCII, one fact a line. What is packed is looked at unpacked, as the bytes say and not as the name does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

HEAD = 4096
"""Bytes of the beginning and of the end that are shown."""
NAMES = 200
"""Names of a folder or a tar archive that are listed."""

# $1 the file or folder. Needs bash, GNU coreutils and tar, gzip, zstd for what is packed with it. Opens nothing but
# regular files, so that a FIFO does not hold it up; changes nothing; says everything on stdout and exits 0.
LOOK = r"""export LC_ALL=C
f=$1 packed= looked=0
case $f in /*) ;; *) f=./$f ;; esac
hex() { od -An -v -tx1 | tr -d ' \n'; }
magic() {
  case $1 in
    1f8b*) echo gzip ;; 28b52ffd*) echo zstd ;; fd377a585a00*) echo xz ;; 425a68[3][1-9]*) echo bzip2 ;;
  esac
}
unpack() { case $packed in gzip) gzip -dcq ;; zstd) zstd -dcq ;; *) cat ;; esac; } <"$f" 2>/dev/null
# an unpacker that was not let finish says nothing of the file
ended() { [ "$1" = 0 ] || [ "$1" = 141 ] || printf 'damaged %s %s\n' "${packed:-file}" "$1"; }
inner() { printf 'inner %s ' "$(printf %s "$1" | hex)"; head -c HEAD_BYTES | hex; echo; }
named() {
  case $1 in *[!a-zA-Z0-9._/~%+:@-]*) printf 'hexed %s\n' "$(printf %s "$1" | hex)" ;; *) echo "name $1" ;; esac
}
wanted() { # names that may tell what the whole is, where they do; each may cost a way through the archive
  case /${1#./} in
    /*/*/*/*/*) return 1 ;;
    */toc.dat | */prelude.json | */prelude.json.gz) ;;
    /manifest.json | /config.json) ;;
    /*/*/*) return 1 ;;
    */manifest.json) ;;
    *) return 1 ;;
  esac
  [ $((looked += 1)) -le 20 ]
}

folder() {
  echo kind folder; [ -r "$f" ] && [ -x "$f" ] || { echo unreadable; exit 0; }
  shopt -s dotglob nullglob
  local level=("${f%/}"/*) next=() e s left=MOST_NAMES depth
  echo "entries ${#level[@]}"
  for depth in 1 2 3; do
    next=()
    for e in "${level[@]}"; do
      [ $((left -= 1)) -ge 0 ] || { echo more; break 2; }
      s=; [ -d "$e" ] && [ ! -L "$e" ] && { s=/; [ $depth = 3 ] || next+=("$e"/*); }
      named "${e#"${f%/}"/}$s"
      [ "$s" ] || ! wanted "${e#"${f%/}"/}" || [ ! -f "$e" ] || [ ! -r "$e" ] || inner "${e#"${f%/}"/}" <"$e"
    done
    level=("${next[@]}")
  done
  # more than are listed hide what tells: it is asked for by name
  for e in manifest.json toc.dat; do
    [ "$left" -ge 0 ] || [ ! -f "$f/$e" ] || [ ! -r "$f/$e" ] || inner "$e" <"$f/$e"
  done
  exit 0
}

tarred() ( # tar on what is unpacked; what is not packed it can skip through
  set -o pipefail
  if [ "$packed" ]; then unpack | tar -f - "$@"; else tar --force-local -f "$f" "$@"; fi 2>/dev/null
)
content() { tarred -PxO --occurrence=1 --no-wildcards -- "$1" | inner "$1"; }

archive() { # its names; of those that tell what it is also the first bytes
  local names name raw= st n=0
  names=$(tarred -Pt --quoting-style=escape | head -n $((MOST_NAMES + 1)); echo "${PIPESTATUS[0]}")
  st=${names##*$'\n'} names=${names%"$st"}
  while IFS= read -r name; do
    [ -n "$name" ] || continue
    if [ $((n += 1)) -gt MOST_NAMES ]; then # many tables: what tells may come later
      case ${raw##*/} in [0-9]*.dat*) content "${raw%"${raw##*/}"}toc.dat" ;; esac
      echo more; return
    fi
    printf -v raw %b "$name."; raw=${raw%.}
    named "$raw"; ! wanted "$raw" || content "$raw"
  done <<<"$names"
  echo "entries $n"; [ "$st" = 0 ] || [ "$st" = 141 ] || echo "damaged tar $st"
}

if [ -d "$f" ]; then folder
elif [ -p "$f" ]; then echo kind FIFO; exit 0
elif [ -S "$f" ]; then echo kind socket; exit 0
elif [ -b "$f" ] || [ -c "$f" ]; then echo kind device; exit 0
elif [ ! -e "$f" ]; then echo kind missing; exit 0
fi
echo kind file; printf 'size %s\n' "$(stat -Lc %s -- "$f")"
[ -r "$f" ] || { echo unreadable; exit 0; }
first=$(head -c 8 <"$f" | hex); packed=$(magic "$first")
[ -z "$packed" ] || echo "packed $packed"
case $packed in xz | bzip2) echo "head $first"; exit 0 ;; esac
if [ "$packed" ] && ! command -v "$packed" >/dev/null; then echo "lacks $packed"; exit 0; fi
head=$(unpack | head -c HEAD_BYTES | hex; echo " ${PIPESTATUS[0]}")
st=${head##* } head=${head% *}
printf 'head %s\n' "$head"
[ ${#head} = $((2 * HEAD_BYTES)) ] || ended "$st"
if [ "${head:514:10}" = 7573746172 ]; then archive; exit 0; fi
nul=$(printf %s "$head" | fold -w 2 | grep -cx 00)
case $head in 5245444953* | 56414c4b4559*) nul=0 ;; esac # RDB
if [ -z "$packed" ]; then printf 'tail %s\n' "$(tail -c HEAD_BYTES <"$f" | hex)"
elif [ "$nul" = 0 ]; then # text and RDB have a mark at their end: worth reading through
  tail=$(unpack | tail -c HEAD_BYTES | hex; echo " ${PIPESTATUS[0]}")
  printf 'tail %s\n' "${tail% *}"; ended "${tail##* }"
fi
exit 0
""".replace("HEAD_BYTES", str(HEAD)).replace("MOST_NAMES", str(NAMES))


@dataclass(frozen=True, slots=True)
class Report:
    """What was seen. `kind` is file, folder, missing, or what else it is; `size` bytes as it lies there; `packed` the
    layer that was unpacked for `head` and `tail`; `damaged` the layers that did not unpack to their end; `names` those
    of a folder (folders end in `/`, three levels deep) or a tar archive, all of them unless `more`; `inner` the first
    bytes of those of them that tell what the whole is."""

    kind: str = "missing"
    size: int = 0
    packed: str = ""
    lacks: str = ""
    unreadable: bool = False
    head: bytes = b""
    tail: bytes = b""
    damaged: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    more: bool = False
    entries: int | None = None
    inner: dict[str, bytes] = field(default_factory=dict)

    @property
    def is_tar(self) -> bool:
        """Whether a file is a tar archive, unpacked."""
        return self.kind == "file" and self.head[257:262] == b"ustar"


_HEX = re.compile(r"(?:[0-9a-f]{2})*\Z")


def read_report(text: str) -> Report:
    """The report of LOOK. Lines that it does not know are passed over."""
    seen: dict[str, str] = {}
    damaged: list[str] = []
    names: list[str] = []
    inner: dict[str, bytes] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "name":
            names.append(rest)
        elif word == "hexed":
            names.append(_name(rest))
        elif word == "inner":
            name, _, data = rest.partition(" ")
            inner.setdefault(_name(name), _bytes(data))
        elif word == "damaged":
            damaged.append(rest.split(" ")[0])
        else:
            seen.setdefault(word, rest)
    return Report(
        kind=seen.get("kind", "missing"), size=_number(seen.get("size")) or 0, packed=seen.get("packed", ""),
        lacks=seen.get("lacks", ""), unreadable="unreadable" in seen, head=_bytes(seen.get("head", "")),
        tail=_bytes(seen.get("tail", "")), damaged=tuple(dict.fromkeys(damaged)), names=tuple(names),
        more="more" in seen, entries=_number(seen.get("entries")), inner=inner,
    )  # fmt: skip


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text) if _HEX.match(text) else b""


def _name(text: str) -> str:
    return _bytes(text).decode("utf-8", "surrogateescape")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else None
