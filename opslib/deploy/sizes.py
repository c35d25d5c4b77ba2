"""`inv build.sizes`: how big each image is, how big it was, and what makes it so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opslib.compose.project import Project, Service
from opslib.deploy.build import builder_of, project_here, settings_of
from opslib.deploy.options import BuildOptions
from opslib.errors import BadSettings, Unhealthy
from opslib.images.dockerfile import base_image
from opslib.images.info import images_of
from opslib.images.layers import layers_of
from opslib.run.step import Run
from opslib.settings.decode import nearest
from opslib.settings.model import Build
from opslib.state import releases

BIG = 50 * 1000 * 1000  # bytes of a layer that is named


def sizes(run: Run, options: BuildOptions) -> None:
    """Put into the run's result, as `images`, for each service: `image`, `bytes` (None: it is not there), `released`
    (bytes of the live release's, None: unknown), `limit`, `over`, `base` ({name, bytes} or None), `layers` (those over
    50 MB: bytes, instruction).

    Raises Unhealthy where an image is above its limit, BadSettings for a limit or a service that is not there.
    """
    target = run.target
    settings = settings_of(target, options)
    builder = builder_of(target, options, settings)
    project, _ = project_here(target, options)
    _known(project, (*settings.size_limit.keys() - {"*"}, *options.services), run.host)
    names = [name for name in project.services if not options.services or name in options.services]
    bases = {name: _base(project.services[name]) for name in names}
    images = images_of(builder, [*(project.services[name].image for name in names), *filter(None, bases.values())])
    layers = layers_of(builder, [image for name in names if (image := project.services[name].image) in images])
    before = _released(run)
    rows: list[dict[str, Any]] = []
    for name in names:
        image, base = project.services[name].image, bases[name]
        bytes_ = images[image].size if image in images else None
        limit = limit_of(name, project.services[name], settings)
        big = [one for one in layers.get(image, []) if one.bytes > BIG]
        rows.append({
            "service": name, "image": image, "bytes": bytes_, "released": before.get(name), "limit": limit,
            "over": limit is not None and bytes_ is not None and bytes_ > limit,
            "base": None if base is None else {"name": base, "bytes": images[base].size if base in images else None},
            "layers": [{"bytes": one.bytes, "instruction": project.masked(one.instruction)} for one in big],
        })  # fmt: skip
    run.result["images"] = rows
    over = [
        f"{one['service']} has {one['bytes'] / 1e6:.1f} MB of {one['limit'] / 1e6:.1f} MB"
        for one in rows
        if one["over"]
    ]
    if over:
        raise Unhealthy(f"above `size_limit`: {', '.join(over)}", host=run.host, next="the big layers are named above")


def limit_of(name: str, service: Service, settings: Build) -> int | None:
    """The bytes that the image of a service may have; `*` stands for the services that are built."""
    return settings.size_limit.get(name, settings.size_limit.get("*") if service.build else None)


def _known(project: Project, names: tuple[str, ...], host: str) -> None:
    for name in names:
        if name not in project.services:
            raise BadSettings(f"there is no service {name!r}{nearest(name, project.services)}", host=host)


def _base(service: Service) -> str | None:
    if service.build is None:
        return None
    settings = service.build.settings
    text = settings.get("dockerfile_inline")
    if text is None:
        path = Path(service.build.context) / service.build.dockerfile
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    return base_image(text, service.build.args, settings.get("target"))


def _released(run: Run) -> dict[str, int]:
    """Service -> bytes of the image that the live release has."""
    last = releases.current(releases.read(run.target))
    pins = last.images if last else {}
    there = images_of(run.target, [pin.tag for pin in pins.values()])
    return {name: there[pin.tag].size for name, pin in pins.items() if pin.tag in there}
