"""`inv build`: the images of the project, built where a deploy would build them, with their sizes."""

from __future__ import annotations

import dataclasses
from typing import Any

from opslib.compose.project import Project
from opslib.compose.recognise import recognise_project
from opslib.compose.wanted import wanted
from opslib.deploy import references
from opslib.deploy.options import DeployOptions, in_place
from opslib.errors import BadSettings
from opslib.images.build import build, to_build
from opslib.images.info import images_of
from opslib.run.step import AnyStep, Recovery, Run, Step
from opslib.state import releases
from opslib.target.base import Target

Memo = dict[str, Any]


def steps(run: Run, options: DeployOptions) -> list[AnyStep]:
    """One step. The result has `images`: service -> image, bytes and the bytes of the image before (None: there was
    none). Raises BadSettings where nothing is to be built, or only `inv deploy` can bring the files where it is."""
    target, host = run.target, run.target.host
    if host.build.on == "remote" and not in_place(target, options.root):
        raise BadSettings(
            f"{host.name} builds on the server, from the files that a deploy sends",
            host=host.name,
            next=f"inv deploy --host {host.name} --build",
        )
    place = target if in_place(target, options.root) else options.here
    project = _project(target, place, options)
    services = to_build(project, host.build.services)
    if not services:
        raise BadSettings("no service has a `build:` in the compose files", host=host.name)

    def look(run: Run) -> Memo | None:
        return {"services": services}

    def do(run: Run, memo: Memo) -> str:
        names = {name: project.services[name].image for name in services}
        before = images_of(place, names.values())
        built = build(place, project, services, platform=host.build.platform)
        run.result["images"] = {
            name: {"image": names[name], "bytes": image.size, "id": image.id,
                   "before": before[names[name]].size if names[name] in before else None}
            for name, image in built.items()
        }  # fmt: skip
        return ", ".join(f"{name} {image.size / 1e6:.0f} MB" for name, image in built.items())

    return [Step("build", look, do, show=lambda memo: f"build {', '.join(memo['services'])}")]


def _project(target: Target, place: Target, options: DeployOptions) -> Project:
    """The project as its compose files here have it, under the name that it has on the host."""
    root = options.root.resolve()
    last = releases.current(releases.read(target))
    named = references.project_name(root, target.host.compose)
    name = target.host.project or (last.project if last else recognise_project(target, target.host, named))
    env = target.host.env_file or (".env" if (root / ".env").is_file() else None)
    if place.root != str(root):
        raise BadSettings(f"the project's folder {root} is not the place to build in", host=target.host.name)
    return dataclasses.replace(wanted(place, name, target.host.compose, env), root=str(root))


RECOVERIES: dict[str, Recovery] = {"build": Recovery()}
