"""Docker: the engine with Compose, and its daemon.json."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from opslib.errors import OpsError
from opslib.host.provision.part import LONG, Change, Facts, System, Wanted, content, missing

POOLS = [{"base": "172.16.0.0/12", "size": 24}]
"""Docker's own pools are about thirty networks, which a handful of stacks use up; these are 4096."""
ROTATION = {"max-size": "10m", "max-file": "3"}
_ROTATED = ("json-file", "local")  # the drivers that know these options; another one would not start with them

_DEBIAN = ("docker.io", "docker-cli", "docker-compose", "docker-buildx", "iptables")
_UBUNTU = ("docker.io", "docker-compose-v2", "docker-buildx", "iptables")
# https://docs.docker.com/engine/install/debian/ and …/ubuntu/
_DOCKER = ("docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin", "iptables")
ASKED = tuple(dict.fromkeys((*_DEBIAN, *_UBUNTU, *_DOCKER)))

_START = """
must systemctl enable docker.service
systemctl -q is-active docker.service || must systemctl start docker.service
for ((i = 0; i < 60; i++)); do docker info >/dev/null 2>&1 && break; sleep 1; done
((i < 60)) || fail "the engine does not answer after a minute: journalctl -u docker\""""
_INSTALL = f"""((!$#)) || packages "$@"
{_START}"""
# $1 debian or ubuntu, $2 the release's codename, then the packages
_FROM_DOCKER = f"""family=$1 codename=$2; shift 2
if [[ ! -s /etc/apt/keyrings/docker.asc ]]; then
  must install -d -m 755 /etc/apt/keyrings
  new=$(mktemp)
  from=https://download.docker.com/linux/$family/gpg
  said=$(curl -fsSL --retry 2 --connect-timeout 20 -o "$new" "$from" 2>&1) || fail "its key cannot be fetched: $said"
  write /etc/apt/keyrings/docker.asc 644 <"$new"
  rm -f -- "$new"
fi
write /etc/apt/sources.list.d/docker.sources 644 <<END
Types: deb
URIs: https://download.docker.com/linux/$family
Suites: $codename
Components: stable
Architectures: $(dpkg --print-architecture)
Signed-By: /etc/apt/keyrings/docker.asc
END
apt update || {{ rm -f /etc/apt/sources.list.d/docker.sources; fail "$WHY"; }}
packages "$@"
{_START}"""


def docker(facts: Facts, wanted: Wanted) -> Change | None:
    """An engine that runs and Compose 2. An engine that is there stays what it is."""
    system, major = System(facts), facts.get("docker.compose", "").lstrip("v").split(".")[0]
    has_compose = major.isdigit() and int(major) >= 2
    if facts.get("docker.engine") == "yes":
        if has_compose and facts.get("docker.version") and facts.get("docker.enabled") == "enabled":
            return None
        packages = () if has_compose else _compose_for(facts, system)
        what = f"Compose 2: {', '.join(packages)}" if packages else "start the engine, now and with each boot"
        return Change(what, _INSTALL, packages, limit=LONG)
    old = system.family == "debian" and system.release < 13  # its packages have no Compose 2
    source = wanted.settings.docker or ("docker" if old else "distribution")
    if source == "docker":
        what = f"Docker from its own repository, for {system.family} {system.codename}: {', '.join(_DOCKER)}"
        return Change(what, _FROM_DOCKER, (system.family, system.codename, *_DOCKER), limit=LONG)
    if old:
        raise OpsError("Debian 12's own packages have no Compose 2", left="everything",
                       next="`provision: {docker: docker}` in the host file, for Docker's own repository")  # fmt: skip
    packages = _UBUNTU if system.family == "ubuntu" else _DEBIAN
    return Change(f"Docker from {system.name}: {', '.join(packages)}", _INSTALL, packages, limit=LONG)


def _compose_for(facts: Facts, system: System) -> tuple[str, ...]:
    if "package.docker-ce" in facts:
        return ("docker-compose-plugin",)
    if system.family == "debian" and system.release < 13:
        raise OpsError(
            "there is an engine without Compose 2, and Debian 12's own packages have none", left="everything",
            next="install Docker's own packages there, or its Compose: docs.docker.com/compose/install/linux",
        )  # fmt: skip
    return missing(facts, "docker-compose-v2" if system.family == "ubuntu" else "docker-compose", "docker-buildx")


# $1 the digest of the file that was seen, $2 none, reload or restart: what the engine needs, $3 the project's folder;
# the new file on standard input. The project's lock is held while the engine stops, so that it is nobody's deploy that
# dies.
_DAEMON = """file=/etc/docker/daemon.json
digest() { [[ ! -e $file ]] || sha256sum <"$file" | cut -d' ' -f1; }
back() {
  if [[ -e $KEPT/daemon.json ]]; then cp -a -- "$KEPT/daemon.json" "$file"; else rm -f -- "$file"; fi
  log systemctl reset-failed docker.service
  log systemctl restart docker.service
  rm -f -- "$KEPT/restart-docker"
  fail "the engine did not come up with the new daemon.json (journalctl -u docker): the old one is back"
}
[[ $(digest) == "$1" ]] || fail "daemon.json has changed meanwhile: run it again"
mkdir -p /etc/docker; new=$(mktemp /etc/docker/.opslib.XXXXXX); cat >"$new"
if [[ -e $file ]]; then chmod --reference="$file" "$new"; else chmod 644 "$new"; fi # a proxy's password may be in it
if [[ $(dockerd --help 2>/dev/null) == *--validate* ]]; then
  said=$(dockerd --validate --config-file="$new" 2>&1 | tail -n 3; exit "${PIPESTATUS[0]}") ||
    { rm -f -- "$new"; fail "the engine would not take the new daemon.json: $said"; }
fi
if [[ $2 == restart && -d $3/.opslib ]]; then
  exec 8<>"$3/.opslib/lock"
  flock -w 60 8 || { rm -f -- "$new"; fail "another run holds the project's lock: $(tail -n 1 "$3/.opslib/lock")"; }
fi
# Where an earlier run did not come to its restart, the one to go back to is what that had kept.
if [[ ! -e $KEPT/restart-docker ]]; then
  rm -f -- "$KEPT/daemon.json"; [[ ! -e $file ]] || cp -a -- "$file" "$KEPT/daemon.json"
fi
[[ $2 == none ]] || : >"$KEPT/restart-docker"
sync -- "$new"; mv -fT -- "$new" "$file"; sync /etc/docker
case $2 in
  reload) must systemctl reload docker.service ;;
  restart)
    log systemctl reset-failed docker.service
    log systemctl restart docker.service || back
    for ((i = 0; i < 60; i++)); do docker info >/dev/null 2>&1 && break; sleep 1; done
    ((i < 60)) || back ;;
esac
rm -f -- "$KEPT/restart-docker\""""


def daemon(facts: Facts, wanted: Wanted) -> Change | None:
    """daemon.json has what is wanted, and everything else that it had. Raises OpsError where it is no JSON."""
    text = content(facts, "daemon.json")
    before = _parsed(text)
    swarm = wanted.swarm or facts.get("docker.swarm", "inactive") != "inactive"
    after = merged(before, wanted.settings.daemon, swarm=swarm)
    keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    runs, again = bool(facts.get("docker.version")), facts.get("daemon.restart") == "yes"
    if not keys and not (again and runs):
        return None
    need = "none" if not runs else "reload" if keys == ["live-restore"] and not again else "restart"
    what = "restart the engine: an earlier run had changed daemon.json and did not come to that"
    if keys:
        what = f"daemon.json: {', '.join(f'{key} {json.dumps(after[key])}' for key in keys)}"
    stops = _stops(facts) if need == "restart" else ""
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest() if text is not None else ""
    new = json.dumps(after, indent=2) + "\n" if keys else text or ""
    return Change(f"{what}; {stops}" if stops else what, _DAEMON, (digest, need, facts["folder.path"]),
                  new.encode("utf-8", "surrogateescape"), limit=300, stops=stops)  # fmt: skip


def _parsed(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text) if text is not None and text.strip() else {}
    except ValueError as error:
        raise _no_json(str(error)) from None
    if not isinstance(found, dict):
        raise _no_json("it holds no object")
    return found


def _no_json(why: str) -> OpsError:
    return OpsError(f"/etc/docker/daemon.json is no JSON that could be merged: {why}", left="everything",
                    next="mend it there: dockerd --validate --config-file=/etc/docker/daemon.json")  # fmt: skip


def merged(before: dict[str, Any], said: dict[str, Any], *, swarm: bool) -> dict[str, Any]:
    """daemon.json with log rotation, address pools and live-restore, where it says nothing of them itself; over that
    what the host file says. Without live-restore for a Swarm, which excludes it."""
    found = dict(before)
    if "log-opts" not in found and found.get("log-driver", "json-file") in _ROTATED:
        found.setdefault("log-driver", "json-file")
        found["log-opts"] = dict(ROTATION)
    found.setdefault("default-address-pools", POOLS)
    if not swarm:
        found.setdefault("live-restore", True)
    for key, value in said.items():
        old = found.get(key)
        found[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return found


def _stops(facts: Facts) -> str:
    """What a restart of the engine stops."""
    names = facts.get("docker.running", "").split()
    if not names:
        return "the engine restarts; no container runs"
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    if facts.get("docker.live") == "true":
        return f"the engine restarts; by live-restore its containers run on: {shown}"
    return f"the engine restarts, which stops {shown}; those with a restart policy come back"
