"""Secrets and configs of a stack in the Swarm: what they hold, how they get there, and when they go.

A Swarm's secret cannot be changed. Each content is one of its own, under a name with its digest in it; a release names
those that it wants, and they stay for as long as a release that is kept does. No content is in an argument.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opslib.compose.project import absolute
from opslib.compose.script import docker_script, read_all
from opslib.compose.stack import STACK
from opslib.compose.swarm import Swarm
from opslib.deploy.render import Config, from_text
from opslib.deploy.swarm.render import KINDS, Key, names, own
from opslib.errors import BadSettings, OpsError
from opslib.run.step import Run
from opslib.state import releases
from opslib.target.base import Target
from opslib.target.docker import docker
from opslib.target.transfer import read_file

MOST = 500_000  # bytes: what a Swarm takes
OURS = "opslib.stack"
"""The label of what we made: the stack's name."""

# Standard input: a compose file on one line, then the env file. Compose alone knows how it reads the latter.
_VALUES = """umask 077; d=$(mktemp -d) || exit; trap 'rm -rf -- "$d"' EXIT
IFS= read -r file; printf '%s' "$file" >"$d/values.yml"; cat >"$d/env"
docker compose --project-name opslib --project-directory "$d" --file "$d/values.yml" --env-file "$d/env" \\
  config --format json"""
# $1 the label, then what is still wanted: "secret NAME" or "config NAME"
_PRUNE = """l=$1; shift
for kind in secret config; do
  docker "$kind" ls --filter "label=$l" --format '{{.Name}}' | while IFS= read -r name; do
    for one; do [[ $one != "$kind $name" ]] || continue 2; done; docker "$kind" rm "$name" >/dev/null 2>&1
  done
done; true"""


def contents(target: Target, stack: Config, here: Path, env: bytes) -> dict[Key, bytes]:
    """What each secret and config of the stack holds: of files below the project's folder as they are in its folder
    `here`, of others as they are on the target, of variables as Compose reads them from the env file's text `env`.

    Raises BadSettings for one that is not there, holds nothing, or is too big for a Swarm.
    """
    found = {}
    variables = _values(target, sorted({one["environment"] for _, one in own(stack) if one.get("environment")}), env)
    for key, one in own(stack):
        if one.get("environment"):
            got: bytes | None = variables[one["environment"]].encode()
        elif one.get("file"):
            got = _file(target, str(one["file"]), here)
        else:
            got = str(one.get("content") or "").encode()
        found[key] = _checked(key, one, got, target.host.name)
    return found


def _file(target: Target, path: str, here: Path) -> bytes | None:
    mine = here / path.removeprefix(f"{target.root}/")
    return mine.read_bytes() if mine.is_file() else read_file(target, absolute(target.root, path))


def _checked(key: Key, one: Mapping[str, Any], got: bytes | None, host: str) -> bytes:
    called = f"the {key[0][:-1]} {key[1]}"
    where = one.get("file") or f"the variable {one.get('environment')}"
    if got is None:
        raise BadSettings(f"{called} comes from {where}, which is not there", host=host, left="everything")
    if not 0 < len(got) <= MOST:
        what = f"has {len(got)} bytes, and a Swarm takes {MOST}" if got else f"comes from {where}, which is empty"
        raise BadSettings(f"{called} {what}", host=host, left="everything")
    return got


def _values(target: Target, names: list[str], env: bytes) -> dict[str, str]:
    """The variables as Compose would put them in; "" for one that is not set."""
    if not names:
        return {}
    wanted = {"services": {"x": {"image": "x", "environment": {name: f"${{{name}-}}" for name in names}}}}
    feed = json.dumps(wanted).encode() + b"\n" + env
    said = read_all(target, docker_script(target.host, _VALUES).with_(feed=feed))
    values = json.loads(said.replace("$$", "$"))["services"]["x"]["environment"]
    return {name: str(values.get(name) or "") for name in names}


def refuse_absent(stack: Config, swarm: Swarm, host: str) -> None:
    """Raises OpsError where the stack names secrets or configs as external, and the Swarm does not have them."""
    for kind, known in (("secrets", swarm.secrets), ("configs", swarm.configs)):
        for key, one in (stack.get(kind) or {}).items():
            if one.get("external") and one.get("name", key) not in known:
                raise OpsError(
                    f"the {kind[:-1]} {one.get('name', key)} is external in the compose files, and the Swarm has none "
                    "of that name", host=host, left="everything",
                    next=f"docker {kind[:-1]} create {one.get('name', key)} - there, with its content on standard "
                    "input; or give it a `file:` or `environment:` in the compose file",
                )  # fmt: skip


def create(target: Target, project: str, stack: Config, contents: Mapping[Key, bytes], swarm: Swarm) -> list[str]:
    """Make those that are not there yet, and return their names. Raises CommandFailed."""
    made = []
    for (kind, key), content in contents.items():
        name = stack[kind][key]["name"]
        if name in (swarm.secrets if kind == "secrets" else swarm.configs):
            continue
        labels = ["--label", f"{STACK}={project}", "--label", f"{OURS}={project}"]
        target.run(docker(target.host, kind[:-1], "create", *labels, name, "-", feed=content, limit=60))
        made.append(name)
    return made


def prune(run: Run, memo: dict[str, Any]) -> None:
    """When every host has committed: remove those of ours that no release names any more."""
    target, wanted = run.target, []
    for release in releases.read(target):
        text = read_file(target, releases.stack_file(target, release.id))
        if release.project == memo["project"] and release.outcome != "failed" and text is not None:
            found = names(from_text(text))
            wanted += [f"{kind[:-1]} {name}" for kind in KINDS for name in sorted(found[kind])]
    target.run(docker_script(target.host, _PRUNE, f"{OURS}={memo['project']}", *dict.fromkeys(wanted)))
