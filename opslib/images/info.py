"""What images an engine has, compared by what they are: image IDs differ between engines of different stores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.command import Command
from opslib.compose.script import docker_script, read_all, sections

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

# For each reference its place in the list and the image, or nothing. On the containerd store a broken load leaves an
# image that can be inspected and is not listed.
_INSPECT = """printf '# listed\\n'; docker image ls -aq --no-trunc | sort -u; printf '# images\\n'; i=0
for ref in "$@"; do
  if one=$(docker image inspect --format '{{json .}}' -- "$ref" 2>&1); then printf '[%s, %s]\\n' "$i" "$one"
  else case $one in *"o such image"*) ;; *) printf '%s\\n' "$one" >&2; exit 1 ;; esac; fi
  i=$((i + 1))
done"""

_RUNS_AS = ("Env", "Cmd", "Entrypoint", "WorkingDir", "User", "ExposedPorts", "Volumes", "Healthcheck", "StopSignal",
            "Shell", "OnBuild")  # fmt: skip
ORIGIN = "org.opencontainers.image."
"""What the labels begin with that say where an image comes from."""
_ASIDE = {*(f"{ORIGIN}{key}" for key in ("revision", "created", "source", "version")), "com.docker.compose.version"}


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image on one engine. `id` is that engine's own; `content` is the same wherever the layers and the settings
    of the image are the same, whatever its labels say of the commit that it was built from. `size` in bytes, unpacked.
    `listed`: the engine counts it as whole. `healthcheck`: it brings one. `volumes`: the folders of its data."""

    id: str
    diff_ids: tuple[str, ...]
    content: str
    size: int
    arch: str
    repo_digests: tuple[str, ...] = ()
    listed: bool = True
    healthcheck: bool = False
    volumes: tuple[str, ...] = ()


def images_command(host: Host, refs: Iterable[str]) -> Command:
    """The one round trip of `images_of`."""
    return docker_script(host, _INSPECT, *refs)


def images_of(target: Target, refs: Iterable[str]) -> dict[str, ImageInfo]:
    """The images that the engine has of these references (tags, digests or IDs); absent ones are left out. One round
    trip. Raises CommandFailed when docker fails."""
    wanted = list(dict.fromkeys(refs))
    return parse_images(wanted, read_all(target, images_command(target.host, wanted))) if wanted else {}


def parse_images(refs: list[str], text: str) -> dict[str, ImageInfo]:
    """The images from what `images_command` printed."""
    parts = sections(text)
    listed = set(parts.get("listed", []))
    found = {}
    for line in parts.get("images", []):
        place, seen = json.loads(line)
        found[refs[place]] = parse_image(seen, listed=seen["Id"] in listed)
    return found


def split_name(name: str) -> tuple[str, str]:
    """An image's name without its tag and digest, and the tag (`latest` where it has none)."""
    plain = name.split("@", 1)[0]
    head, colon, tag = plain.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (plain, "latest")


def with_tag(name: str) -> str:
    """The name with its tag said: `docker image save` of a name alone takes every tag that it has."""
    return name if "@" in name else ":".join(split_name(name))


def of_registry(name: str) -> bool:
    """Whether an image's name begins with a registry's address; any other is one of Docker Hub."""
    first, slash, _ = name.partition("/")
    return bool(slash) and (first == "localhost" or "." in first or ":" in first)


def parse_image(seen: Mapping[str, Any], *, listed: bool = True) -> ImageInfo:
    """An image from the JSON of `docker image inspect`."""
    diff_ids = tuple((seen.get("RootFS") or {}).get("Layers") or ())
    config = seen.get("Config") or {}
    runs_as = {key: config[key] for key in _RUNS_AS if config.get(key)}
    if labels := {key: text for key, text in (config.get("Labels") or {}).items() if key not in _ASIDE}:
        runs_as["Labels"] = labels
    arch = f"{seen.get('Os', '')}/{seen.get('Architecture', '')}"
    text = json.dumps([diff_ids, runs_as, arch], sort_keys=True)
    return ImageInfo(
        id=seen["Id"],
        diff_ids=diff_ids,
        content=hashlib.sha256(text.encode()).hexdigest(),
        size=int(seen.get("Size", 0)),
        arch=seen.get("Architecture", ""),
        repo_digests=tuple(seen.get("RepoDigests") or ()),
        listed=listed,
        healthcheck=((config.get("Healthcheck") or {}).get("Test") or ["NONE"]) != ["NONE"],
        volumes=tuple(sorted(config.get("Volumes") or ())),
    )
