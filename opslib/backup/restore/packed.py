"""A whole set in one tar archive: its manifest is read where it lies, and the artifacts that are wanted are unpacked
beside it, proven, used as a set's, and removed at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.backup.manifest import FILE, decode
from opslib.backup.pack import LONG
from opslib.backup.restore.chosen import Chosen, Packed, choose
from opslib.backup.restore.context import Context, unpacked
from opslib.backup.restore.single import reading
from opslib.backup.unpack import UNPACK
from opslib.backup.verify import digests
from opslib.command import bash, pipe
from opslib.errors import OpsError
from opslib.target.docker import mount, run_in
from opslib.target.transfer import Moved, relay

if TYPE_CHECKING:
    from opslib.backup.restore.options import Options

# $1 the archive, then the names under which its manifest may be in it: the one that it has, and what it says
_MANIFEST = f"""{UNPACK}file=$1; shift; for name in "$@"; do
  if text=$(unpack "$file" | tar -xOf - --no-wildcards --occurrence=1 -- "$name" 2>/dev/null); then
    printf '%s\\n%s\\n' "$name" "$text"; exit
  fi
done; exit 1"""

# $1 how many parts of the names lead to the set, then the members; the archive unpacked on standard input
_UNPACK = """set -eu; cd /out; umask 077; deep=$1; shift
tar -xf - --no-same-owner --no-same-permissions --no-wildcards --strip-components="$deep" -- "$@"; cat >/dev/null
chown --reference=. -- *; sync -f ."""


def opened(ctx: Context, chosen: Chosen, options: Options) -> Chosen:
    """The set that the archive holds. Raises BadManifest where it cannot be read, BadSettings where it holds nothing of
    what is asked for."""
    assert chosen.seen is not None
    root = chosen.seen.root
    names = [f"{root}/{FILE}"] if root else [FILE, f"./{FILE}"]
    target, cmd = reading(ctx, chosen, _MANIFEST, *names)
    name, _, text = target.run(cmd).out.partition(b"\n")
    manifest = decode(text, f"{chosen.folder}/{chosen.single}: {FILE}")
    packed = Packed(chosen.single, name.decode("utf-8", "surrogateescape").removesuffix(FILE))
    return Chosen(chosen.folder, chosen.here, manifest, choose(manifest, options), packed=packed)


def unpack(ctx: Context, chosen: Chosen, folder: str, moved: Moved) -> None:
    """Unpack the chosen artifacts into a folder of the host that is there and empty. Raises OpsError where one is
    missing or not what the manifest says."""
    assert chosen.packed is not None
    prefix = chosen.packed.prefix
    words = ("bash", "-c", _UNPACK, "opslib", str(prefix.count("/")), *(prefix + one.file for one in chosen.artifacts))
    into = run_in(ctx.target.host, ctx.tools, *words, mounts=[mount("bind", folder, "/out")],
                  options=["-i", "--security-opt", "label=disable"], limit=LONG)  # fmt: skip
    if chosen.here and ctx.here is not None:
        raw = bash(f'{UNPACK}unpack "$1"', f"{chosen.folder}/{chosen.packed.file}", limit=LONG)
        relay(ctx.here, raw, ctx.target, into, moved)
    else:
        ctx.target.run(pipe(unpacked(ctx, chosen.folder, chosen.packed.file), into))
    for file, why in digests(ctx.target, folder, chosen.artifacts).items():
        if why:
            raise OpsError(f"{chosen.folder}/{chosen.packed.file}: {file} {why}", host=ctx.target.host.name,
                           left="everything", next="restore another set: inv backup.list shows them")  # fmt: skip
