"""A migration's command as a job of the Swarm: only so does it see the stack's own network, secrets and configs."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from opslib.command import Command
from opslib.compose.project import Project
from opslib.compose.script import docker_script
from opslib.state import releases
from opslib.target.docker import docker
from opslib.target.transfer import read_file

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

REJECTED = 125  # the exit code where no container came to be, as of `docker run`

# $1 the stack, $2 the job, $3 not empty: its errors among its output. The stack's file is standard input. The job's
# container is on this machine: its lines are read there as they come, and it says how it ended.
_RUN = f"""job=$1_$2; one='{{{{.ID}}}}|{{{{.CurrentState}}}}|{{{{.Error}}}}'
trap 'docker service rm "$job" >/dev/null 2>&1' EXIT; trap 'exit 143' TERM
d=(); [[ $(docker stack deploy --help) != *--detach* ]] || d=(--detach=true)
docker stack deploy "${{d[@]}}" --compose-file - --resolve-image never "$1" >/dev/null || exit {REJECTED}
until [[ $c ]]; do
  IFS='|' read -r task state said < <(docker service ps --no-trunc --format "$one" "$job")
  c=$(docker ps -aq --no-trunc --filter "label=com.docker.swarm.task.id=$task" --filter status=running \\
    --filter status=exited --filter status=dead)
  case ${{c:-$state}} in Rejected*|Failed*) printf '%s\\n' "$said"; exit {REJECTED} ;; esac
  [[ $c ]] || sleep 0.1
done
if [[ $3 ]]; then docker logs --follow "$c" 2>&1; else docker logs --follow "$c"; fi
exit "$(docker wait "$c")\""""

_KEPT = ("placement", "resources")


def with_job(target: Target, project: Project, release: str) -> Project:
    """The project of a release, knowing its stack where it was made for a Swarm."""
    return dataclasses.replace(project, swarm=read_file(target, releases.swarm_file(target, release)))


def job_command(
    host: Host, project: Project, service: str, name: str, words: tuple[str, ...], *, merged: bool, limit: float
) -> Command:
    """The words in the image of a service, as a job `name` of the stack that goes away with the command. `merged`: its
    errors among its output."""
    assert project.swarm is not None
    feed = json.dumps(job_form(json.loads(project.swarm), service, name, words)).encode()
    gone = docker(host, "service", "rm", f"{project.name}_{name}")
    script = docker_script(host, _RUN, project.name, name, "merged" if merged else "", limit=limit)
    return script.with_(feed=feed, on_break=gone)


def job_form(stack: dict[str, Any], service: str, name: str, words: tuple[str, ...]) -> dict[str, Any]:
    """The stack with nothing but the job in it; its dollars are doubled, and stay so."""
    entry = {key: one for key, one in stack["services"][service].items() if key not in ("ports", "healthcheck")}
    kept = {key: one for key, one in (entry.get("deploy") or {}).items() if key in _KEPT}
    entry["deploy"] = {**kept, "mode": "replicated-job", "replicas": 1, "restart_policy": {"condition": "none"}}
    entry["command"] = [word.replace("$", "$$") for word in words]
    return {**stack, "services": {name: entry}}
