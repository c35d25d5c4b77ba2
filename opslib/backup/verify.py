"""Reading a backup set to its end: lengths and digests where it is kept, and each format by its own tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from opslib.backup.database import Reading
from opslib.backup.databases import DATABASES
from opslib.backup.keys import SUFFIX, Find, environment
from opslib.backup.manifest import Artifact
from opslib.backup.pack import DIGEST, LONG, script
from opslib.backup.sets import DAMAGED, SetInfo, find
from opslib.backup.unpack import printing
from opslib.command import Command, Secret, bash, command
from opslib.engines import sqlite
from opslib.errors import CommandFailed, OpsError, Unhealthy
from opslib.target.docker import mount, run_in

if TYPE_CHECKING:
    from opslib.engines.instance import Instance
    from opslib.run.step import Run
    from opslib.target.base import Target

Keys = Mapping[str, str | Secret]
Depth = Literal["manifest", "digest", "content"]

# $1 the folder, then FILE LENGTH DIGEST for each artifact. Prints a line for each: what is wrong, or ok.
_DIGESTS = f"""{DIGEST}cd -- "$1" || exit; shift
while [ $# -gt 0 ]; do
  if [ ! -f "$1" ]; then echo 'is missing'
  elif n=$(stat -c %s -- "$1"); [ "$n" != "$2" ]; then echo "has $n bytes, the manifest says $2"
  elif s=$(digest <"$1") && [ "${{s%% *}}" = "$3" ]; then echo ok
  else echo 'has another SHA-256 than the manifest says'; fi; shift 3
done"""

# $1 how many words the program has that prints what is in the file, then these, then the program that reads it.
_READ = 'set -o pipefail; n=$1; shift; "${@:1:n}" | "${@:n+1}"'


@dataclass(frozen=True, slots=True)
class Check:
    """One artifact: `wrong` is empty when it is as it was made; `content` says how its inside was read ("" when it was
    not, for lack of a tool)."""

    artifact: Artifact
    wrong: str = ""
    content: str = ""


def verify(
    run: Run, wanted: str = "latest", *, tools: str = "", identity: Find | None = None, depth: Depth = "content"
) -> None:
    """Verify a set and put what was found into the run's result. `tools` is the tools image, where there is an engine;
    `identity` finds who can read a set that is encrypted: without one its contents are not read. `depth`: whether its
    manifest can be read and its files are there, or also what is in them, or also what is in that.

    A set that fails is marked, so that it no longer counts when sets are pruned, and Unhealthy is raised; one that
    passes loses the mark.
    """
    one = find(run.target, wanted)
    run.result.update({"set": one.id, "folder": one.folder, "depth": depth})
    if one.manifest is None:
        raise Unhealthy(f"{one.folder} is no whole set: {one.wrong}", host=run.host, next="inv backup.list")
    if depth == "manifest":
        if not one.whole:
            raise Unhealthy(f"the set {one.id} is damaged: {one.wrong or one.damaged}", host=run.host, left="all of it",
                            next="inv backup.list shows the other sets; inv backup.all makes a new one")  # fmt: skip
        return
    keys: Keys = {}
    sealed = one.manifest.recipients
    if sealed and identity is not None:
        keys = environment([identity(sealed, f"set {one.id}")])
    checks = check(run.target, one, tools, keys, depth=depth)
    run.result["artifacts"] = [
        {"file": each.artifact.file, "ok": not each.wrong, "content": each.content, "why": each.wrong or None}
        for each in checks
    ]
    wrong = [f"{each.artifact.file}: {each.wrong}" for each in checks if each.wrong]
    if wrong or (depth == "content" and (keys or not sealed)):  # who has not read it all cannot say that it is well
        _mark(run.target, one, "\n".join(wrong))
    if sealed and not keys and depth == "content":
        run.result["depth"] = "digest"
        run.note("it is encrypted: digests were compared, contents not read; --identity FILE reads them", warning=True)
    if wrong:
        raise Unhealthy(
            f"the set {one.id} is damaged: " + "\n    ".join(wrong),
            host=run.host,
            left="every file of it",
            next="inv backup.list shows the other sets; inv backup.all makes a new one",
        )


def check(
    target: Target, one: SetInfo, tools: str = "", keys: Keys = MappingProxyType({}), *, depth: Depth = "content"
) -> list[Check]:
    """Check each artifact of a set that has a manifest: first all digests, then what is inside."""
    if one.manifest is None:
        return []
    artifacts = one.manifest.artifacts
    wrong = digests(target, one.folder, artifacts)
    inside = depth == "content"
    instances = _instances(target, one) if tools and inside else {}
    return [
        Check(artifact, wrong[artifact.file])
        if wrong[artifact.file] or not inside
        else _content(target, one.folder, artifact, tools, instances, keys)
        for artifact in artifacts
    ]


def digests(target: Target, folder: str, artifacts: Sequence[Artifact]) -> dict[str, str]:
    """By file, what is wrong with its length or digest ("": nothing)."""
    words = [word for one in artifacts for word in (one.file, str(one.bytes), one.sha256)]
    said = target.run(bash(_DIGESTS, folder, *words, limit=LONG)).lines
    return {one.file: "" if what == "ok" else what for one, what in zip(artifacts, said, strict=True)}


def _instances(target: Target, one: SetInfo) -> dict[str, Instance]:
    """The engines that run in the set's project, by service: their own tools read their dumps."""
    from opslib.compose.stack import look
    from opslib.engines.find import look_inside

    assert one.manifest is not None
    seen = look_inside(target, look(target, one.manifest.project))
    return {each.instance.service: each.instance for each in seen if each.instance is not None}


def _content(
    target: Target, folder: str, artifact: Artifact, tools: str, instances: dict[str, Instance], keys: Keys
) -> Check:
    if artifact.file.endswith(SUFFIX) and not keys:
        return Check(artifact)
    if not tools:
        reading = _reading_here(target, folder, artifact, keys)
    else:
        at = instances.get(artifact.service or "")
        at = at if at is not None and at.kind == artifact.kind else None
        reading = reading_of(target, folder, artifact, tools, at, keys)
    if reading is None:
        return Check(artifact)
    return Check(artifact, wrong_inside(target, artifact, reading), reading.how)


def wrong_inside(target: Target, artifact: Artifact, reading: Reading, *, counted: bool = True) -> str:
    """What is wrong with an artifact by its own format, or (`counted`) by what it holds ("": nothing)."""
    try:
        lines = target.run(reading.command).lines
    except CommandFailed as error:
        return f"{reading.how}: {(error.stderr or error.what).strip()}"
    if artifact.kind == "sqlite":
        integrity = sqlite.facts_from(lines).get("integrity", "")
        if integrity != "ok":
            return f"SQLite says: {integrity}"
    if counted and reading.counts is not None and reading.counts(lines) != artifact.counts:
        return "it does not hold what the manifest says"
    return ""


def reading_of(target: Target, folder: str, artifact: Artifact, tools: str, at: Instance | None, keys: Keys) -> Reading:
    """How the inside of an artifact is read with the tools image, and by the engine's own tools where it runs. `keys`
    is what decrypts it."""

    def read(program: Sequence[str], near: Sequence[str]) -> Command:
        options = ["--security-opt", "label=disable", "--env", "TINI_SUBREAPER=1", *near]
        printed = printing(artifact, f"/set/{artifact.file}")
        return run_in(
            target.host, tools, "bash", "-c", _READ, "opslib", str(len(printed)), *printed, *program,
            mounts=[mount("bind", folder, "/set", readonly=True)], options=options, env=keys, limit=LONG,
        )  # fmt: skip

    if artifact.kind in ("volume", "files", "project"):
        return Reading("tar", read(["bash", "-c", "tar -t >/dev/null"], []))
    if artifact.kind == "sqlite":
        return Reading("sqlite", read(script(sqlite.CHECK, sqlite.COUNT), []), sqlite.counts_from)
    own = DATABASES[artifact.kind].reading(target, at, artifact, read)
    return own or Reading("compression", read(["bash", "-c", "cat >/dev/null"], []))


def _reading_here(target: Target, folder: str, artifact: Artifact, keys: Keys) -> Reading | None:
    import sys
    from pathlib import Path

    from opslib.backup import embedded

    if not (target.host.is_local and artifact.file.endswith((".gz", ".gz.age"))):
        return None
    program = str(Path(embedded.__file__).resolve())
    words = ("check", artifact.kind, f"{folder}/{artifact.file}")
    counts = sqlite.counts_from if artifact.kind == "sqlite" else None
    return Reading("python", command(sys.executable, program, *words, env=keys, limit=LONG), counts)


def _mark(target: Target, one: SetInfo, wrong: str) -> None:
    text = 'if [ -n "$2" ]; then umask 027; printf "%s\\n" "$2" >"$1"; else rm -f -- "$1"; fi'
    try:
        target.run(bash(text, f"{one.folder}/{DAMAGED}", wrong))
    except OpsError as error:
        if wrong:
            raise Unhealthy(f"{wrong}\n    and it cannot be marked: {error.what}", host=target.host.name) from None
