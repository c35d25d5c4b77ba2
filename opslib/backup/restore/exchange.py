"""Swapping files by renames inside one file system, from any half-done state back to the old one.

Three folders beside the data tell how far a swap is, whoever looks later: `.opslib-new-ID` holds what is to come,
`.opslib-old-ID` what was there, and once the new folder is called `.opslib-in-ID` everything old has been moved out and
the new is being moved in. Either the whole folder is swapped or the paths named. An ID ends in `-RUN`: what other parts
of the same run have put into the folder stays where it is.
"""

from __future__ import annotations

# `like A B` gives folder B everything but the content of folder A.
_COMMON = """set -eu; shopt -s extglob; cd -- "$1"; id=$2; shift 2
old=.opslib-old-$id new=.opslib-new-$id in=.opslib-in-$id part=.opslib-part-$id
like() {
  if [ "$(id -u)" = 0 ] && tar --acls --xattrs --version >/dev/null 2>&1; then
    tar -C "$1" --no-recursion --acls --xattrs --xattrs-include='*' --numeric-owner -cf - . |
      tar -C "$2" --acls --xattrs --xattrs-include='*' --numeric-owner --same-owner -pxf -
  else chmod --reference="$1" -- "$2"; touch -r "$1" -- "$2"; fi
}
move() {
  local from=$1 to=$2 p; shift 2
  if (($#)); then
    for p in "$@"; do
      if [ -e "$from/$p" ] || [ -L "$from/$p" ]; then
        mkdir -p -- "$(dirname -- "$to/$p")"; mv -T -- "$from/$p" "$to/$p"
      fi
    done
  else find "$from" -mindepth 1 -maxdepth 1 ! -name ".opslib-*-${id##*-}" -exec mv -t "$to" -- {} +; fi
}
"""

# $1 the folder, $2 the id, then the paths (none: all that is in the folder)
SWAP = (
    _COMMON
    + """if [ ! -e "$in" ]; then
  [ -d "$new" ] || { echo "there is nothing to swap in" >&2; exit 1; }
  if [ ! -e "$old" ]; then rm -rf -- "$part"; mkdir -- "$part"; (($#)) || like . "$part"; mv -T -- "$part" "$old"; fi
  move . "$old" "$@"
  sync -f .; mv -T -- "$new" "$in"
fi
move "$in" . "$@"
(($#)) || like "$in" .
sync -f ."""
)

# The same words; prints "moved" when anything had been moved.
BACK = (
    _COMMON
    + """if [ -e "$in" ]; then move . "$in" "$@"; sync -f .; mv -T -- "$in" "$new"; fi
if [ -e "$old" ]; then
  echo moved
  move "$old" . "$@"
  (($#)) || like "$old" .
  find "$old" -depth -type d -empty -delete
  [ ! -e "$old" ] || { echo "something is left in $old" >&2; exit 1; }
fi
rm -rf -- "$part"; sync -f ."""
)

# $1 the folder, $2 the id: prints "moved" when anything has been moved.
MOVED = 'set -e; cd -- "$1"; if [ -e ".opslib-in-$2" ] || [ -e ".opslib-old-$2" ]; then echo moved; fi'

# What a load left beside the data, before or after BACK.
DISCARD = 'set -eu; cd -- "$1"; rm -rf -- ".opslib-new-$2"'

# After the commit: what was there before.
CLEAN = 'set -eu; cd -- "$1"; rm -rf -- ".opslib-old-$2" ".opslib-in-$2" ".opslib-new-$2"; sync -f .'
