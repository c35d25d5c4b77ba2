"""Volumes and files of the project's folder: unpacked beside the live ones, counted, and swapped by renames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from opslib.backup import chosen
from opslib.backup.restore import exchange
from opslib.backup.restore.context import Context, Place
from opslib.backup.restore.part import Part, differing
from opslib.backup.unpack import UNPACK
from opslib.command import Command, bash
from opslib.engines import sqlite, tree
from opslib.errors import CommandFailed, OpsError
from opslib.settings import globs
from opslib.target.docker import docker

if TYPE_CHECKING:
    from opslib.backup.restore.chosen import Picked

# $1 the folder, $2 the id, $3 the archive, $4 how many folders around its files to leave out
LOAD = f"""{UNPACK}set -euo pipefail; cd -- "$1"; new=.opslib-new-$2; rm -rf -- "$new"; mkdir -- "$new"
unpack "$3" | tar -C "$new" -xpf - --numeric-owner --same-owner --acls --xattrs --xattrs-include='*' \\
  --strip-components="${{4:-0}}"
sync -f ."""

# $1 the folder, $2 the id, then what the archive leaves out because it is an artifact of its own: it stays what it
# is, by hard links (nobody writes before the commit).
KEEP = """set -euo pipefail; cd -- "$1"; new=.opslib-new-$2; shift 2
for p in "$@"; do
  if [ -e "./$p" ] && [ ! -e "$new/$p" ]; then mkdir -p -- "$(dirname -- "$new/$p")"; cp -al -- "./$p" "$new/$p"; fi
done"""


# $1 the folder, $2 the id, $3 what was left out and $4 what was chosen as regular expressions, then what is exchanged:
# everything else that is live in it stays what it is, in the same way.
KEEP_OTHERS = """export LC_ALL=C; set -euo pipefail; cd -- "$1"; new=./.opslib-new-$2; other=()
[ -z "$3" ] || other=(-regex "$3"); [ -z "$4" ] || other+=(${3:+-o} ! -regex "$4"); shift 4; there=()
for p in "$@"; do if [ -e "$p" ] || [ -L "$p" ]; then there+=("$p"); fi; done; ((${#there[@]})) || exit 0
t=$(mktemp -d); trap 'rm -rf -- "$t"' EXIT
find "${there[@]}" -ignore_readdir_race -regextype posix-extended -path './.opslib-*' -prune -o \\( "${other[@]}" \\) \
  -fprintf "$t/above" '%h\\0' \\( -type d -fprint0 "$t/dirs" -o -fprint0 "$t/rest" \\)
{ cat "$t/dirs"; sort -zu "$t/above" | while IFS= read -r -d '' p; do
    while [[ $p == */* ]]; do printf '%s\\0' "$p"; p=${p%/*}; done; done; } | sort -zu |
  while IFS= read -r -d '' p; do [ -d "$new/$p" ] || printf '%s\\0' "$p"; done >"$t/make"
like=(--numeric-owner); if [ "$(id -u)" = 0 ] && tar --acls --xattrs --version >/dev/null 2>&1; then
  like+=(--acls --xattrs --xattrs-include='*'); fi
tar --no-recursion --null --files-from="$t/make" "${like[@]}" -cf - |
  tar -C "$new" "${like[@]}" --no-overwrite-dir -xpf -
xargs -0r cp -dl --parents -t "$new" -- <"$t/rest" """

# $1 the folder, $2 the id, $3 the archive, then names: $4 folders that are taken without what is in them, $5 files that
# hard links need and that go again, and the paths that are wanted
LOAD_ONLY = f"""{UNPACK}set -euo pipefail; cd -- "$1"; new=.opslib-new-$2; rm -rf -- "$new"; mkdir -- "$new"
archive=$3; above=("${{@:6:$4}}"); linked=("${{@:6+$4:$5}}"); shift $((5 + $4 + $5))
unpack "$archive" | tar -C "$new" -xpf - --numeric-owner --same-owner --acls --xattrs --xattrs-include='*' \
  --no-recursion "${{above[@]}}" "${{linked[@]}}" --recursion "$@"
cd -- "$new"; for p in "${{linked[@]}}"; do p=${{p#./}}; rm -- "$p"
  case $p in */*) rmdir -p --ignore-fail-on-non-empty -- "${{p%/*}}" ;; esac
done
sync -f ."""

# $1 the folder, then paths. For each what has to be moved so that it is there: itself, or the first folder on the way
# to it that is missing. Fails where something that is no folder is in the way.
_WAY = """cd -- "$1" || exit; shift; for p in "$@"; do way=; rest=$p
while :; do case $rest in */*) ;; *) way=$p; break ;; esac
  way=${way:+$way/}${rest%%/*}; rest=${rest#*/}
  if [ -L "$way" ] || { [ -e "$way" ] && [ ! -d "$way" ]; }; then echo "$way is no folder now" >&2; exit 1; fi
  [ -e "$way" ] || break
done; printf '%s\\0' "$way"; done"""


class TreePart(Part, frozen=True, kw_only=True, tag="tree"):
    """A volume whole, or `paths` below a folder. `without` is what the archive leaves out, `exclude` are patterns of
    what it does; where there are `globs`, patterns, it holds only what they match. `create` are the labels of a volume
    (or folder) that is not there yet, `strip` how many folders the archive has around its files.

    Of `only` some paths, `above` are the folders of the archive on the way to them, `linked` the files that their hard
    links need, `moved` is what is exchanged for them and `there` counts what is there of them now."""

    place: Place
    paths: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    create: dict[str, str] | None = None
    driver: str = "local"
    strip: int = 0
    above: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    there: dict[str, Any] | None = None

    @property
    def replaced(self) -> dict[str, Any] | None:
        return self.there if self.only else self.before

    def load(self, ctx: Context) -> None:
        if self.create is not None:
            self._create(ctx, self.create)
        ctx.target.run(self._load_command(ctx))
        if self.counts is not None:
            seen = count(ctx, self.place, self.only or self.paths, below=f".opslib-new-{self.id}")
            if seen != self.counts:
                raise differing(self.title, self.counts, seen, ctx.target.host.name)
        if self.exclude or self.globs:
            patterns = globs.regex(self.exclude), globs.regex(self.globs)
            paths = [tree.inside(path) for path in (self.only or self.paths)] or ["."]
            ctx.target.run(ctx.script(KEEP_OTHERS, self.place, self.id, *patterns, *paths))
        around = [
            one for one in self.without if not self.only or one.startswith(tuple(f"{each}/" for each in self.only))
        ]
        kept = [f"{path}{end}" for path in around for end in ("", *sqlite.BESIDE)]
        if kept:
            ctx.target.run(ctx.script(KEEP, self.place, self.id, *kept))

    def _create(self, ctx: Context, labels: dict[str, str]) -> None:
        if self.place.kind == "folder":
            ctx.target.run(bash('mkdir -p -- "$1"', self.place.source))
            return
        words = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
        ctx.target.run(docker(ctx.target.host, "volume", "create", "--driver", self.driver, *words, self.place.source))

    def _load_command(self, ctx: Context) -> Command:
        archive = ctx.set_path(self.folder, self.file)
        if self.only:
            words = [tree.inside(path) for path in (*self.above, *self.linked, *self.only)]
            numbers = (str(len(self.above)), str(len(self.linked)))
            if not ctx.tools:
                return ctx.embedded("unpack", self.place, self.id, archive, *numbers, *words)
            return ctx.script(LOAD_ONLY, self.place, self.id, archive, *numbers, *words, set_folder=self.folder)
        if not ctx.tools:
            return ctx.embedded("unpack", self.place, self.id, archive)
        return ctx.script(LOAD, self.place, self.id, archive, str(self.strip), set_folder=self.folder)

    def unload(self, ctx: Context) -> None:
        if self.create is not None and self.place.kind == "volume":
            ctx.target.run(docker(ctx.target.host, "volume", "rm", "--force", self.place.source))
        elif self.create is None or not _missing(ctx, self.place.source):
            ctx.target.run(ctx.script(exchange.DISCARD, self.place, self.id))
            if self.create is not None:
                ctx.target.run(bash('rmdir --ignore-fail-on-non-empty -- "$1"', self.place.source))

    def swap(self, ctx: Context) -> None:
        ctx.target.run(ctx.script(exchange.SWAP, self.place, self.id, *(self.moved or self.paths)))

    def back(self, ctx: Context) -> None:
        if self.create is not None and self.place.kind == "folder" and _missing(ctx, self.place.source):
            return
        moved = ctx.answer(exchange.BACK, self.place, self.id, *(self.moved or self.paths))
        if self.before is not None and moved:
            ctx.target.run(ctx.script(exchange.DISCARD, self.place, self.id))
            seen = count(ctx, self.place, self.paths)
            if seen != self.before:
                raise OpsError(
                    f"the old {self.title} is back and holds {seen}, not {self.before}", host=ctx.target.host.name
                )

    def holds(self, ctx: Context) -> dict[str, Any] | None:
        return dict(count(ctx, self.place, self.paths))

    def clean(self, ctx: Context) -> None:
        ctx.target.run(ctx.script(exchange.CLEAN, self.place, self.id))


def picked(ctx: Context, part: TreePart, found: Sequence[Picked], *, elsewhere: bool) -> TreePart:
    """The same part for some paths of it; `elsewhere`: it will go to a new place. Raises OpsError where something is in
    their way."""
    only = tuple(one.path for one in found)
    inner = [one for one in only if any(one.startswith(f"{other}/") for other in only)]
    only = tuple(one for one in only if one not in inner)
    counts = [one.counts for one in found if one.path in only]
    there, moved = None, tuple(dict.fromkeys(one.partition("/")[0] for one in only))
    if part.create is None and not elsewhere:
        there = dict(count(ctx, part.place, only))
        moved = tuple(dict.fromkeys(_ways(ctx, part.place, only)))
    return replace(
        part, only=only, moved=moved, needs=sum(one["bytes"] for one in counts),
        counts={name: sum(one[name] for one in counts) for name in counts[0]},
        above=tuple(dict.fromkeys(way for one in found if one.path in only for way in one.above)),
        linked=tuple(sorted({link for one in found if one.path in only for link in one.linked})),
        there=there if there and any(there.values()) else None,
    )  # fmt: skip


def _ways(ctx: Context, place: Place, paths: Sequence[str]) -> list[str]:
    try:
        return [way for way in ctx.answer(_WAY, place, *paths).split("\0") if way]
    except CommandFailed as error:
        raise OpsError(f"what is to be put back has no place: {error.stderr.strip()}",
                       host=ctx.target.host.name, left="everything",
                       next="move it away first, or restore --into another place") from None  # fmt: skip


def _missing(ctx: Context, folder: str) -> bool:
    return bool(ctx.target.run(bash('[ -e "$1" ] || echo missing', folder)).text)


def used(ctx: Context, place: Place, paths: Sequence[str] = ()) -> int:
    """Bytes of the disk that the place (or the paths in it that are there) takes: a file with holes takes less."""
    words = present(ctx, place, paths) if paths else ["."]
    return int(ctx.answer(_USED, place, *words).strip() or 0) if words else 0


def more(ctx: Context, place: Place, paths: Sequence[str], patterns: Sequence[str],
         exclude: Sequence[str]) -> list[str]:  # fmt: skip
    """What else is exchanged: paths in the folder that patterns without a folder before them match now, and did not
    when the archive was made."""
    anywhere = [one for one in patterns if globs.start(one) == "."]
    if not anywhere:
        return []
    left_out = globs.regex([*exclude, *(one for one in chosen.own(ctx.target.host) if not globs.is_glob(one))])
    found = chosen.roots(ctx.target, ctx.tools, place.source, left_out, anywhere)
    known = [f"{path}/" for path in paths]
    names = dict.fromkeys(name for some in found for name in some)
    return [name for name in names if not any(path.startswith(f"{name}/") for path in known)]


# $1 the folder, then paths
_USED = 'cd -- "$1"; shift; du -csB1 -- "$@" | tail -n 1 | cut -f1'

# $1 the folder, then paths: those that are there, for what cannot be counted is not there
_PRESENT = 'cd -- "$1"; shift; for p in "$@"; do { [ -e "$p" ] || [ -L "$p" ]; } && printf "%s\\0" "$p"; done; true'


def count(ctx: Context, place: Place, paths: Sequence[str] = (), *, below: str = "") -> dict[str, int]:
    """Files, folders, links and bytes of the place (or of the paths in it that are there)."""
    where = Place(kind=place.kind, source=place.source, sub="/".join(part for part in (place.sub, below) if part))
    words = [tree.inside(path) for path in paths] or ["."]
    if paths:
        words = present(ctx, where, words)
        if not words:
            return {"files": 0, "dirs": 0, "links": 0, "bytes": 0}
    counting = ctx.script(tree.COUNT, where, *words) if ctx.tools else ctx.embedded("count", where, *words)
    return tree.counts_from(ctx.target.run(counting).lines)


def present(ctx: Context, place: Place, paths: Sequence[str]) -> list[str]:
    """Those of the paths that are there."""
    words = [tree.inside(path) for path in paths]
    return [path for path in ctx.answer(_PRESENT, place, *words).split("\0") if path]
