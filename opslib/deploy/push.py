"""`inv build.push`: the images that were built, to the registry of the host file."""

from __future__ import annotations

from typing import Any

from opslib.deploy.build import builder_of, chosen, project_here, settings_of
from opslib.deploy.options import BuildOptions
from opslib.errors import BadSettings, OpsError
from opslib.images.build import tag_command, versions_of
from opslib.images.info import images_of
from opslib.images.registry import push
from opslib.images.revision import version_tag
from opslib.run.step import AnyStep, Recovery, Run, Step

Memo = dict[str, Any]


def steps(run: Run, options: BuildOptions) -> list[AnyStep]:
    """One step. The result has `pushed`: `service`, `image` (what it is called there) and `digest` of each image under
    its own tag, and under its version. Raises BadSettings where no registry is configured, OpsError for an image that
    has not been built."""
    target, registry = run.target, run.target.host.registry
    if registry is None:
        raise BadSettings(
            "no registry is configured",
            host=run.host,
            left="everything",
            next="`registry: registry.example.com/survey` in the host file",
        )
    settings = settings_of(target, options)
    builder = builder_of(target, options, settings)
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
        versions = versions_of(builder, dict.fromkeys(images.values()))
        tags = {image: version_tag(image, version) for image, version in versions.items()}
        return {"push": [[name, one] for name, image in images.items() for one in (image, tags.get(image)) if one],
                "tags": tags}  # fmt: skip

    def do(run: Run, memo: Memo) -> str:
        if memo["tags"]:
            builder.run(tag_command(builder.host, memo["tags"]))
        done = run.result.setdefault("pushed", [])
        for name, image in memo["push"]:
            _, _, digest = push(builder, registry, image).partition("@")
            done.append({"service": name, "image": registry.name(image), "digest": digest})
        return f"{len(done)} pushed"

    def show(memo: Memo) -> str:
        return f"push {', '.join(registry.name(image) for _, image in memo['push'])}"

    return [Step("push", look, do, show=show)]


RECOVERIES: dict[str, Recovery] = {"push": Recovery()}
