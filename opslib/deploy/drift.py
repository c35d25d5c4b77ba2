"""What on the server is no longer as the live release recorded it, for `inv releases --check`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from opslib.compose.project import Project, parse_project
from opslib.compose.stack import Container, Stack, look
from opslib.compose.swarm import Swarm
from opslib.compose.swarm import look as stack_of
from opslib.compose.verdict import ended
from opslib.deploy.changes import drifted_tasks, orphans
from opslib.deploy.files import There, below, mounts_of
from opslib.deploy.place import there
from opslib.deploy.render import from_text
from opslib.deploy.strategies.hold import without_kept
from opslib.errors import BadSettings, Unhealthy
from opslib.images.info import ImageInfo, images_of
from opslib.run.step import Run
from opslib.state import releases
from opslib.state.releases import Release
from opslib.state.sums import parse_sums
from opslib.target.transfer import read_file


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference: `kind` of thing, its `name`, what is wrong with it."""

    kind: str
    name: str
    what: str


def check(run: Run) -> None:
    """Fill the run's result: `release`, and `drift`, a list of kind, name and what.

    Raises BadSettings where nothing was deployed, Unhealthy where something differs.
    """
    target, host = run.target, run.host
    known = releases.read(target)
    last = releases.current(known)
    if last is None:
        raise BadSettings("nothing was deployed here", host=host, next=f"inv deploy --host {host}")
    folder = releases.folder(target, last.id)
    project = parse_project(from_text(read_file(target, f"{folder}/stack.yml") or b"{}"), root=target.root)
    stack = without_kept(target, look(target, last.project))
    good = [one for one in known if one.outcome == "good"]
    images = images_of(target, [pin.tag for one in good for pin in one.images.values()])
    if last.strategy == releases.SWARM:
        found = [*of_images(good, images), *of_tasks(last, stack_of(target, last.project))]
    else:
        found = [*of_images(good, images), *of_containers(last, project, stack)]
    found += of_volumes(project, stack)
    if not last.in_place:
        recorded = parse_sums((read_file(target, f"{folder}/files.sha256") or b"").decode(errors="surrogateescape"))
        env = [last.env_file] if last.env_file else []
        present = there(target, target.root, [*recorded, *env])
        found += [*of_files(recorded, present, project), *of_env(last, present)]
    run.result.update(release=last.id, drift=[asdict(one) for one in found])
    if found:
        first = f"{found[0].kind} {found[0].name} {found[0].what}"
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Unhealthy(
            f"not as release {last.id} was: {first}{more}",
            host=host,
            next=f"inv deploy --host {host} --plan, for what a deploy would put right",
        )


def of_images(good: Iterable[Release], images: Mapping[str, ImageInfo]) -> Iterator[Drift]:
    """The images of releases, this one's and those to go back to, that are gone or are others under the same tag."""
    pins = {pin.tag: (pin, one) for one in good for pin in one.images.values()}
    for tag, (pin, release) in pins.items():
        if tag not in images:
            yield Drift("image", tag, f"is gone; release {release.id} could not come back")
        elif images[tag].id != pin.id:
            yield Drift("image", tag, f"is another image than that of release {release.id}")


def of_containers(release: Release, project: Project, stack: Stack) -> Iterator[Drift]:
    """The services whose containers are not those that the release started, or do not do well."""
    one_shots = project.one_shots()
    for name, service in project.services.items():
        containers = stack.service(name)
        if len(containers) != service.replicas:
            yield Drift("service", name, f"has {len(containers)} of {service.replicas} containers")
        for one in containers:
            if what := _wrong(one, service.image, release.hashes.get(name), one_shot=name in one_shots):
                yield Drift("service", name, what)
    for service_name in dict.fromkeys(one.service for one in orphans(project, stack.containers)):
        yield Drift("service", service_name, "runs, and the release has no such service")


def of_tasks(release: Release, seen: Swarm) -> Iterator[Drift]:
    """The same of the services of a stack of a Swarm."""
    for name in release.images:
        for what in drifted_tasks(seen.services.get(name), release.hashes.get(name)):
            yield Drift("service", name, what)
    for name in sorted(seen.services.keys() - release.images.keys()):
        yield Drift("service", name, "runs, and the release has no such service")


def _wrong(one: Container, image: str, digest: str | None, *, one_shot: bool) -> str:
    if one.image != image:
        return f"runs {one.image}, and the release has {image}"
    if digest is not None and one.config_hash != digest:
        return "was recreated with other settings"
    completed = (
        one.state == "exited" and one.exit_code == 0 and (one_shot or one.restart_policy in ("no", "on-failure"))
    )
    if one.state != "running" and not completed:
        return ended(one) if one.state == "exited" else f"is {one.state}"
    return "is unhealthy" if one.health == "unhealthy" else ""


def of_volumes(project: Project, stack: Stack) -> Iterator[Drift]:
    """The volumes that services mount and the engine no longer has."""
    names = {
        project.volume_name(mount) for service in project.services.values() if service.replicas
        for mount in service.mounts
    }  # fmt: skip
    for name in sorted(names - {""} - {volume.name for volume in stack.all_volumes}):
        yield Drift("volume", name, "is gone")


def of_files(recorded: Mapping[str, str], present: Mapping[str, There], project: Project) -> Iterator[Drift]:
    """The release's files that were changed or removed; what services write to is theirs."""
    data = mounts_of(project).write
    for path, digest in sorted(recorded.items()):
        if not below(path, data) and (path not in present or present[path].sha256 != digest):
            yield Drift("file", path, "was changed" if path in present else "is gone")


def of_env(release: Release, present: Mapping[str, There]) -> Iterator[Drift]:
    """Whether the env file is another one."""
    if release.env_file is None or release.env is None:
        return
    found = present.get(release.env_file)
    if found is None:
        yield Drift("env file", release.env_file, "is gone")
    elif found.sha256 != release.env:
        yield Drift("env file", release.env_file, "was changed")
