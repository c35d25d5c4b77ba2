"""The live release once more, with other variables: the same images and files, so that nothing else changes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from opslib.compose.project import parse_project
from opslib.compose.stack import look
from opslib.deploy import changes, keep
from opslib.deploy.env import EnvKeys, digest
from opslib.deploy.files import FileChanges, mounts_of
from opslib.deploy.look_env import Env
from opslib.deploy.options import in_place
from opslib.deploy.pins import Images
from opslib.deploy.render import FILES, Config, from_text, pinned, to_text
from opslib.deploy.resolve import in_a_release
from opslib.deploy.seen import Seen
from opslib.deploy.strategies import hold
from opslib.errors import BadSettings, OpsError
from opslib.images.info import images_of
from opslib.images.tools import tools_tag
from opslib.run.record import holder, now
from opslib.run.step import Run, Step
from opslib.state import releases
from opslib.state.releases import Release
from opslib.target.transfer import put_bytes, read_file

Memo = dict[str, Any]


def survey(run: Run, root: Path, content: bytes, here: bytes | None, keys: EnvKeys) -> Seen:
    """What differs from the live release where `content` is its env file. `here` is the one on this machine then,
    `keys` what changes. Nothing is changed.

    Raises BadSettings where nothing is live, or it is a stack of a Swarm, and for variables that Compose refuses;
    OpsError where an image is gone.
    """
    target, began = run.target, time.monotonic()
    everything = releases.read(target)
    last = _restartable(run, releases.current(everything))
    old = from_text(read_file(target, releases.stack_file(target, last.id)) or b"{}")
    name = target.host.env_file or ".env"
    config = _with_variables(run, last, old, name, content)
    project, stack = parse_project(config, root=target.root), look(target, last.project)
    if run.plan:
        stack = hold.without_kept(target, stack)
    tags = [pin.tag for pin in last.images.values()]
    there = images_of(target, [tools_tag(), *tags])
    if gone := sorted({tag for tag in tags if tag not in there}):
        raise OpsError(f"the image {', '.join(gone)} of the live release is gone", host=run.host, left="everything",
                       next=f"inv deploy --host {run.host}")  # fmt: skip
    seen = Seen(
        root, in_place(target, root), began, last.project, [one for one in everything if one.project == last.project],
        last, old, None, [], last.private, {}, mounts_of(project), FileChanges(),
        Env(name, None, digest(content), digest(here), keys), config, project, stack, there, {},
        Images({pin.tag: pin for pin in last.images.values()}, {}, ()), [], False,
    )  # fmt: skip
    seen.reconsider(run.id)
    seen.changes = changes.Changes(seen.recreate, env=keys)
    return seen


def record_step(seen: Seen, content: bytes, rotated: tuple[str, ...] = ()) -> Step[Memo]:
    """Write the folder of a release that is the live one with other variables, still pending. `rotated`:
    those of them that were renewed, so that no rollback brings the old ones back."""

    def look(run: Run) -> Memo | None:
        return {"release": run.id}

    def do(run: Run, memo: Memo) -> None:
        target, last, env = run.target, seen.last, seen.env
        assert last is not None, "looked at"
        keep.copy_folder(target, last.id, run.id)
        put_bytes(target, content, f"{releases.folder(target, run.id)}/env")
        put_bytes(target, to_text(seen.pinned(run.id)), releases.stack_file(target, run.id))
        keys = env.keys or EnvKeys()
        releases.write(target, msgspec.structs.replace(
            last, id=run.id, at=now(), by=holder("").split(":")[0], outcome="pending", adopted=False,
            strategy=seen.strategy, rollback_of=None, restored=None, env_file=env.name, env=env.there,
            env_here=env.here, variables=(*keys.added, *keys.changed, *keys.removed), rotated=rotated, migration=None,
            backup=None, seconds=0.0, gap=0.0,
        ))  # fmt: skip

    return Step("record", look, do, keep.failed, show=lambda memo: f"release {memo['release']}")


def _restartable(run: Run, last: Release | None) -> Release:
    if last is None:
        raise BadSettings("no release is live, so nothing can be restarted with other variables", host=run.host,
                          left="everything", next=f"inv deploy --host {run.host}")  # fmt: skip
    if last.strategy == releases.SWARM:
        raise BadSettings("services of a Swarm get their variables with a deploy alone", host=run.host,
                          left="everything", next=f"inv deploy --host {run.host}")  # fmt: skip
    return last


def _with_variables(run: Run, last: Release, old: Config, env: str, content: bytes) -> Config:
    """The release's own compose files as Compose reads them with this env file, its images pinned as they are."""
    config = in_a_release(run.target, last, run.target.host.compose, env, content, run.id)
    services = {name: one for name, one in config["services"].items() if name in last.images}
    before = old.get("services", {})
    digests = {name: (one.get("labels") or {}).get(FILES, "") for name, one in before.items()}
    tags = {name: last.images[name].tag for name in services}
    return pinned({**config, "services": services}, tags, digests, _moved(run, before, services))


def _moved(run: Run, before: Mapping[str, Any], services: Mapping[str, Any]) -> dict[str, str]:
    """What a release that came back in the project's own folder mounts from a release's folder: source -> that."""
    found = {}
    for name, service in services.items():
        was = {mount["target"]: str(mount.get("source", "")) for mount in before.get(name, {}).get("volumes") or []}
        for mount in service.get("volumes") or []:
            source = was.get(mount["target"], "")
            if mount.get("type") == "bind" and source.startswith(f"{run.target.state}/releases/"):
                found[str(mount["source"])] = source
    return found
