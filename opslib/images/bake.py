"""What is to be built, as one text: for `docker buildx bake`, or for `docker compose build` where bake cannot do it.

Both get the same entries, those of the compose files as Compose resolved them, with labels and caches added. The text
travels on standard input: build args in it are in no process list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from opslib.compose.project import Project, Service
from opslib.compose.stack import LABEL
from opslib.images.build_cache import cache_entry
from opslib.images.revision import Revision
from opslib.settings.model import Build
from opslib.target.docker import csv

Entry = dict[str, Any]

_AS_IT_IS = {"args": "args", "additional_contexts": "contexts", "dockerfile_inline": "dockerfile-inline",
             "labels": "labels", "network": "network", "no_cache": "no-cache", "pull": "pull", "target": "target",
             "cache_from": "cache-from", "cache_to": "cache-to"}  # fmt: skip
_KNOWN = {*_AS_IT_IS, "context", "dockerfile", "platforms", "secrets", "tags"}


def entry(
    project: Project,
    name: str,
    settings: Build,
    revision: Revision | None,
    *,
    cache_root: str,
    inline: Collection[str] = (),
) -> Entry:
    """A service's `build:` as it is built here: with its labels, and with the host file's caches (folders are below
    `cache_root`, `inline` are the images that a cache is read from). What the compose files say goes first."""
    service = project.services[name]
    assert service.build is not None, "only services that are built"
    found = dict(service.build.settings)
    found["labels"] = {
        f"{LABEL}project": project.name, f"{LABEL}service": name,
        **(revision.labels() if revision else {}), **(found.get("labels") or {}),
    }  # fmt: skip
    read = [one for one in settings.cache_from if one.kind != "inline" or service.image in inline]
    write = [settings.cache_to] if settings.cache_to else []
    for key, caches in (("cache_from", read), ("cache_to", write)):
        if caches:
            more = [cache_entry(one, name, service.image, cache_root, write=key == "cache_to") for one in caches]
            found[key] = [*(found.get(key) or []), *more]
    platform = platform_of(service, settings.platform)
    found.pop("platforms", None)
    if platform:
        found["platforms"] = [platform]
    return found


def platform_of(service: Service, wanted: str | None) -> str | None:
    """What the image is built for: what the compose files say of the service, else what was asked for. None: the
    builder's own."""
    listed = (service.build.settings.get("platforms") or []) if service.build else []
    return service.platform or wanted or (str(listed[0]) if len(listed) == 1 else None)


def can_bake(entries: Iterable[Entry]) -> bool:
    """Whether bake knows all that these entries ask for."""
    return all(
        set(one) <= _KNOWN
        and one.get("network") != "host"  # bake wants a permission for it, which old ones cannot be given
        and not any(str(where).startswith("service:") for where in (one.get("additional_contexts") or {}).values())
        for one in entries
    )


def bake_file(project: Project, entries: Mapping[str, Entry]) -> bytes:
    """The definition for bake: a target for each service, all of them in the group `default`."""
    targets: dict[str, Entry] = {}
    for name, one in entries.items():
        targets[_target_name(name, targets)] = _target(project.services[name], one)
    text = {"group": {"default": {"targets": list(targets)}}, "target": targets}
    return json.dumps(_plain(text)).encode()


def _target(service: Service, one: Entry) -> Entry:
    assert service.build is not None, "only services that are built"
    found = {_AS_IT_IS[key]: value for key, value in one.items() if key in _AS_IT_IS and value not in (None, [], {})}
    if "args" in found:
        found["args"] = {key: str(value) for key, value in found["args"].items() if value is not None}
    found |= {"context": one["context"], "tags": [service.image, *(one.get("tags") or [])]}
    if not one.get("dockerfile_inline"):
        found["dockerfile"] = one.get("dockerfile") or "Dockerfile"
    if one.get("platforms"):
        found["platforms"] = one["platforms"]
    if one.get("secrets"):
        found["secret"] = [_secret(use, service.build.secrets[use["source"]]) for use in one["secrets"]]
    return found


def _secret(use: Mapping[str, Any], secret: Mapping[str, Any]) -> str:
    """As `--secret` takes it. Compose writes a default target as a path, and its last part is the id."""
    name = str(use.get("target") or use["source"]).rpartition("/")[2]
    where = f"env={secret['environment']}" if "environment" in secret else f"src={secret.get('file', '')}"
    return csv(f"id={name}", where)


def _target_name(service: str, taken: Iterable[str]) -> str:
    """A target may not have a dot in its name."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", service)
    while name in taken:
        name += "_"
    return name


def _plain(value: Any) -> Any:
    """The same with nothing in its texts that bake would take for an expression."""
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def compose_file(project: Project, entries: Mapping[str, Entry]) -> bytes:
    """The same as a compose file with nothing but what is built."""
    services: Entry = {}
    secrets: Entry = {}
    for name, one in entries.items():
        service = project.services[name]
        assert service.build is not None, "only services that are built"
        services[name] = {"image": service.image, "build": one}
        if service.platform:
            services[name]["platform"] = service.platform
        secrets |= service.build.secrets
    text = {"name": project.name, "services": services, "secrets": secrets}
    return json.dumps(text, ensure_ascii=True).replace("$", "$$").encode()
