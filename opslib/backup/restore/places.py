"""Where data lie on this machine: behind a container's folder, in which volume, below which folder."""

from __future__ import annotations

from opslib.backup.manifest import Artifact
from opslib.backup.restore.chosen import Chosen
from opslib.backup.restore.context import Context, Place
from opslib.command import bash
from opslib.compose.stack import LABEL, Container
from opslib.engines import versions
from opslib.engines.instance import Instance
from opslib.errors import OpsError
from opslib.target.docker import docker

PROJECT = f"{LABEL}project"


def mounted(ctx: Context, container: Container, folder: str) -> Place:
    """The volume or folder of the machine behind a folder of a container."""
    found: Place | None = None
    best = -1
    for one in container.mounts:
        inside = one.destination.rstrip("/")
        if (folder == inside or folder.startswith(f"{inside}/")) and len(inside) > best:
            sub = folder[len(inside) :].strip("/")
            volume = one.type == "volume"
            found = Place(kind="volume" if volume else "folder", source=one.name if volume else one.source, sub=sub)
            best = len(inside)
    if found is None:
        raise OpsError(
            f"the data of service {container.service} ({folder}) are on no volume: they would go with the container",
            host=ctx.target.host.name,
            left="everything",
            next=f"mount a volume at {folder} in the compose file, and deploy",
        )
    return found


def volume_name(ctx: Context, artifact: Artifact) -> tuple[str, dict[str, str] | None]:
    """The volume that an artifact belongs to: the project's own of that key, else the one of the recorded name; and
    the labels to make it with where there is none."""
    stack, facts = ctx.stack(), artifact.facts
    labels = {str(name): str(value) for name, value in (facts.get("labels") or {}).items()}
    key, recorded = str(facts.get("key") or ""), str(facts["volume"])
    if key and recorded == f"{labels.get(PROJECT)}_{key}":  # of another project: ours is called by ours
        recorded, labels = f"{ctx.project}_{key}", {**labels, PROJECT: ctx.project}
    own = [one.name for one in stack.volumes if key and one.key == key and one.project == ctx.project]
    name = own[0] if own else recorded
    seen = stack.volume(name)
    if seen is None:
        return name, labels
    ours = {one.id for one in stack.containers}
    others = [one for one in seen.mounted_by if one not in ours]
    if others and _running(ctx, others):
        raise OpsError(
            f"volume {name} is in use by a container outside the project: {_running(ctx, others)[0]}",
            host=ctx.target.host.name,
            left="everything",
            next="stop that container first",
        )
    return name, None


def _running(ctx: Context, ids: list[str]) -> list[str]:
    cmd = docker(ctx.target.host, "ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}")
    pairs = [line.split(" ", 1) for line in ctx.target.run(cmd).lines]
    return [name for ident, name in pairs if ident in ids]


def folder(ctx: Context, chosen: Chosen, recorded: str) -> str:
    """A folder of the set on this machine: the same one, the one at the same place in the project's folder, or, for a
    set of another host, the project's where neither is there."""
    moved = relocated(chosen, recorded, ctx.target.root)
    if moved != recorded and is_folder(ctx, moved):
        return moved
    if is_folder(ctx, recorded):
        return recorded
    if chosen.manifest is not None and chosen.manifest.host != ctx.target.host.name:
        return ctx.target.root
    raise OpsError(
        f"the folder {recorded} is not there", host=ctx.target.host.name, left="everything", next=f"mkdir -p {recorded}"
    )


def is_folder(ctx: Context, path: str) -> bool:
    """Whether there is such a folder on the machine."""
    return ctx.target.run(bash('[ -d "$1" ]', path), check=False).ended.ok


def relocated(chosen: Chosen, recorded: str, root: str) -> str:
    """A folder of the project where the set was made, in the project's folder here; any other as it is."""
    old = chosen.manifest.root if chosen.manifest is not None else None
    if old is None or not f"{recorded}/".startswith(f"{old}/"):
        return recorded
    return root + recorded[len(old) :]


def service(ctx: Context, artifact: Artifact) -> str:
    """The service that an artifact belongs to. Raises OpsError where it has no container."""
    name = artifact.service or ""
    if not ctx.stack().service(name):
        raise OpsError(
            f"{artifact.title}: there is no container of service {name}",
            host=ctx.target.host.name,
            left="everything",
            next=f"docker compose up -d {name}, or inv deploy",
        )
    return name


def refuse_newer(ctx: Context, at: Instance, made_by: str) -> None:
    """Raise OpsError where the server is too old for what was made by `made_by`."""
    why = versions.refusal(at.kind, made_by, at.version) if made_by and at.version else None
    if why:
        raise OpsError(f"service {at.service} cannot take it: {why}", host=ctx.target.host.name, left="everything",
                       next=f"give service {at.service} a newer image, and deploy")  # fmt: skip
