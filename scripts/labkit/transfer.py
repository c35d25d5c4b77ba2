"""Giving a server images that are here, since no registry is between them."""

from __future__ import annotations

import json
from pathlib import Path

from . import engine
from .shell import LabError, attempt, run, say

_SEND = 'set -o pipefail; docker=$1 to=$2; shift 2; "$docker" save "$@" | "$docker" exec -i "$to" docker load -q'


def load(container: str, refs: list[str], note: Path) -> None:
    """Give the server the images that it lacks or has in another version.

    The two image stores give one image different ids, so the note keeps both: what was here and what it became there.
    """
    if not refs:
        return
    docker = engine.client()
    noted = json.loads(note.read_text()) if note.exists() else {}
    here = _ids([docker], refs)
    unknown = [ref for ref in refs if ref not in here]
    if unknown:
        raise LabError(f"no such image here: {', '.join(unknown)}", 2)
    inside = [docker, "exec", container, "docker"]
    there = _ids(inside, refs)
    missing = [ref for ref in refs if ref not in there or noted.get(ref) != [here[ref], there[ref]]]
    if not missing:
        return
    say(f"load {', '.join(missing)} into {container}, about {3 + 2 * len(missing)} s")
    run(["bash", "-c", _SEND, "bash", docker, container, *missing])
    there = _ids(inside, refs)
    note.write_text(json.dumps({**noted, **{ref: [here[ref], there[ref]] for ref in refs}}))


def _ids(docker: list[str], refs: list[str]) -> dict[str, str]:
    said = attempt([*docker, "image", "inspect", "--format", "{{json .RepoTags}} {{.Id}}", *refs]).stdout
    pairs = (line.rsplit(" ", 1) for line in said.splitlines() if " " in line)
    return {ref: image_id for tags, image_id in pairs for ref in json.loads(tags) if ref in refs}
