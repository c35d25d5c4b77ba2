"""What is known beyond the compose files: the images that the engine has, what runs, the config files that are mounted.

One round trip without --running; with it one for the stack and one for what is asked of its containers. Where no engine
answers, nothing is known, and the rules say less.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslib.command import Command
from opslib.compose.project import Project
from opslib.compose.script import docker_script, read_all, sections
from opslib.compose.stack import Container, Stack, look
from opslib.errors import OpsError
from opslib.images.info import with_tag
from opslib.lint.known import plain_name
from opslib.lint.model import Facts, ImageFacts
from opslib.lint.rules.start_order import programs

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

LARGEST = 256 * 1024  # bytes of a mounted config file that is read
_MOST = 200  # files of a mounted folder
_INSTEAD = ("curl", "wget", "bash")  # what a health check may call in place of a program that is missing

# Images that are not there are no answer; both at once, as each call of docker takes its time.
_IMAGES = """exec 3< <(docker version --format '{{.Server.Arch}}' 2>/dev/null)
printf '# images\\n'; docker image inspect --format '{{json .}}' -- "$@" 2>/dev/null
printf '\\n# arch\\n'; cat <&3; :"""

# $1 the number of containers, then those, then for each that is asked for programs: container, how many, and those;
# then `--` and paths. A program that a shell inside does not find is not there; without a shell there is none.
_RUNNING = """n=$1; shift; ids=("${@:1:n}"); shift "$n"
exec 3< <(docker stats --no-stream --no-trunc --format '{{.ID}} {{.MemUsage}}' "${ids[@]}" 2>/dev/null)
find='for p; do command -v "$p" >/dev/null 2>&1 && printf "%s\\n" "$p"; done; echo .'
ask() { local id=$1 out; shift 2
  out=$(timeout -k 1 20 "${D[@]}" exec "$id" sh -c "$find" sh "$@" 2>&1 </dev/null); local code=$?
  case $code:$out in
    0:*) ;;
    12[67]:*'"sh"'*|12[67]:*'exec: sh:'*) out=. ;;
    *) return ;;
  esac
  printf '%s %s\\n' "$id" "${out//$'\\n'/ }"; }
printf '# programs\\n'
while (($#)) && [ "$1" != -- ]; do n=$2; ask "$1" "$n" "${@:3:n}" & shift $((2 + n)); done
shift; asked=$(jobs -p); [ -z "$asked" ] || wait $asked
printf '# absent\\n'
for p; do
  if [ -e "$p" ] || [ -L "$p" ]; then continue; fi
  at=$p; until [ -e "$at" ]; do at=$(dirname -- "$at"); done
  if [ -d "$at" ] && [ -x "$at" ]; then printf ' %s\\n' "$p"; fi
done
printf '# memory\\n'; cat <&3; :"""

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "kB": 1e3, "MB": 1e6, "GB": 1e9}


Images = tuple[dict[str, ImageFacts], str]
"""What an engine has of some images, and its architecture."""


def gather(
    target: Target, project: Project, root: Path, *, running: bool = False, images: Images | None = None
) -> Facts:
    """The facts of a project whose folder is `root` on this machine; `images` where somebody has looked at them
    already. Raises nothing where the engine does not answer, except with `running`: then OpsError."""
    seen, arch = images or look_at_images(target, images_of(project))
    facts = Facts(images=seen, host_arch=arch, files=config_files(project, root))
    return _with_running(target, project, facts) if running else facts


def images_command(host: Host, refs: Iterable[str]) -> Command:
    """The one round trip of `look_at_images`."""
    return docker_script(host, _IMAGES, *refs)


def images_of(project: Project) -> set[str]:
    """The names of the images that its services run."""
    return {service.image for service in project.services.values()}


def look_at_images(target: Target, refs: Iterable[str]) -> Images:
    """What the engine has of these images, and its architecture ("" where no engine answers)."""
    wanted = sorted({*refs} - {""})
    try:
        return parse_images(wanted, read_all(target, images_command(target.host, wanted)))
    except OpsError:
        return {}, ""


def parse_images(refs: Sequence[str], text: str) -> tuple[dict[str, ImageFacts], str]:
    """From what `images_command` printed. The answer does not say which name it is for: it is found by its own."""
    parts = sections(text)
    by_name: dict[str, ImageFacts] = {}
    for line in parts.get("images", []):
        if line.startswith("{"):
            seen = json.loads(line)
            by_name.update(dict.fromkeys([*_names(seen)], image_facts(seen)))
    found = {ref: by_name[key] for ref in refs if (key := _key(ref)) in by_name}
    return found, next((line.strip() for line in parts.get("arch", []) if line.strip()), "")


def _names(seen: Mapping[str, Any]) -> Iterable[str]:
    yield seen["Id"]
    for name in (*(seen.get("RepoTags") or ()), *(seen.get("RepoDigests") or ())):
        yield plain_name(name)


def _key(ref: str) -> str:
    """As `_names`: a digest goes before a tag."""
    if ref.startswith("sha256:"):
        return ref
    name, at, digest = ref.partition("@")
    if not at:
        return plain_name(with_tag(name))
    head, colon, tag = name.rpartition(":")
    return plain_name(f"{head if colon and '/' not in tag else name}@{digest}")


def image_facts(seen: Mapping[str, Any]) -> ImageFacts:
    """From the JSON of `docker image inspect`."""
    config = seen.get("Config") or {}
    test = tuple((config.get("Healthcheck") or {}).get("Test") or ())
    return ImageFacts(
        volumes=tuple(sorted(config.get("Volumes") or ())),
        user=config.get("User") or "",
        healthcheck=() if test == ("NONE",) else test,
        arch=seen.get("Architecture") or "",
        env=dict(one.split("=", 1) for one in config.get("Env") or () if "=" in one),
        size=int(seen.get("Size") or 0),
        id=seen["Id"],
    )


def _with_running(target: Target, project: Project, facts: Facts) -> Facts:
    stack = look(target, project.name)
    ids = [one.id for one in stack.running]
    asked = questions(project, facts, stack)
    paths = sorted({mount.source for one in stack.running for mount in one.mounts if mount.type == "bind"})
    text = read_all(target, running_command(target.host, ids, asked, paths)) if ids else ""
    service = {one.id: one.service for one in stack.running}
    memory, answers, absent = parse_running(text)
    used: dict[str, int] = {}
    for id, size in memory.items():
        used[service.get(id, "")] = max(used.get(service.get(id, ""), 0), size)
    images = dict(facts.images)
    for id, there in answers.items():
        image = project.services[service[id]].image
        if image in images:
            before = images[image].programs or frozenset()
            images[image] = replace(images[image], programs=before | there)
    return replace(facts, images=images, running=stack, memory=used, absent=absent)


def questions(project: Project, facts: Facts, stack: Stack) -> dict[str, tuple[str, ...]]:
    """Of each container that is to be asked, the programs that its health check calls, and some in their place."""
    found: dict[str, tuple[str, ...]] = {}
    for name, service in project.services.items():
        image = facts.images.get(service.image)
        one = next((one for one in stack.service(name) if one.state == "running"), None)
        if one is None or image is None or one.image_id != image.id:
            continue
        if wanted := programs(_test(one, image)):
            found[one.id] = tuple(dict.fromkeys((*wanted, *_INSTEAD)))
    return found


def _test(one: Container, image: ImageFacts) -> Sequence[str]:
    return one.health_test or image.healthcheck


def running_command(
    host: Host, ids: Sequence[str], asked: Mapping[str, Sequence[str]], paths: Iterable[str]
) -> Command:
    """Memory of the containers `ids`, programs that are in those that are asked, paths that are not there."""
    words = [word for id, wanted in asked.items() for word in (id, str(len(wanted)), *wanted)]
    return docker_script(host, _RUNNING, str(len(ids)), *ids, *words, "--", *paths)


def parse_running(text: str) -> tuple[dict[str, int], dict[str, frozenset[str]], frozenset[str]]:
    """By container its bytes in use, where they are known, and the programs that are there; the paths that are absent.

    A container that runs uses some memory: 0 says that the engine got no figures.
    """
    parts = sections(text)
    memory = {}
    for line in parts.get("memory", []):
        id, _, used = line.partition(" ")
        if size := _bytes(used.split("/")[0].strip()):
            memory[id] = size
    programs = {}
    for line in parts.get("programs", []):
        id, *there = line.split(" ")
        programs[id] = frozenset(there) - {".", ""}
    return memory, programs, frozenset(line[1:] for line in parts.get("absent", []))


def _bytes(text: str) -> int | None:
    match = re.fullmatch(r"([0-9.]+)([A-Za-z]+)", text)
    return round(float(match[1]) * _UNITS[match[2]]) if match and match[2] in _UNITS else None


def config_files(project: Project, root: Path) -> dict[str, str]:
    """The text of the files that services mount as their configuration, by path below the project's folder: those in it
    alone, no secrets, nothing large, nothing that is no text."""
    found: dict[str, str] = {}
    for service in project.services.values():
        for mount in service.mounts:
            if mount.type not in ("bind", "config") or not mount.source.startswith(f"{project.root.rstrip('/')}/"):
                continue
            path = root / mount.source[len(project.root.rstrip("/")) + 1 :]
            for file in [path, *sorted(path.glob("*.conf"))[:_MOST]] if _is_config(path) else ():
                relative = os.path.relpath(file, root)
                if relative not in found and (text := _text(file)) is not None:
                    found[relative] = text
    return found


def _is_config(path: Path) -> bool:
    try:
        return path.is_dir() or path.suffix in (".conf", ".cfg", ".yml", ".yaml", ".toml", ".ini", ".cnf", ".template")
    except (OSError, ValueError):
        return False


def _text(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
