"""Waiting until services are healthy, seen from the server; and why one is not."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from opslib.command import Command, quote
from opslib.compose.checks import Answer, Check, CommandCheck
from opslib.compose.project import Project
from opslib.compose.script import docker_script, read_all, sections
from opslib.compose.stack import IDS, Container, Stack, parse_containers
from opslib.compose.verdict import Verdict, ended, judge
from opslib.errors import OpsError
from opslib.events import Note
from opslib.target.docker import END_INSIDE
from opslib.target.process import mask

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

_FIRST, _LAST = 0.3, 1.0  # seconds between two looks
LOG_LINES = 10

# $1 the project, then for each check: container, "address port address port …" (the first that can be connected to
# counts), the number of words that follow, and those: http PATH HEADER VALUE BODY, tcp, or exec COMMAND…. All at once,
# and HTTP without curl. A line of the answers: container, exit code, status, y or n for header and body, last words.
_POLL = """printf '# now\\n%s\\n# containers\\n' "$(date +%s.%N)"
look() { local ids; ids=$(@IDS@) || return
  [ -z "$ids" ] || docker inspect --type container --format '{{json .}}' $ids; }
seen=$(look "$1" 2>/dev/null) || seen=$(look "$1") || exit
printf '%s\\n# gateways\\n' "$seen"
[[ $seen != *'"com.docker.swarm.task.id"'* ]] || docker network inspect --format '{{json .Containers}}' docker_gwbridge
printf '\\n# answers\\n'; shift
asking=$(cat <<'END'
exec 3<>"/dev/tcp/$1/$2" || exit 7
[[ $3 == http ]] || exit 0
printf 'GET %s HTTP/1.0\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' "$4" >&3
IFS=' ' read -r -u 3 _ status _ || exit 9
header=y body=y
if [[ $5$7 ]]; then
  [[ -z $5 ]] || header=n
  while IFS= read -r -u 3 line && line=${line%$'\\r'} && [[ $line ]]; do
    name=${line%%:*}; [[ -n $5 && ${name,,} == "$5" && ${line#*:} == *"$6"* ]] && header=y
  done
  [[ -z $7 ]] || { text=$(head -c 65536 <&3 | tr -d '\\0'); [[ $text == *"$7"* ]] || body=n; }
fi
printf '%s %s %s' "${status%$'\\r'}" "$header" "$body"
END
)
ask() { local id=$1 at=($2) said='' c=7 i mark; shift 2
  if [[ $1 == exec ]]; then
    shift; mark=$$-$BASHPID
    said=$(set -o pipefail; timeout -k 1 10 "${D[@]}" exec -e "OPSLIB=$mark" "$id" "$@" 2>&1 </dev/null |
      tail -c 300 | tr '\\r\\n' '  '); c=$? said="0 y y $said"
    ((c != 124)) || docker exec "$id" sh -c @END@ sh "$mark" >/dev/null 2>&1
  else
    for ((i = 0; i < ${#at[@]}; i += 2)); do
      said=$(timeout -k 1 5 bash --norc -c "$asking" - "${at[@]:i:2}" "$@" 2>/dev/null); c=$?
      case $c in 7 | 124) ;; *) break ;; esac
    done
  fi
  printf '%s %s %s\\n' "$id" "$c" "${said:-0 y y}"; }
while (($#)); do n=$3; ask "$1" "$2" "${@:4:n}" & shift $((3 + n)); done
wait""".replace("@END@", quote(END_INSIDE)).replace("@IDS@", IDS)

Asked = tuple[str, Check, tuple[tuple[str, int], ...]]  # container, what is asked, addresses


def poll_command(host: Host, project: str, asked: Iterable[Asked]) -> Command:
    """One look at all containers of the project, and each of `asked` once."""
    words: list[str] = []
    for container, check, addresses in asked:
        told = check.words()
        words += [container, " ".join(f"{ip} {port}" for ip, port in addresses), str(len(told)), *told]
    return docker_script(host, _POLL, project, *words)


def parse_poll(text: str) -> tuple[float, list[Container], dict[str, Answer]]:
    """The server's clock, the containers, and the best answer of each that was asked."""
    parts = sections(text)
    answers: dict[str, Answer] = {}
    for line in parts.get("answers", []):
        container, code, status, header, body, *said = line.split(" ", 5)
        number = int(status) if status.isdigit() else 0
        answers[container] = Answer(int(code), number, header == "y", body == "y", " ".join(said).strip())
    containers = parse_containers(parts.get("containers", []))
    return float(parts["now"][0]), _reachable(containers, parts.get("gateways", [])), answers


def _reachable(containers: list[Container], gateways: Sequence[str]) -> list[Container]:
    """The same with the addresses at which this machine can ask tasks of a Swarm: those on its own bridge, as it has
    none in an overlay network."""
    at = {
        id: str(one.get("IPv4Address", "")).split("/")[0] for line in gateways for id, one in json.loads(line).items()
    }
    return [
        dataclasses.replace(one, networks={"docker_gwbridge": at[one.id]}) if at.get(one.id) else one
        for one in containers
    ]  # fmt: skip


class Looks:
    """Looks at the containers of services but those `without`, one round trip each, and judges them. What is not good
    may still become it; what has failed will not, like a container that ended or restarted since the first look."""

    def __init__(
        self, target: Target, project: Project, services: Iterable[str], *, checks: Mapping[str, Check],
        stable: float, settled: float = 0.0, without: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._target, self._project, self._checks = target, project, checks
        self._stable, self._settled = stable, settled
        self.services, self._without = list(dict.fromkeys(services)), without
        self._restarts: dict[str, int] = {}
        self._asked: list[Asked] = []
        self._began = time.monotonic()
        self._stack = Stack(project.name, ())
        self.blind = False
        """Whether a check that there is could not be made yet, and can at the next look."""

    @property
    def elapsed(self) -> float:
        """Seconds since they began."""
        return time.monotonic() - self._began

    def look(self) -> dict[str, Verdict]:
        """The worst verdict on each service's containers."""
        command = poll_command(self._target.host, self._project.name, self._asked)
        now, seen, answers = parse_poll(read_all(self._target, command))
        self._stack = stack = Stack(self._project.name, tuple(one for one in seen if one.id not in self._without))
        self._asked = [
            (container.id, check, addresses)
            for name in self.services
            if (check := self._checks.get(name)) is not None
            for container in stack.service(name)
            if container.state == "running"
            and ((addresses := tuple(check.addresses(container))) or isinstance(check, CommandCheck))
        ]
        self.blind = bool(self._asked) and not answers
        return {name: self._judge(name, stack, answers, now) for name in self.services}

    def _judge(self, name: str, stack: Stack, answers: Mapping[str, Answer], now: float) -> Verdict:
        service, check = self._project.services[name], self._checks.get(name)
        one_shot, containers = name in self._project.one_shots(), stack.service(name)
        verdicts = [
            judge(service, c, one_shot=one_shot, restarts=self._restarts.setdefault(c.id, c.restart_count),
                  check=check, answer=answers.get(c.id), now=now, stable=self._stable, settled=self._settled)
            for c in containers
        ]  # fmt: skip
        if len(containers) < service.replicas:
            verdicts.append(Verdict(f"{len(containers)} of {service.replicas} containers are there"))
        worst = [v for v in verdicts if v.failed] or [v for v in verdicts if not v.good] or verdicts
        return worst[0] if worst else Verdict("no container is wanted", good=True)

    def failure(self, bad: Mapping[str, Verdict]) -> OpsError:
        """What is said of services that are not healthy, with the last log lines of the first."""
        return _failure(self._target, self._project, self._stack, bad, self.elapsed)


def wait_healthy(
    target: Target,
    project: Project,
    services: Iterable[str],
    *,
    checks: Mapping[str, Check],
    stable: float,
    timeout: float,
    without: Collection[str] = (),
    settled: float = 0.0,
) -> None:
    """Wait until every container of the services but those `without` is healthy; one round trip for each look.

    A container is healthy when Docker's health check says so and the service's own check is good, and it has run for
    `settled` seconds; without both, when it has run for `stable` seconds. A one-shot is when it has ended with 0.
    Raises OpsError with what was seen and the last log lines: at once when a container ends, restarts, or is
    unhealthy, else after `timeout` seconds.
    """
    looks, wait = (
        Looks(target, project, services, checks=checks, stable=stable, settled=settled, without=without),
        _FIRST,
    )
    good: set[str] = set()
    while looks.services:
        waiting: dict[str, Verdict] = {}
        for name, verdict in looks.look().items():
            limit = checks[name].seconds if name in checks else None
            if verdict.failed or (not verdict.good and limit is not None and looks.elapsed > limit):
                raise looks.failure({name: verdict})
            if not verdict.good:
                waiting[name] = verdict
            elif name not in good:
                good.add(name)
                target.tell(Note(target.host.name, f"{name}: {verdict.seen}"))
        if not waiting:
            return
        if looks.elapsed > timeout:
            raise looks.failure(waiting)
        time.sleep(0 if looks.blind else wait)
        wait = min(_LAST, wait * 1.3)


def _failure(target: Target, project: Project, stack: Stack, bad: Mapping[str, Verdict], elapsed: float) -> OpsError:
    name, verdict = next(iter(bad.items()))
    seen = "; ".join(f"{service}: {one.seen}" for service, one in bad.items())
    after = "" if verdict.failed else f" after {elapsed:.0f} s"
    containers = stack.service(name)
    what = f"service {name} is not healthy{after}: {verdict.seen}" if len(bad) == 1 else f"not healthy{after}: {seen}"
    secrets = {*project.secrets(), *(text for c in containers for text in c.env.secrets())}
    what = mask(what, tuple(secrets))
    return OpsError(
        what + "".join(_logs(target, c) for c in containers[:1]),
        host=target.host.name,
        next=f"inv logs --service {name} --host {target.host.name}",
    )


def explain(target: Target, stack: Stack) -> str:
    """Which container of the stack is plainly not well, with its last log lines; "" when each of them is."""
    for container in stack.containers:
        if container.state in ("restarting", "dead") or (container.state == "exited" and container.exit_code):
            return f"\n  service {container.service}: it {ended(container)}{_logs(target, container)}"
        if container.health == "unhealthy":
            output = mask(" ".join(container.health_output.split())[:300], container.env.secrets())
            return f"\n  service {container.service}: its health check fails: {output}{_logs(target, container)}"
    return ""


def last_lines(target: Target, container: Container, count: int = LOG_LINES) -> Sequence[str]:
    """The last lines of a container's log, without the secrets of its environment."""
    script = docker_script(target.host, 'docker logs --tail "$1" "$2" 2>&1', str(count), container.id)
    return mask(target.run(script, check=False).text, container.env.secrets()).splitlines()[-count:]


def _logs(target: Target, container: Container) -> str:
    lines = last_lines(target, container)
    return "".join(f"\n    | {line[:300]}" for line in lines) if lines else "\n    (its log is empty)"
