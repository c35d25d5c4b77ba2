"""`inv rollback` as the list of its steps: an earlier release's files, variables and images, health-gated, recorded as
a release of its own. Migrations are named and not undone; data stay as they are."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from opslib.command import bash
from opslib.compose.project import Project, parse_project
from opslib.compose.stack import Container, Stack, look
from opslib.deploy import changes, keep, place, switch
from opslib.deploy.env import difference, refused
from opslib.deploy.files import FileChanges, decide, mounts_of, parse_sums
from opslib.deploy.files_step import put_back, show, staging
from opslib.deploy.options import RollbackOptions, in_place
from opslib.deploy.place import there
from opslib.deploy.render import Config, from_text, moved, pinned, to_text
from opslib.deploy.resolve import in_its_folder
from opslib.deploy.sources import Source
from opslib.errors import BadSettings, OpsError
from opslib.images.info import images_of
from opslib.images.tools import tools_tag
from opslib.run import watchdog
from opslib.run.fleet import holder
from opslib.run.record import now
from opslib.run.step import AnyStep, Run, Step
from opslib.state import releases
from opslib.state.releases import Release
from opslib.target.base import Target
from opslib.target.transfer import put_bytes, read_file

Memo = dict[str, Any]

# $1 the old release's folder, $2 the staging folder: its files, as if they had been sent.
_STAGE = """set -eu; umask 007; mkdir -p -- "${2%/*}"; umask 077; rm -rf -- "$2"; mkdir -p -- "$2/new"
cd -- "$1/compose"; mapfile -d '' -t files; for f in "${files[@]}"; do cp -a --parents -- "./$f" "$2/new/"; done
[ -z "$3" ] || { mkdir -p -- "$(dirname -- "$2/new/$3")"; install -m 600 -- "$1/env" "$2/new/$3"; files+=("$3"); }
: >"$2/remove"; : >"$2/write"; for f in "${files[@]}"; do printf '%s\\0' "$f" >>"$2/write"; done; sync"""


@dataclass(slots=True)
class Back:
    """What a rollback knows: the release that runs, the one to bring back, and what differs between them."""

    began: float
    current: Release
    old: Release
    stack: Config
    project: Project
    seen: Stack
    files: FileChanges
    written: dict[str, str]
    tree: list[str]
    env_write: bool
    env_there: str | None
    recreate: dict[str, list[str]]
    orphans: list[Container]
    tools: str | None
    in_place: bool
    gap: float = field(default=0.0)


def steps(run: Run, options: RollbackOptions) -> list[AnyStep]:
    """What brings the release `options.to` (None: the good one before the current) back on the run's host."""
    back = survey(run, options)
    run.result.update(project=back.current.project, release=back.current.id, to=back.old.id)
    if not (back.recreate or back.files or back.env_write or back.orphans):
        run.note(f"release {back.current.id} is the same as {back.old.id}: nothing to do")
        return []
    _name_migrations(run, back)
    wanted = run.target.host.deploy.backup_first and options.backup is not None
    return [
        *(options.backup(run) if wanted and options.backup is not None else []),
        _files(back),
        _record(back),
        _up(back),
        _seal(back),
        _prune(back),
    ]


def survey(run: Run, options: RollbackOptions) -> Back:
    """Look at both releases and at what runs, and refuse what cannot go well. Nothing is changed.

    Raises BadSettings (no such release), OpsError (an image is gone, the env file was changed there).
    """
    began, target, host = time.monotonic(), run.target, run.host
    everything = releases.read(target)
    newest = releases.current(everything)
    if newest is None:
        raise BadSettings("no release is there to go back from", host=host, next="inv deploy")
    known = [one for one in everything if one.project == newest.project]
    old = releases.find(known, options.to, host) if options.to else releases.previous(known, host)
    if old.id == newest.id:
        raise BadSettings(f"release {old.id} is the one that runs", host=host, next="inv releases")
    folder, local = releases.folder(target, old.id), in_place(target, options.root)
    stack = from_text(read_file(target, f"{folder}/stack.yml") or b"{}")
    refs = [*(pin.tag for pin in old.images.values()), tools_tag()]
    images = images_of(target, refs)
    gone = sorted({pin.tag for pin in old.images.values() if pin.tag not in images})
    if gone:
        raise OpsError(f"release {old.id} cannot come back: its image {', '.join(gone)} is gone", host=host,
                       left="everything", next="inv releases, and choose another with --to")  # fmt: skip
    last_stack = from_text(read_file(target, releases.stack_file(target, newest.id)) or b"{}")
    recorded = _sums(target, newest.id)
    files, written, tree = _files_back(target, folder, recorded, parse_project(stack, root=target.root), local)
    env_write, env_there, reread = _env_back(run, old, newest, options, local)
    if reread:  # the server's variables stay, so the old files are read with them
        stack = _reread(target, old, stack, local)
    if local:
        stack = moved(stack, _copies(target, folder, stack, options))
    project = parse_project(stack, root=target.root)
    seen = look(target, newest.project)
    recreate = changes.to_recreate(project, seen, stack, last_stack, newest, ())
    return Back(
        began, newest, old, stack, project, seen, files, written, tree, env_write, env_there, recreate,
        changes.orphans(project, seen.containers), tools_tag() if tools_tag() in images else None, local,
    )  # fmt: skip


def _sums(target: Target, release: str) -> dict[str, str]:
    text = read_file(target, f"{releases.folder(target, release)}/files.sha256")
    return parse_sums((text or b"").decode(errors="surrogateescape"))


def _files_back(
    target: Target, folder: str, recorded: dict[str, str], project: Project, local: bool
) -> tuple[FileChanges, dict[str, str], list[str]]:
    """The files of the old release's folder that differ from what is there (data are left alone), all files that are
    the release's afterwards, and those that its folder keeps."""
    kept = parse_sums((read_file(target, f"{folder}/files.sha256") or b"").decode(errors="surrogateescape"))
    present = there(target, f"{folder}/compose", kept)
    wanted = {path: Source(one.sha256, 0o755 if one.executable else 0o644, 0) for path, one in present.items()}
    if local:
        return FileChanges(), {**recorded, **{path: one.sha256 for path, one in wanted.items()}}, []
    seen = there(target, target.root, {*wanted, *recorded})
    subset = {path: digest for path, digest in recorded.items() if path in wanted}
    files = decide(wanted, subset, seen, mounts_of(project).write)
    after = {**recorded, **{path: one.sha256 for path, one in wanted.items() if path not in files.kept}}
    return files, after, [path for path in wanted if path not in files.kept]


def _env_back(
    run: Run, old: Release, newest: Release, options: RollbackOptions, local: bool
) -> tuple[bool, str | None, bool]:
    """Whether the old env file is written, the digest of the one there afterwards, and whether the old stack has to
    be read with other variables than its own. Raises OpsError where the server's was changed since."""
    target, name = run.target, old.env_file or newest.env_file
    if name is None or local:
        return False, old.env, False
    found = there(target, target.root, [name]).get(name)
    digest = found.sha256 if found else None
    if digest == old.env or old.env is None:
        return False, digest, False
    if options.env == "there":
        return False, digest, True
    if options.env is None and digest is not None and digest != newest.env:
        theirs = read_file(target, f"{target.root}/{name}")
        ours = read_file(target, f"{releases.folder(target, old.id)}/env")
        raise refused(name, theirs, ours, released=True, host=run.host, task="rollback")
    if digest is not None:
        keys = difference(read_file(target, f"{target.root}/{name}"),
                          read_file(target, f"{releases.folder(target, old.id)}/env"))  # fmt: skip
        run.note(f"the env file goes back too ({keys})")
    return True, old.env, False


def _reread(target: Target, old: Release, stack: Config, local: bool) -> Config:
    """The old release's compose files with the server's own variables, its images pinned as they were."""
    folder = releases.folder(target, old.id)
    named = [file for file in target.host.compose if read_file(target, f"{folder}/compose/{file}") is not None]
    files = tuple(f"{folder}/compose/{file}" for file in named)
    if not files or local:
        raise OpsError(
            f"release {old.id} has no compose files of its own to read with the server's variables",
            host=target.host.name, left="everything", next="inv rollback --env here puts its own variables back",
        )  # fmt: skip
    config = in_its_folder(target, old.project, files, old.env_file)
    services = {name: one for name, one in config["services"].items() if name in old.images}
    digests = {name: (one.get("labels") or {}).get("opslib.files", "") for name, one in stack["services"].items()}
    return pinned({**config, "services": services}, {name: old.images[name].tag for name in services}, digests)


def _copies(target: Target, folder: str, stack: Config, options: RollbackOptions) -> dict[str, str]:
    """In place nobody writes over the project's files: what the services mount comes from the release's folder where
    it differs."""
    from opslib.deploy.files import below, relative

    kept = parse_sums((read_file(target, f"{folder}/files.sha256") or b"").decode(errors="surrogateescape"))
    present = there(target, target.root, kept)
    found: dict[str, str] = {}
    for service in stack.get("services", {}).values():
        for mount in service.get("volumes") or []:
            path = relative(str(mount.get("source", "")), target.root) if mount.get("type") == "bind" else None
            if not path or (not mount.get("read_only") and path not in kept):
                continue
            old = {one: digest for one, digest in kept.items() if below(one, [path])}
            if any(one not in present or present[one].sha256 != digest for one, digest in old.items()):
                found[f"{target.root}/{path}"] = f"{folder}/compose/{path}"
    return found


def _name_migrations(run: Run, back: Back) -> None:
    if back.current.revision != back.old.revision:
        run.note(
            f"the schema stays at {back.current.revision or 'an unknown revision'}; release {back.old.id} was made "
            f"with {back.old.revision or 'an unknown one'}: migrations are not undone",
            warning=True,
        )


# -- the steps


def _files(back: Back) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        if not back.files and not back.env_write:
            return None
        env = back.old.env_file if back.env_write else None
        return {"stage": staging(run), "write": len(back.files.write), "remove": 0, "env": env}

    def do(run: Run, memo: Memo) -> str:
        feed = b"".join(path.encode(errors="surrogateescape") + b"\0" for path in back.files.write)
        folder = releases.folder(run.target, back.old.id)
        run.target.run(bash(_STAGE, folder, memo["stage"], memo["env"] or "", feed=feed, limit=600))
        place.apply(run.target, memo["stage"])
        return show(memo)

    return Step("files", look, do, put_back, show=show)


def _record(back: Back) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        return {"release": run.id}

    def do(run: Run, memo: Memo) -> None:
        target, old = run.target, back.old
        if back.in_place:
            _copy_folder(target, old.id, run.id)
        else:
            keep.folder(target, run.id, back.written, back.tree, old.env_file)
            keep.replaced(target, run.id, staging(run), (*back.files.edited, *back.files.replaced))
        put_bytes(target, to_text(back.stack), releases.stack_file(target, run.id))
        releases.write(target, msgspec.structs.replace(
            old, id=run.id, at=now(), by=holder("").split(":")[0], outcome="pending", adopted=False,
            in_place=back.in_place, rollback_of=back.current.id, restored=old.restored or old.id, env=back.env_there,
            env_here=back.current.env_here, migration=None, revision=back.current.revision, seconds=0.0, gap=0.0,
        ))  # fmt: skip

    return Step("record", look, do, keep.failed, show=lambda memo: f"as release {memo['release']}")


def _copy_folder(target: Target, old: str, new: str) -> None:
    releases.make_folder(target, new)
    script = 'cd -- "$1" && cp -a -- compose files.sha256 "$2/" && { [ ! -e env ] || cp -a -- env "$2/"; }'
    target.run(bash(script, releases.folder(target, old), releases.folder(target, new)))


def _up(back: Back) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        if not back.recreate and not back.orphans:
            return None
        stage = staging(run) if back.files or back.env_write else None
        before = switch.memo(back.current.project, run.id, back.current.id, stage, None)
        return {**before, "services": list(back.recreate), "why": back.recreate,
                "remove": sorted({one.service for one in back.orphans})}  # fmt: skip

    def do(run: Run, memo: Memo) -> str:
        began = time.monotonic()
        project = switch.released(run.target, memo["project"], run.id)
        switch.forward(run, project, memo["services"], back.orphans, before=memo, tools=back.tools)
        switch.healthy(run.target, project)
        watchdog.disarm(run.target, run.id)
        back.gap = time.monotonic() - began
        return ", ".join(memo["services"])

    def show_up(memo: Memo) -> str:
        words = [f"recreate {name} ({'; '.join(why)})" for name, why in memo["why"].items()]
        return ", ".join(words + [f"remove {name}" for name in memo["remove"]])

    return Step("up", look, do, switch.back, show=show_up)


def _seal(back: Back) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        return {"release": run.id}

    def do(run: Run, memo: Memo) -> str:
        hashes = switch.verified(run.target, switch.released(run.target, back.current.project, run.id))
        pending = keep.read_one(run.target, run.id)
        assert pending is not None, "recorded by an earlier step"
        seconds = round(time.monotonic() - back.began, 1)
        releases.write(run.target, msgspec.structs.replace(
            pending, outcome="good", hashes=hashes, seconds=seconds, gap=round(back.gap, 1)
        ))  # fmt: skip
        run.result.update(release=run.id, previous=back.current.id, gap_seconds=round(back.gap, 1))
        return f"release {run.id}, as {back.old.id} was"

    return Step("seal", look, do, show=lambda memo: f"release {memo['release']} is live, as {back.old.id} was")


def _prune(back: Back) -> Step[Memo]:
    def look(run: Run) -> Memo | None:
        return {"project": back.current.project, "keep": run.target.host.deploy.keep_releases}

    return Step("prune", look, keep.prune, final=True, show=lambda memo: f"releases beyond {memo['keep']}")
