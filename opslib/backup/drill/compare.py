"""What a drill compares beside the counts: the fingerprint that was taken with a dump, and files byte by byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.backup.databases import DATABASES
from opslib.backup.manifest import Artifact, Fingerprint
from opslib.backup.restore.files import TreePart
from opslib.backup.restore.sqlite import SqlitePart
from opslib.backup.unpack import UNPACK
from opslib.errors import OpsError

if TYPE_CHECKING:
    from opslib.backup.restore.context import Context
    from opslib.backup.restore.parts import AnyPart

# $1 the folder, $2 the archive. Prints what differs, but for times: what was moved into a folder changed the folder's.
_TREE = f"""{UNPACK}set -u; cd -- "$1" || exit; t=$(mktemp); export LC_ALL=C
unpack "$2" | tar --compare --file=- --numeric-owner >"$t" 2>&1; st=("${{PIPESTATUS[@]}}")
[ "${{st[0]}}" = 0 ] && [ "${{st[1]}}" -le 1 ] || {{ tail -n 5 "$t" >&2; exit 1; }}
grep -aE ': (Contents|Size|Uid|Gid|Mode|Symlink|File type) differs?$|: Not linked to |: Warning: Cannot ' "$t" |
  head -n 100"""
# $1 the folder, $2 the artifact, $3 the file. Prints it when it is another.
_FILE = f"""{UNPACK}set -u; cd -- "$1" || exit
unpack "$2" | cmp -s - "./$3"; st=("${{PIPESTATUS[@]}}")
[ "${{st[1]}}" -ne 1 ] || {{ printf '%s: Contents differ\n' "$3"; exit 0; }}
[ "${{st[*]}}" = '0 0' ]"""


def compare(ctx: Context, artifact: Artifact, part: AnyPart) -> dict[str, Any]:
    """What of an artifact that was restored is the same as it was: how many tables by their `contents`, which
    `definitions`, whether every one of its `bytes`; and what was left out. Raises OpsError naming what is not the
    same."""
    found: dict[str, Any] = {"contents": 0, "definitions": [], "bytes": False, "left_out": []}
    if isinstance(part, TreePart | SqlitePart):
        return found | {"bytes": _same_bytes(ctx, part)}
    database, wanted = DATABASES[artifact.kind], artifact.fingerprint
    if wanted is None or database.again is None:
        return found
    seen = database.again(ctx.target, ctx.instance(artifact.service or ""), artifact, ctx.tools)
    if seen is None:
        return found | {"left_out": ["everything, as the server is of another version"]}
    _refuse(ctx, part, differences(wanted, seen))
    same = wanted.contents.keys() & seen.contents.keys()
    return found | {"contents": len(same), "definitions": sorted(wanted.definitions), "left_out": [*wanted.left_out]}


def differences(wanted: Fingerprint, seen: Fingerprint) -> list[str]:
    """What is not the same, in words; what could not be hashed a second time is not said to be other."""
    both = sorted(wanted.contents.keys() & seen.contents.keys())
    defined = wanted.definitions and seen.definitions
    what = sorted(wanted.definitions.keys() | seen.definitions.keys()) if defined else []
    return [
        *(f"{name}: other contents" for name in both if wanted.contents[name] != seen.contents[name]),
        *(f"{name}: other definitions" for name in what if wanted.definitions.get(name) != seen.definitions.get(name)),
    ]


def _same_bytes(ctx: Context, part: TreePart | SqlitePart) -> bool:
    """Whether the files were compared with the artifact: not without the tools image."""
    if not ctx.tools:
        return False
    text, words = (_TREE, []) if isinstance(part, TreePart) else (_FILE, [part.path])
    words = [ctx.set_path(part.folder, part.file), *words]
    said = ctx.answer(text, part.place, *words, set_folder=part.folder)
    _refuse(ctx, part, [line for line in said.split("\n") if line])
    return True


def _refuse(ctx: Context, part: AnyPart, wrong: list[str]) -> None:
    if wrong:
        more = f"\n    and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        raise OpsError(f"{part.title} is not what the set holds, though it is counted so:\n    "
                       + "\n    ".join(wrong[:8]) + more,
                       host=ctx.target.host.name, next="inv backup.verify, and drill another set")  # fmt: skip
