"""The steps that bring a release's images to the server, and pin them there."""

from __future__ import annotations

import dataclasses
from typing import Any

from opslib.compose.project import Project, parse_project
from opslib.compose.wanted import moved
from opslib.deploy import keep
from opslib.deploy.advice import advise
from opslib.deploy.options import DeployOptions, in_place
from opslib.deploy.pins import kept_of, pin
from opslib.deploy.seen import Seen
from opslib.errors import Cancelled, HostLost, OpsError
from opslib.images.build import build, pull_missing, tag_command
from opslib.images.info import ImageInfo, images_of, with_tag
from opslib.images.registry import by_registry
from opslib.images.saved import NotUnderstood
from opslib.images.ship import Shipped, amount, lacked, load_up, same_engine, ship
from opslib.run.step import NotYet, Run, Step
from opslib.state.releases import Pin
from opslib.target.base import Target

Memo = dict[str, Any]


def build_step(seen: Seen, options: DeployOptions) -> Step[Memo]:
    """Build the images whose context has changed: here, or on the server where the host file says so."""

    revision = seen.git.revision if seen.git else None

    def look(run: Run) -> Memo | None:
        if not seen.images.build:
            return None
        services = sorted(seen.images.build.values())
        advise(run, _here(run.target, seen), services, revision)
        return {"services": services}

    def do(run: Run, memo: Memo) -> str:
        place, host = _builder(run.target, options), run.target.host

        def work(project: Project, services: list[str]) -> dict[str, ImageInfo]:
            return build(
                place, project, services, settings=host.build, revision=revision, keep=host.deploy.keep_releases
            )

        def here(services: list[str]) -> dict[str, ImageInfo]:
            built = work(project, services)
            place.run(keep.prune_untagged(place.host, seen.name))  # there, `prune` does it, once every host is done
            return built

        if place is run.target:
            built = work(seen.project, memo["services"])
        else:
            project = _here(run.target, seen)
            built = options.builds.once(host.name, project, memo["services"], host.build, here)
        sizes = {name: image.size for name, image in built.items()}
        run.result["built"] = sizes
        return ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in sizes.items())

    return Step("build", look, do, show=lambda memo: f"build {', '.join(memo['services'])}")


def _here(target: Target, seen: Seen) -> Project:
    """The project with its folder on this machine."""
    root = str(seen.root)
    config = moved(seen.config, target.root, root)
    return parse_project(config, root=root, files=seen.project.files, env_file=seen.project.env_file)


def ship_step(seen: Seen, options: DeployOptions) -> Step[Memo]:
    """Send what was built here, and pull what the server lacks; what no registry gives comes from here if it is."""

    def look(run: Run) -> Memo | None:
        away = _builder(run.target, options) is not run.target and not same_engine(options.here, run.target)
        send = sorted(seen.images.build) if away else []
        fetch = sorted(seen.images.fetch)
        if not (send or fetch):
            return None
        by = run.target.host.registry.address if run.target.host.registry else None
        bytes = _would_go(run, options.here, send) if run.plan and send and not by else None
        if "diff" in run.result:
            run.result["diff"]["send"]["images"] = bytes
        return {"send": send, "fetch": fetch, "registry": by, "bytes": bytes}

    def do(run: Run, memo: Memo) -> str:
        sent = [_send(run, options, memo["send"])] if memo["send"] else []
        for image in memo["fetch"]:
            sent += _fetch(run, seen, options, image)
        went = [one for one in sent if one.refs]
        run.result["sent"] = [{"images": list(one.refs), "bytes": one.size, "whole": one.whole or None} for one in went]
        return ", ".join(f"sent {', '.join(one.refs)}: {amount(one.size)}" for one in went if one.size is not None)

    return Step("images", look, do, show=_show_ship)


def _show_ship(memo: Memo) -> str:
    words = [f"push {one} to {memo['registry']}, pull it from there" for one in memo["send"] if memo["registry"]]
    if memo["send"] and not memo["registry"]:
        now = "" if memo["bytes"] is None else f"{amount(memo['bytes'])} as the images here are now, and "
        words.append(f"send {', '.join(memo['send'])}: {now}what the build changes")
    return ", ".join(words + [f"pull {one}" for one in memo["fetch"]])


def _would_go(run: Run, here: Target, images: list[str]) -> int | None:
    """The bytes that would be sent of the images as they are here before they are built; None where none of them is
    here, or nobody can tell."""
    try:
        there = images_of(here, map(with_tag, images))
        lacking = lacked(here, run.target, there)
        return (load_up(here, run.target, lacking).size if lacking else 0) if there else None
    except (Cancelled, HostLost):
        raise
    except (OpsError, NotUnderstood):
        return None


def _send(run: Run, options: DeployOptions, images: list[str]) -> Shipped:
    registry, refs = run.target.host.registry, [with_tag(one) for one in images]
    if registry is not None:
        return by_registry(options.here, run.target, registry, refs, options.pushes)
    return ship(options.here, run.target, refs)


def _fetch(run: Run, seen: Seen, options: DeployOptions, image: str) -> list[Shipped]:
    here = options.here
    services = [name for name, one in seen.project.services.items() if one.image == image]
    project = dataclasses.replace(seen.project, root=run.target.root)
    try:
        pull_missing(run.target, project, services)
    except OpsError as error:
        if same_engine(here, run.target) or not _has(here, image):
            raise
        run.note(f"{image} comes from this machine: {error.what}")
        return [_send(run, options, [image])]
    return []


def _has(here: Target, image: str) -> bool:
    try:
        return image in images_of(here, [image])
    except OpsError:
        return False


def pin_step(seen: Seen) -> Step[Memo]:
    """Give each image the tag that keeps it for this release."""

    def look(run: Run) -> Memo | None:
        if run.plan and seen.images.unknown:
            raise NotYet("after the build" if seen.images.build else "after the pull")
        settle(run.target, seen, run.id)
        new = {one.name: one.tag for one in seen.images.pins.values() if one.tag not in seen.there}
        return {"tags": new} if new else None

    def do(run: Run, memo: Memo) -> None:
        run.target.run(tag_command(run.target.host, memo["tags"]))

    return Step("tag", look, do, show=lambda memo: ", ".join(sorted(memo["tags"].values())))


def settle(target: Target, seen: Seen, release: str) -> None:
    """Learn what the build and the pull brought. Raises OpsError for an image that is still not there."""
    unknown = sorted(seen.images.unknown)
    if not unknown:
        return
    there = images_of(target, unknown)
    gone = [name for name in unknown if name not in there]
    if gone:
        raise OpsError(f"image {', '.join(gone)} is not on the server", host=target.host.name, left="everything")
    pins: dict[str, Pin] = dict(seen.images.pins)
    seen.there.update(there)
    for name in unknown:
        pins[name] = pin(name, seen.there, kept_of(name, seen.last, seen.there), release, pins)
    seen.images = dataclasses.replace(seen.images, pins=pins, build={}, fetch=())
    seen.reconsider(release)


def _builder(target: Target, options: DeployOptions) -> Target:
    return target if in_place(target, options.root) or target.host.build.on == "remote" else options.here
