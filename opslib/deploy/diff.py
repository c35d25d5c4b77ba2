"""What `inv deploy --plan` says beyond the steps: service by service, commit by commit, and no secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from opslib.command import bash
from opslib.compose.project import Project
from opslib.deploy.render import FILES, Config, essence
from opslib.deploy.resolve import build_here
from opslib.deploy.seen import Seen
from opslib.images.info import ImageInfo
from opslib.migrate.tools import migrations_among, suggestion
from opslib.settings.model import Host
from opslib.target.base import Target

MOST = 20  # commits that are named
_LOG = """cd -- "$1" || exit; range=$2..HEAD n=$3; shift 3
git rev-list --count "$range" -- "$@" && git log -n "$n" --format='%h %s' "$range" -- "$@" """

_NEW = """cd -- "$1" || exit
if [[ $2 ]] && git cat-file -e "$2^{commit}" 2>/dev/null
then git diff -z --name-only --diff-filter=A --relative "$2" -- .; else git ls-files -z; fi"""

# What may be shown with its value: nobody puts a password there.
_PLAIN = ("container_name", "cpus", "hostname", "init", "mem_limit", "network_mode", "platform", "privileged",
          "read_only", "restart", "scale", "stop_grace_period", "stop_signal", "user", "working_dir")  # fmt: skip
_NAMED = ("environment", "labels", "sysctls", "extra_hosts")


def diff(seen: Seen, host: Host, here: Target, release: str) -> dict[str, Any]:
    """For the plan.

    `services` (by name, for those that change: `what`, `why`, `compose`, `image`, `image_before` and `commits`),
    `commits` of the whole project, `unchecked` (services that no health check watches; they are healthy after running
    for `stable` seconds), `migrations` (files of new ones since the last release), `migrate` (what to write into a host
    file that says nothing of migrations, where a tool is plain to see), and `send`: the bytes of files, and of images
    (None: not known).
    """
    new, old = seen.pinned(release), seen.last_stack or {}
    services: dict[str, Any] = {}
    for name in sorted({*seen.recreate, *(one.service for one in seen.orphans)}):
        there = name in old.get("services", {})
        what = "remove" if name not in seen.project.services else "recreate" if there else "new"
        services[name] = {"what": what, "why": "; ".join(seen.recreate.get(name, []))}
        if what == "recreate":
            services[name]["compose"] = compose_differences(old, new, name)
        if what != "remove":
            services[name].update(_image(seen, name), commits=_of_image(seen, here, name))
    return {
        "services": services,
        "commits": commits(here, seen.root, _since(seen), ()) if seen.git else None,
        "unchecked": unchecked(seen.project, _known(seen), host),
        "stable": host.deploy.stable,
        "migrations": new_migrations(here, seen.root, _since(seen)) if host.migrate else [],
        "migrate": None if host.migrate else suggestion(seen.root),
        "send": {"files": sum(seen.sources[path].size for path in seen.files.write), "images": 0},
    }


def compose_differences(old: Config, new: Config, name: str) -> list[str]:
    """What differs of a service's entry in the compose files: `+` came, `-` went, `~` has another value. The image and
    the digest of mounted files are told elsewhere."""
    before, after = essence(old, name), essence(new, name)
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key) and key != "image")
    found = [
        _words(key, before.get(key), after.get(key))
        for key in keys
        if key.removesuffix(" used") not in keys or not key.endswith(" used")
    ]
    return [words for words in found if words]


def _words(key: str, was: Any, now: Any) -> str:
    if key in _NAMED and isinstance(was or {}, dict) and isinstance(now or {}, dict):
        names = _by_name(was or {}, now or {})
        return f"{key}: {' '.join(names)}" if names else ""
    if key in ("ports", "volumes"):
        show = _port if key == "ports" else _mount
        olds, news = [show(one) for one in was or []], [show(one) for one in now or []]
        words = [f"-{one}" for one in olds if one not in news] + [f"+{one}" for one in news if one not in olds]
        return f"{key}: {' '.join(words) or 'their options'}"
    if key in _PLAIN:
        return f"{key}: {'nothing' if was is None else was} → {'nothing' if now is None else now}"
    return f"{key.removesuffix(' used')}: what the top of the file says of them" if key.endswith(" used") else key


def _by_name(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        *(f"+{one}" for one in sorted(now.keys() - was.keys() - {FILES})),
        *(f"-{one}" for one in sorted(was.keys() - now.keys() - {FILES})),
        *(f"~{one}" for one in sorted(was.keys() & now.keys() - {FILES}) if was[one] != now[one]),
    ]


def _port(port: Mapping[str, Any]) -> str:
    outside = ":".join(str(port[key]) for key in ("host_ip", "published") if port.get(key))
    kind = port.get("protocol", "tcp")
    return f"{outside + ':' if outside else ''}{port.get('target')}{'' if kind == 'tcp' else '/' + kind}"


def _mount(mount: Mapping[str, Any]) -> str:
    return f"{mount.get('source') or mount.get('type')}:{mount.get('target')}{':ro' if mount.get('read_only') else ''}"


# -- images and commits


def _image(seen: Seen, name: str) -> dict[str, Any]:
    """The image's name, and the one before where that was another."""
    now = seen.project.services[name].image
    before = seen.last.images.get(name) if seen.last else None
    return {"image": now, "image_before": before.name if before is not None and before.name != now else None}


def _since(seen: Seen) -> str | None:
    return seen.last.commit if seen.last else None


def _of_image(seen: Seen, here: Target, name: str) -> dict[str, Any] | None:
    """The commits that changed what the image is built from, since the last release; None where it is not built."""
    image = seen.project.services[name].image
    if image not in seen.images.build or seen.git is None:
        return None
    root = str(seen.root)
    build = build_here(seen.config["services"][name].get("build") or {}, seen.project.root, root)
    context = Path(str(build.get("context", "")))
    more = build.get("additional_contexts") or {}
    paths = [
        context,
        context / str(build.get("dockerfile") or "Dockerfile"),
        *(Path(str(one)) for one in more.values()),
    ]
    return commits(here, seen.root, _since(seen), [str(path) for path in paths if path.exists()])


def commits(here: Target, root: Path, since: str | None, paths: Iterable[str]) -> dict[str, Any] | None:
    """The commits from `since` to now that touch the paths (none: everything below `root`): `since`, `count`, and
    `newest`, at most 20 of them, each with its short id and subject. None where git does not know `since`."""
    if since is None:
        return None
    result = here.run(bash(_LOG, str(root), since, str(MOST), *(tuple(paths) or (".",)), limit=60), check=False)
    if not result.ended.ok or not result.lines:
        return None
    count, *newest = result.lines
    return {"since": since[:12], "count": int(count), "newest": newest}


def new_migrations(here: Target, root: Path, since: str | None) -> list[str]:
    """The files of migrations that git tracks and that the last release did not have; all of them where there was none
    of it, or git does not know it any more."""
    result = here.run(bash(_NEW, str(root), since or "", limit=60), check=False)
    return migrations_among(result.out.decode("utf-8", "replace").split("\0")) if result.ended.ok else []


def unchecked(project: Project, images: Mapping[str, ImageInfo], host: Host) -> list[str]:
    """The services that count as healthy after running for a while, because nothing says more: no check in the host
    file, in the compose files, or in the image as it is known now (`images`, by service)."""
    one_shots = project.one_shots()
    return sorted(
        name
        for name, service in project.services.items()
        if name not in one_shots and name not in host.deploy.health and service.replicas and not service.healthcheck
        and not (service.healthcheck is None and name in images and images[name].healthcheck)
    )  # fmt: skip


def _known(seen: Seen) -> dict[str, ImageInfo]:
    """The image of each service as it is now, or as it was at the last release."""
    found = {}
    for name, service in seen.project.services.items():
        pins = (seen.images.pins.get(service.image), seen.last.images.get(name) if seen.last else None)
        tags = [text for pin in pins if pin is not None for text in (pin.tag, pin.name)]
        here = [seen.there[tag] for tag in (*tags, service.image) if tag in seen.there]
        if here:
            found[name] = here[0]
    return found
