"""The stack as `docker stack deploy` takes it: its schema is an older one than Docker Compose's, and there is neither
an order, nor a build, nor an address of the machine that a port could be bound to. All of it is decided purely."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from opslib.deploy.render import Config
from opslib.errors import BadSettings

VERSION = "3.9"
LONGEST = 64  # characters of a secret's name
KINDS = ("secrets", "configs")

_SERVICE = (
    "cap_add", "cap_drop", "command", "credential_spec", "dns", "dns_search", "entrypoint", "environment", "hostname",
    "image", "init", "isolation", "labels", "logging", "read_only", "stdin_open", "stop_grace_period", "stop_signal",
    "sysctls", "tty", "ulimits", "user", "working_dir",
)  # fmt: skip
_OURS = ("configs", "deploy", "extra_hosts", "healthcheck", "networks", "ports", "secrets", "tmpfs", "volumes")
_HEALTH = ("disable", "interval", "retries", "start_period", "test", "timeout")
_DEPLOY = ("endpoint_mode", "labels", "mode", "placement", "replicas", "restart_policy", "rollback_config",
           "update_config")  # fmt: skip
# What Swarm has in another way, or what opslib does itself.
_SILENT = ("build", "depends_on", "expose", "platform", "profiles", "pull_policy", "restart", "scale")
_MOUNT = ("type", "source", "target", "read_only")


def swarm_form(stack: Config, folder: str) -> Config:
    """A pinned stack for `docker stack deploy`. `folder` is the project's: the label by which it is found again."""
    services = {name: _service(entry, folder) for name, entry in stack.get("services", {}).items()}
    found: Config = {"version": VERSION, "services": services}
    for kind in (*KINDS, "networks", "volumes"):
        if entries := stack.get(kind):
            found[kind] = {key: dict(one or {}) for key, one in entries.items()}
    return found


def without_order(stack: Config) -> Config:
    """The stack without what says which service waits for which: Swarm starts all of them at once."""
    services = {name: {key: one for key, one in entry.items() if key != "depends_on"}
                for name, entry in stack.get("services", {}).items()}  # fmt: skip
    return {**stack, "services": services}


def ignored(stack: Config) -> dict[str, list[str]]:
    """What of each service a Swarm has no use for, and that is not said elsewhere."""
    known = {*_SERVICE, *_OURS, *_SILENT}
    found = {}
    for name, entry in stack.get("services", {}).items():
        keys = [key for key, one in entry.items() if key not in known and one not in (None, False, [], {})]
        keys += [f"healthcheck.{key}" for key in entry.get("healthcheck") or {} if key not in _HEALTH]
        keys += [f"tmpfs {one}" for one in entry.get("tmpfs") or [] if ":" in one]
        if keys:
            found[name] = sorted(keys)
    return found


def _service(entry: Mapping[str, Any], folder: str) -> Config:
    found: Config = {key: entry[key] for key in _SERVICE if entry.get(key) is not None}
    if variables := entry.get("environment"):
        found["environment"] = {key: value for key, value in variables.items() if value is not None}
    found["labels"] = {**(entry.get("labels") or {}), "com.docker.compose.project.working_dir": folder}
    if hosts := entry.get("extra_hosts"):
        found["extra_hosts"] = [one.replace("=", ":", 1) for one in hosts]
    if health := entry.get("healthcheck"):
        found["healthcheck"] = {key: one for key, one in health.items() if key in _HEALTH}
    if networks := entry.get("networks"):
        found["networks"] = {name: {"aliases": one["aliases"]} if (one or {}).get("aliases") else None
                             for name, one in networks.items()}  # fmt: skip
    if ports := entry.get("ports"):
        found["ports"] = list(map(_port, ports))
    mounts = [*map(_mount, entry.get("volumes") or []),
              *({"type": "tmpfs", "target": one.split(":")[0]} for one in entry.get("tmpfs") or [])]  # fmt: skip
    if mounts:
        found["volumes"] = mounts
    for kind in KINDS:
        if used := entry.get(kind):
            found[kind] = list(map(_used, used))
    found["deploy"] = _deploy(entry)
    return found


def _deploy(entry: Mapping[str, Any]) -> Config:
    given = entry.get("deploy") or {}
    found: Config = {key: given[key] for key in _DEPLOY if given.get(key) is not None}
    if entry.get("scale") is not None:
        found.setdefault("replicas", entry["scale"])
    condition = {"no": "none", "on-failure": "on-failure"}.get(str(entry.get("restart", "")).split(":")[0])
    if condition is not None:  # a Swarm starts everything again that does not say so
        found.setdefault("restart_policy", {"condition": condition})
    if resources := given.get("resources"):
        found["resources"] = {
            kind: {**one, **({"cpus": str(one["cpus"])} if "cpus" in one else {})} for kind, one in resources.items()
        }
    return found


def _port(port: Mapping[str, Any]) -> Config:
    found: Config = {"target": int(port["target"]), "protocol": port.get("protocol", "tcp")}
    if port.get("published"):
        found["published"] = int(port["published"])
    return {**found, "mode": port.get("mode") or "ingress"}


def _mount(mount: Mapping[str, Any]) -> Config:
    found: Config = {key: mount[key] for key in _MOUNT if mount.get(key)}
    if propagation := (mount.get("bind") or {}).get("propagation"):
        found["bind"] = {"propagation": propagation}
    if (mount.get("volume") or {}).get("nocopy"):
        found["volume"] = {"nocopy": True}
    if size := (mount.get("tmpfs") or {}).get("size"):
        found["tmpfs"] = {"size": int(size)}
    return found


def _used(one: Mapping[str, Any]) -> Config:
    """What a service gets of a secret or config; older versions of Compose say the mode as a number."""
    found: Config = {key: one[key] for key in ("source", "target", "uid", "gid") if one.get(key)}
    if (mode := one.get("mode")) is not None:
        found["mode"] = int(mode, 8) if isinstance(mode, str) else mode
    return found


# -- secrets and configs: a Swarm's cannot be changed, so each content has a name of its own


Key = tuple[str, str]  # "secrets" or "configs", and the key in the compose files


def own(stack: Config) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    """The secrets and configs whose content the compose files tell."""
    for kind in KINDS:
        for key, one in (stack.get(kind) or {}).items():
            if not one.get("external"):
                yield (kind, key), one


def versioned(stack: Config, contents: Mapping[Key, bytes]) -> Config:
    """The stack with each secret and config of its own as one that is there, called by what it holds:
    `NAME_1f3a5b7c`."""
    found = {**stack, **{kind: dict(stack[kind]) for kind in KINDS if stack.get(kind)}}
    for (kind, key), one in own(stack):
        digest = hashlib.sha256(contents[kind, key]).hexdigest()[:8]
        name = str(one.get("name") or key)[: LONGEST - 9] + f"_{digest}"
        found[kind][key] = {"name": name, "external": True}
    return found


def names(stack: Config) -> dict[str, frozenset[str]]:
    """The real names of a stack's secrets and configs."""
    return {kind: frozenset(one.get("name") or key for key, one in (stack.get(kind) or {}).items()) for kind in KINDS}


# -- what cannot go well


def refuse(stack: Config, single: tuple[str, ...], host: str) -> None:
    """Raises BadSettings for what a Swarm would do otherwise than the compose files say, or not at all."""
    for name, entry in stack.get("services", {}).items():
        for port in entry.get("ports") or []:
            if port.get("host_ip"):
                raise BadSettings(
                    f"service {name} publishes {port['host_ip']}:{port.get('published', '')}, and a Swarm publishes on "
                    "every address of the machine", host=host, left="everything",
                    next="publish the port without an address in a compose file for the Swarm, and close it in the "
                    "firewall",
                )  # fmt: skip
        for mount in entry.get("volumes") or []:
            if mount.get("type") not in ("volume", "bind", "tmpfs") or (mount.get("volume") or {}).get("subpath"):
                raise BadSettings(f"service {name} mounts {mount['target']} in a way that a Swarm does not have",
                                  host=host, left="everything", next="mount a whole volume or a folder")  # fmt: skip
        if (why := _one_writer(name, entry, single)) and order(entry) == "start-first":
            raise BadSettings(
                f"service {name} is updated start-first, and {why}: two at once would write to the same", host=host,
                left="everything", next=f"`order: stop-first` in `deploy: update_config:` of {name}",
            )  # fmt: skip


def _one_writer(name: str, entry: Mapping[str, Any], single: tuple[str, ...]) -> str:
    if name in single:
        return "the host file says that there is only one"
    volumes = [one for one in entry.get("volumes") or [] if one["type"] == "volume" and not one.get("read_only")]
    return f"writes to {volumes[0].get('source') or volumes[0]['target']}" if volumes else ""


def order(entry: Mapping[str, Any]) -> str:
    """Whether an update of the service starts the new task first."""
    return str(((entry.get("deploy") or {}).get("update_config") or {}).get("order") or "stop-first")


def how(entry: Mapping[str, Any]) -> str:
    """How the Swarm updates the service, in words."""
    update = (entry.get("deploy") or {}).get("update_config") or {}
    at_once = update.get("parallelism", 1)
    return f"{order(entry)}, {at_once or 'all'} at a time, {update.get('failure_action') or 'pause'} where it fails"


def keeps_data(entry: Mapping[str, Any]) -> bool:
    """Whether the service has a volume that it writes to."""
    return bool(_one_writer("", entry, ()))
