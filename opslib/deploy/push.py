"""`inv build.push`: the images that were built, to the registry of the host file."""

from __future__ import annotations

from typing import Any

from opslib.deploy.build import builder_of, chosen, project_here, settings_of
from opslib.deploy.options import BuildOptions
from opslib.errors import BadSettings, OpsError
from opslib.images.info import images_of
from opslib.images.push import push, pushed_as
from opslib.run.step import AnyStep, Recovery, Run, Step

Memo = dict[str, Any]


def steps(run: Run, options: BuildOptions) -> list[AnyStep]:
    """One step. The result has `pushed`: service, image (as it is called there) and digest of each. Raises BadSettings
    where no registry is configured, OpsError for an image that has not been built."""
    target = run.target
    settings = settings_of(target, options)
    builder = builder_of(target, options, settings)
    registry = settings.registry
    if registry is None:
        raise BadSettings(
            "no registry is configured",
            host=run.host,
            left="everything",
            next="`build: {registry: registry.example.com/survey}` in the host file",
        )
    project, _ = project_here(target, options)
    images = {name: project.services[name].image for name in chosen(project, options.services, run.host)}
    there = images_of(builder, images.values())
    gone = [name for name, image in images.items() if image not in there]
    if gone:
        raise OpsError(
            f"{', '.join(gone)} has no image on {builder.host.name} yet",
            host=run.host,
            left="everything",
            next=f"inv build --host {run.host}",
        )

    def look(run: Run) -> Memo | None:
        return {"images": {image: pushed_as(image, registry) for image in images.values()}}

    def do(run: Run, memo: Memo) -> str:
        done = push(builder, registry, images.values())
        run.result["pushed"] = [
            {"service": name, "image": there, "digest": digest or None}
            for name, image in images.items()
            for there, digest in done[image]
        ]
        return ", ".join(there for names in done.values() for there, _ in names)

    return [Step("push", look, do, show=lambda memo: f"push {', '.join(memo['images'].values())}")]


RECOVERIES: dict[str, Recovery] = {"push": Recovery()}
