"""The stack as one self-contained file: as Compose resolved it, its images pinned, its mounted files counted."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from opslib.compose.project import Project
from opslib.deploy.files import relative
from opslib.images.info import split_name

FILES = "opslib.files"
Config = dict[str, Any]


def tag_for(name: str, release: str, taken: Iterable[str] = ()) -> str:
    """The tag that keeps an image for a release: `NAME:opslib-ID`, and the old tag behind it where another image of
    the same name is in the release too."""
    head, tag = split_name(name)
    wanted = f"{head}:opslib-{release}"
    if wanted not in taken:
        return wanted
    return f"{wanted}-{tag}"[: len(head) + 129]


def pinned(
    config: Config, tags: Mapping[str, str], digests: Mapping[str, str], mounts: Mapping[str, str] = {}
) -> Config:
    """The config with each service's image replaced by its tag, never built and never pulled, and labelled with the
    digest of the project's files that it mounts. `mounts` replaces sources of bind mounts."""
    stack = copy.deepcopy(config)
    for name, service in stack.get("services", {}).items():
        service.pop("build", None)
        service["image"] = tags[name]
        service["pull_policy"] = "never"
        if digests.get(name):
            labels = service.get("labels") or {}
            service["labels"] = {**labels, FILES: digests[name]}
        for mount in service.get("volumes") or []:
            if mount.get("type") == "bind" and mount.get("source") in mounts:
                mount["source"] = mounts[mount["source"]]
    for kind in ("configs", "secrets"):
        for entry in (stack.get(kind) or {}).values():
            if isinstance(entry, dict) and entry.get("file") in mounts:
                entry["file"] = mounts[entry["file"]]
    return stack


def moved(stack: Config, mounts: Mapping[str, str]) -> Config:
    """A pinned stack with other sources of bind mounts."""
    tags = {name: service["image"] for name, service in stack.get("services", {}).items()}
    return pinned(stack, tags, {}, mounts)


def mounted_digests(project: Project, files: Mapping[str, str]) -> dict[str, str]:
    """Per service one digest of the project's files that it mounts (path -> digest of `files`); "" for none."""
    found = {}
    for name, service in project.services.items():
        lines = []
        for mount in service.mounts:
            path = relative(mount.source, project.root) if mount.type in ("bind", "config", "secret") else None
            if path is None:
                continue
            prefix = f"{path}/" if path else ""
            lines += [f"{one} {sha}" for one, sha in files.items() if one == path or one.startswith(prefix)]
        found[name] = hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        if not lines:
            found[name] = ""
    return found


def to_text(stack: Config) -> bytes:
    """A compose file (JSON is YAML): dollars are doubled again, so that nothing in it is a variable."""
    return json.dumps(stack, indent=1, ensure_ascii=True).replace("$", "$$").encode() + b"\n"


def from_text(text: bytes) -> Config:
    """The other way round."""
    config: Config = json.loads(text.decode().replace("$$", "$"))
    return config


def essence(stack: Config, name: str) -> Config:
    """What a service's container is made from: its entry without what Compose reads only before that, and the
    top-level configs, secrets, networks and volumes that it uses."""
    service = stack["services"][name]
    entry = {
        key: value for key, value in service.items() if key not in ("depends_on", "pull_policy", "build", "profiles")
    }
    for kind in ("configs", "secrets"):
        used = {one["source"] if isinstance(one, dict) else one for one in service.get(kind) or []}
        entry[f"{kind} used"] = {key: (stack.get(kind) or {}).get(key) for key in sorted(used)}
    for kind, used in (("networks", set(service.get("networks") or {})), ("volumes", _volumes(service))):
        entry[f"{kind} used"] = {key: (stack.get(kind) or {}).get(key) for key in sorted(used)}
    return entry


def _volumes(service: Mapping[str, Any]) -> set[str]:
    return {one["source"] for one in service.get("volumes") or [] if one.get("type") == "volume" and one.get("source")}


def differences(old: Config, new: Config, name: str) -> list[str]:
    """What of a service differs between two stacks, in words without values."""
    if name not in old.get("services", {}):
        return ["new"]
    before, after = essence(old, name), essence(new, name)
    words = []
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) == after.get(key):
            continue
        if key == "environment":
            words.append(f"environment {', '.join(_keys(before.get(key), after.get(key)))}")
        elif key == "labels" and _keys(before.get(key), after.get(key)) == [FILES]:
            words.append("mounted files")
        else:
            words.append(re.sub(" used$", "", key))
    return words


def _keys(before: Any, after: Any) -> list[str]:
    old, new = before or {}, after or {}
    if not isinstance(old, dict) or not isinstance(new, dict):
        return ["values"]
    return sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


def only_files(words: Iterable[str]) -> bool:
    """Whether nothing but the content of mounted files differs."""
    return list(words) == ["mounted files"]


def with_dependents(stack: Config, changed: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The services to recreate with the reason for each: Compose recreates what depends on a recreated service, as
    that holds on to its address. Where only mounted files differ, only what shares its network or process space, or
    asks for it (`restart: true`), goes along."""
    found = {name: list(words) for name, words in changed.items()}
    todo = list(found)
    while todo:
        name = todo.pop(0)
        closely = only_files(found[name])
        for other, service in stack.get("services", {}).items():
            if other not in found and _needs(service, name, closely):
                found[other] = [f"depends on {name}"]
                todo.append(other)
    return found


def _needs(service: Mapping[str, Any], name: str, closely: bool) -> bool:
    if any(service.get(key) == f"service:{name}" for key in ("network_mode", "ipc", "pid")):
        return True
    if any(str(one).split(":")[0] == name for one in service.get("volumes_from") or []):
        return True
    how = (service.get("depends_on") or {}).get(name)
    if how is None or how.get("condition") == "service_completed_successfully":
        return False
    return bool(how.get("restart")) or not closely
