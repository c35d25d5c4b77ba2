"""`inv build`: the images of the project, built where a deploy would build them, with their sizes."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from opslib.compose.project import Project, parse_project
from opslib.compose.wanted import moved
from opslib.deploy import keep, place, sources
from opslib.deploy.advice import advise
from opslib.deploy.options import BuildOptions, in_place
from opslib.deploy.render import Config
from opslib.deploy.staged import send_contexts
from opslib.errors import BadSettings
from opslib.images.build import build, to_build
from opslib.images.builder import build_secrets
from opslib.images.info import ImageInfo, images_of
from opslib.run.step import AnyStep, Recovery, Run, Step
from opslib.settings.decode import nearest
from opslib.settings.model import Build
from opslib.state import project as projects
from opslib.target.base import Target

Memo = dict[str, Any]


def steps(run: Run, options: BuildOptions) -> list[AnyStep]:
    """One step. The result has `version` (None: no commit) and `images`: service -> image, id, bytes and the bytes of
    the image before (None: there was none). Raises BadSettings where nothing is to be built."""
    target = run.target
    settings = settings_of(target, options)
    builder = builder_of(target, options, settings)
    project, config = project_here(target, options)
    services = chosen(project, options.services or settings.services, target.host.name)
    found = sources.git(options.here, options.root)
    revision = found.revision if found else None
    staged = builder is target and not in_place(target, options.root)

    def look(run: Run) -> Memo | None:
        advise(run, project, services, revision)
        return {"services": services, "stage": f"{target.state}/staging/{run.id}.build" if staged else ""}

    def do(run: Run, memo: Memo) -> str:
        names = {name: project.services[name].image for name in services}
        before = images_of(builder, names.values())
        more: dict[str, Any] = {"settings": settings, "revision": revision, "no_cache": options.no_cache,
                                "keep": target.host.deploy.keep_releases}  # fmt: skip
        if staged:
            more["secrets"] = build_secrets(options.here, project, services)
            built = _build_there(run, memo["stage"], project, config, services, more)
        else:
            made = partial(build, builder, project, **more)
            once = partial(options.builds.once, target.host.name, project, settings=settings, work=made)
            built = (made if builder is target else once)(services=services)
        builder.run(keep.prune_untagged(builder.host, project.name))
        run.result["version"] = revision.version if revision else None
        run.result["images"] = {
            name: {"image": names[name], "bytes": image.size, "id": image.id,
                   "before": before[names[name]].size if names[name] in before else None}
            for name, image in built.items()
        }  # fmt: skip
        return ", ".join(f"{name} {image.size / 1e6:.0f} MB" for name, image in built.items())

    where = f"on {builder.host.name}"
    return [Step("build", look, do, discard, show=lambda memo: f"build {', '.join(memo['services'])} {where}")]


def settings_of(target: Target, options: BuildOptions) -> Build:
    """The host file's `build:` with what was typed."""
    build = target.host.build
    return msgspec.structs.replace(build, on=options.on or build.on, platform=options.platform or build.platform)


def builder_of(target: Target, options: BuildOptions, settings: Build) -> Target:
    """The machine whose engine builds."""
    return target if in_place(target, options.root) or settings.on == "remote" else options.here


def chosen(project: Project, named: tuple[str, ...], host: str) -> list[str]:
    """The services to build. Raises BadSettings where there is none, or one of those named is not built."""
    services = to_build(project)
    for name in named:
        if name not in services:
            what = "has no `build:`" if name in project.services else f"is not there{nearest(name, services)}"
            raise BadSettings(f"service {name!r} {what}", host=host, left="everything")
    if not services:
        raise BadSettings("no service has a `build:` in the compose files", host=host)
    return [name for name in services if not named or name in named]


def project_here(target: Target, options: BuildOptions) -> tuple[Project, Config]:
    """The project as its compose files here have it, under the name that it has on the host; and as Compose resolved
    it."""
    here = target if in_place(target, options.root) else options.here
    return projects.project_here(target, here, options.root)


def _build_there(
    run: Run, stage: str, project: Project, config: Config, services: list[str], more: dict[str, Any]
) -> dict[str, ImageInfo]:
    """Build on the server from a copy of the contexts, which goes again."""
    try:
        root = send_contexts(run.target, stage, project, services)
        there = parse_project(moved(config, project.root, root), root=root, files=project.files)
        return build(run.target, there, services, **more)
    finally:
        if not run.target.lost and not run.target.cancelled:
            place.discard(run.target, stage)


def discard(run: Run, memo: Memo) -> None:
    """Remove the copies that a build on a server has left."""
    if memo.get("stage"):
        place.discard(run.target, memo["stage"])


RECOVERIES: dict[str, Recovery] = {"build": Recovery(undo=discard)}
