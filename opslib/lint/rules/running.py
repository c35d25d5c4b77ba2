"""What the compose files say beside what runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opslib.compose.project import Service
from opslib.compose.stack import Container, Stack
from opslib.images.info import split_name, with_tag
from opslib.lint.model import Model, Place
from opslib.lint.rule import Found, Rule
from opslib.lint.rules._stack import kind, services
from opslib.target.process import mask

_ROOT = ("", "0", "root", "0:0", "root:root", "0:root", "root:0")
_OURS = "opslib-"  # what the tag of a release begins with
_NOT_THERE = re.compile(
    r"exec: \"?([^\s\":]+)\"?: (?:executable file not found|stat )"
    r"|sh(?::[^:\n]*)?: ([\w./-]+): (?:command )?not found"
)
_UNNAMED = re.compile(r"[0-9a-f]{64}")


def _containers(model: Model) -> Iterator[tuple[str, Service, Container]]:
    """Each container of a service that is to run."""
    stack = model.facts.running
    for name, service, _ in services(model) if stack is not None else ():
        yield from ((name, service, one) for one in _of(stack, name))


def _of(stack: Stack | None, name: str) -> list[Container]:
    return stack.service(name) if stack is not None else []


def _first(model: Model) -> Iterator[tuple[str, Service, Container]]:
    """One running container of each service."""
    seen = set()
    for name, service, one in _containers(model):
        if one.running and name not in seen:
            seen.add(name)
            yield name, service, one


def _drift(model: Model) -> Iterator[Found]:
    stack = model.facts.running
    if stack is None or not stack.containers:
        return
    ends = model.project.one_shots()
    elsewhere = any(one.task for one in stack.containers)  # a Swarm has tasks on other machines too
    for name, service, _ in services(model):
        found = _of(stack, name)
        running = [one for one in found if one.state == "running"]
        what = ""
        if not found and not elsewhere and name not in ends:
            what = "it does not run at all"
        elif bad := [one for one in found if _ended_badly(one, ends)]:
            what = f"its container is {bad[0].state} (exit code {bad[0].exit_code})"
        elif running and not elsewhere and len(running) < service.replicas:
            what = f"{len(running)} of {service.replicas} containers run"
        elif running and (words := differences(model, service, running[0])):
            what = f"it runs with {', '.join(words)} other than in the file"
        if what:
            yield Found(
                f"{name} is not as its file says: {what}",
                "inv deploy --plan, for what a deploy would put right", model.place("services", name), name,
            )  # fmt: skip
    for name in dict.fromkeys(one.service for one in stack.running if not one.one_off):
        if name not in model.project.services:
            yield Found(
                f"a service {name} runs that is in no compose file, or only in a profile that is off",
                "inv deploy --plan shows whether a deploy removes it; COMPOSE_PROFILES in the env file turns one on",
                Place(), name,
            )  # fmt: skip


def _ended_badly(one: Container, one_shots: frozenset[str]) -> bool:
    if one.state == "exited":
        ends = one.service in one_shots or one.restart_policy in ("no", "on-failure")
        return one.exit_code != 0 or not ends
    return one.state in ("restarting", "dead", "paused", "created")


def differences(model: Model, service: Service, one: Container) -> list[str]:
    """In what a container differs from its service, in words without values."""
    if service.hash and one.config_hash == service.hash:
        return []
    words = []
    if not _same_image(service.image, one.image):
        words.append(f"the image {one.image}")
    if keys := sorted(key for key, value in service.environment.items() if one.env.get(key) != value):
        words.append(f"the variable{'s' if len(keys) > 1 else ''} {', '.join(keys)}")
    there = {mount.destination.rstrip("/"): mount.name for mount in one.mounts}
    for mount in service.mounts:
        target = mount.target.rstrip("/")
        if mount.type not in ("volume", "bind"):
            continue
        named = mount.type == "volume" and mount.source
        if target not in there or (named and there[target] != model.project.volume_name(mount)):
            words.append(f"the mount {mount.target}")
    ports = {(port.published, port.target, port.protocol) for port in one.ports}
    words += [f"the port {port.published}" for port in service.ports if port.published.isdigit() and not one.task
              and (port.published, port.target, port.protocol) not in ports]  # fmt: skip
    if service.command is not None and one.command and tuple(service.command) != one.command:
        words.append("a command")
    if service.restart != one.restart_policy and not one.task:
        words.append(f"the restart policy `{one.restart_policy}`")
    return words


def _same_image(wanted: str, runs: str) -> bool:
    """A release has tags of its own for the same images."""
    if runs.startswith("sha256:"):
        return True
    head, tag = split_name(runs)
    return head == split_name(wanted)[0] and (tag.startswith(_OURS) or with_tag(runs) == with_tag(wanted))


def _root_user(model: Model) -> Iterator[Found]:
    for name, service, one in _first(model):
        if one.user in _ROOT and not kind(model, service):  # databases change their user by themselves
            yield Found(
                f"{name} runs as root: whoever gets into it is root on whatever it mounts",
                "user: \"1000:1000\"  # or USER in its Dockerfile; what it writes to must belong to that user",
                model.place("services", name, "user"), name,
            )  # fmt: skip


def _writable_root(model: Model) -> Iterator[Found]:
    for name, _, one in _first(model):
        if not one.read_only:
            yield Found(
                f"{name} can change its own programs: what gets into it stays until the next deploy, and what it "
                "writes by mistake is lost then",
                "read_only: true\ntmpfs: [/tmp]  # and whatever else it has to write to",
                model.place("services", name), name,
            )  # fmt: skip


def _failing(model: Model) -> Iterator[Found]:
    for name, _, one in _first(model):
        missing = _NOT_THERE.search(one.health_output) if one.health in ("unhealthy", "starting") else None
        if missing:
            program = missing[1] or missing[2]
            what = f"calls {program}, which is not in its image: it can only fail"
            fix = "call a program that is in the image"
        elif one.health == "unhealthy":
            said = mask(" ".join(one.health_output.split())[:200], one.env.secrets())
            what, fix = f"fails: {said or 'it says nothing'}", f"inv logs --service {name}"
        else:
            continue
        yield Found(f"the health check of {name} {what}", fix, model.place("services", name, "healthcheck"), name)


def _old_image(model: Model) -> Iterator[Found]:
    for name, service, one in _first(model):
        facts = model.facts.images.get(service.image)
        if facts is not None and facts.id and facts.id != one.image_id:
            yield Found(
                f"{name} runs an image that is not {service.image} any more: a newer one was built or pulled since",
                "inv deploy", model.place("services", name, "image"), name,
            )  # fmt: skip


def _unused_volumes(model: Model) -> Iterator[Found]:
    stack = model.facts.running
    if stack is None:
        return
    wanted = {volume.name for volume in model.project.volumes.values()}
    for volume in stack.all_volumes:
        if volume.project == model.project.name and not volume.mounted_by and volume.name not in wanted:
            yield Found(
                f"volume {volume.name} is used by nothing: it may hold old data that are in no backup",
                f"look into it: docker run --rm -v {volume.name}:/v:ro busybox ls -la /v; and where nobody needs it: "
                f"docker volume rm {volume.name} (never docker volume prune)", Place(),
            )  # fmt: skip
    unnamed = [one for one in stack.all_volumes if _UNNAMED.fullmatch(one.name) and not one.mounted_by]
    if unnamed:
        yield Found(
            f"nothing uses {len(unnamed)} volume{'s' if len(unnamed) > 1 else ''} without a name: the data that a "
            "database without a named volume had before a `docker compose down` are in one of them",
            f"look into each: docker run --rm -v {unnamed[0].name}:/v:ro busybox ls -la /v; "
            "remove by name, never by docker volume prune", Place(),
        )  # fmt: skip


def _gone(model: Model) -> Iterator[Found]:
    for name, service, one in _first(model):
        for mount in one.mounts:
            if mount.type == "bind" and mount.source in model.facts.absent:
                wanted = [at for at, one in enumerate(service.mounts) if one.target == mount.destination]
                path: tuple[str | int, ...] = ("services", name, *(("volumes", wanted[0]) if wanted else ()))
                yield Found(
                    f"{name} mounts {mount.source}, which is not there any more: at its next start Docker makes an "
                    "empty folder of that name, and mounts that",
                    "put it back, or take the mount out", model.place(*path), name,
                )  # fmt: skip


RULES = (
    Rule("drift", "breaks", "what runs is not what the compose files say", _drift, running=True),
    Rule("health-failing", "breaks", "a health check fails", _failing, running=True),
    Rule("mounted-path-gone", "breaks", "what a container mounts is not there any more", _gone, running=True),
    Rule("image-outdated", "hardening", "a service runs an older image than its tag", _old_image, running=True),
    Rule("root-user", "hardening", "a service runs as root", _root_user, running=True),
    Rule("writable-root", "hardening", "a service can write to its own programs", _writable_root, running=True),
    Rule("unused-volume", "hardening", "a volume is used by nothing", _unused_volumes, running=True),
)
