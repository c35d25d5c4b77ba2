"""`inv build` and what is asked of the images that it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.deploy.options import BuildOptions
    from opslib.run.record import Record
    from opslib.tasks._call import Call

_SERVICE = {"service": "Only this service, or several with commas"}
_ON = {"on": "local: on this machine; remote: on the host. Default: as in the host file"}


@task(
    "build.all",
    together=True,
    changes=True,
    default=True,
    help={
        **_SERVICE,
        "no_cache": "Use nothing of earlier builds",
        "platform": "What for, like linux/arm64. Default: as in the host file, or the builder's own",
        **_ON,
    },
)
def build(
    call: Call,
    service: str | None = None,
    no_cache: bool = False,
    platform: str | None = None,
    on: str | None = None,
) -> Record:
    """Build the images as a deploy would; say their sizes.

    With BuildKit, all services at once. Where git has a commit, images get its version as a tag and OCI labels.
    """
    from opslib.deploy.build import steps
    from opslib.tasks._show_build import built

    options = _options(call, service, on, no_cache=no_cache, platform=platform)
    return call.carry_out(lambda run: steps(run, options), show=built)


@task("build.sizes", help={**_SERVICE, **_ON})
def sizes(call: Call, service: str | None = None, on: str | None = None) -> Record:
    """Say how big the images are, and what makes them so.

    Each image now and at the last release, its layers over 50 MB with the instruction that made them, its base image.
    Exits with 3 where an image is above `build: size_limit:` of the host file.
    """
    from opslib.deploy.sizes import sizes
    from opslib.tasks._show_build import weighed

    options = _options(call, service, on)
    return call.look(lambda run: sizes(run, options), show=weighed)


@task("build.push", changes=True, together=True, help={**_SERVICE, **_ON})
def push(call: Call, service: str | None = None, on: str | None = None) -> Record:
    """Push the images to the registry of the host file.

    Under their version and the tag of the compose file. Nothing is built.
    """
    from opslib.deploy.push import steps
    from opslib.tasks._show_build import pushed

    options = _options(call, service, on)
    return call.carry_out(lambda run: steps(run, options), show=pushed)


def _options(
    call: Call, service: str | None, on: str | None, *, no_cache: bool = False, platform: str | None = None
) -> BuildOptions:
    from opslib.deploy.options import BuildOptions
    from opslib.errors import BadSettings
    from opslib.settings import units

    if on not in (None, "local", "remote"):
        raise BadSettings(f"--on {on!r}: expected local or remote")
    try:
        platform = None if platform is None else units.platform(platform)
    except ValueError as error:
        raise BadSettings(f"--platform {platform!r}: {error}") from None
    names = tuple(name.strip() for name in service.split(",") if name.strip()) if service is not None else ()
    if service is not None and not names:
        raise BadSettings(f"--service {service!r}: expected a service's name")
    return BuildOptions(call.root, call.this_machine(), names, no_cache, platform, on)  # type: ignore[arg-type]


TASKS = (build, sizes, push)
