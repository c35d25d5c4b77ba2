"""A stack that somebody started by hand becomes release 0, so that there is something to go back to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from opslib.compose.project import absolute, parse_project
from opslib.compose.stack import LABEL, Container, Stack
from opslib.compose.wanted import resolved
from opslib.deploy import keep
from opslib.deploy.files import mounts_of, relative
from opslib.deploy.place import there
from opslib.deploy.render import pinned, tag_for, to_text
from opslib.errors import BadSettings, OpsError
from opslib.images.build import tag_command
from opslib.run.record import now
from opslib.run.step import Run
from opslib.state import releases
from opslib.state.releases import ADOPTED, Pin, Release
from opslib.target.transfer import put_bytes


def adopt(run: Run, stack: Stack, *, replaced: Iterable[str], private: Sequence[str], in_place: bool) -> str:
    """Record what runs as release 0: its images under tags of their own, its compose files and what they mount, its
    env file as it is there. `replaced` are files that this deploy is about to write over, `private` those that
    it knows to hold passwords.

    Raises OpsError where the files that started it are gone or no longer read: nothing could bring it back.
    """
    target = run.target
    containers = [one for one in stack.containers if not one.one_off]
    lead = next((one for one in containers if one.running), containers[0])
    folder = lead.working_dir or target.root
    files = [one for one in lead.labels.get(f"{LABEL}project.config_files", "").split(",") if one]
    env_file = lead.labels.get(f"{LABEL}project.environment_file") or None
    try:
        config, hashes = resolved(target, stack.project, files, env_file, root=folder)
    except BadSettings as error:
        raise OpsError(
            f"the stack {stack.project} runs, and the files that started it cannot be read: {error.what}",
            host=run.host,
            left="everything",
            next=f"put them back, or stop it (docker compose -p {stack.project} down; volumes stay) and deploy again",
        ) from None
    pins = _pins(config, containers)
    config["services"] = {name: one for name, one in config["services"].items() if name in pins}
    target.run(tag_command(target.host, {pin.id: pin.tag for pin in pins.values()}))
    project = parse_project(config, root=target.root, files=files, env_file=env_file)
    paths = {relative(file, target.root) for file in files} | set(replaced)
    paths |= set(mounts_of(project).read)
    present = there(target, target.root, sorted(path for path in paths if path))
    digests = {path: one.sha256 for path, one in present.items() if one.sha256}
    env = relative(absolute(folder, env_file or ".env"), target.root) or ".env"
    keep.folder(target, ADOPTED, digests, digests, env)
    seen_env = there(target, target.root, [env]).get(env)
    secret = (relative(one.source, target.root) for each in project.services.values() for one in each.mounts
              if one.type == "secret")  # fmt: skip
    stack_text = to_text(pinned(config, {name: pin.tag for name, pin in pins.items()}, {}))
    put_bytes(target, stack_text, releases.stack_file(target, ADOPTED))
    release = Release(
        id=ADOPTED, at=now(), by="by hand", project=stack.project, outcome="good", adopted=True, in_place=in_place,
        images=pins, hashes={one.service: one.config_hash for one in containers},
        private=tuple(sorted({*private, *(path for path in secret if path)})),
        env_file=env if seen_env else None, env=seen_env.sha256 if seen_env else None,
    )  # fmt: skip
    releases.write(target, release)
    drifted = sorted({one.service for one in containers if hashes.get(one.service) not in (None, one.config_hash)})
    if drifted:
        run.note(
            f"the compose files have changed since {', '.join(drifted)} were started by hand: release 0 is what the "
            "files say now, with the images that run",
            warning=True,
        )
    return f"{len(pins)} services are release 0"


def _pins(config: dict[str, Any], containers: list[Container]) -> dict[str, Pin]:
    """The image that each service's container runs, under release 0's tag."""
    pins: dict[str, Pin] = {}
    by_image: dict[str, Pin] = {}
    for container in containers:
        if container.service not in config["services"] or container.service in pins:
            continue
        pin = by_image.get(container.image_id)
        if pin is None:
            name = container.image if not container.image.startswith("sha256:") else f"{container.service}:adopted"
            tag = tag_for(name, ADOPTED, {one.tag for one in by_image.values()})
            pin = by_image[container.image_id] = Pin(name, container.image_id, tag)
        pins[container.service] = pin
    return pins
