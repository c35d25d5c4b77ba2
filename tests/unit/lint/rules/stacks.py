"""Small stacks for the rules: a compose file, resolved as far as these need it. What Compose really makes of such files
is asked in tests/lab/test_lint_rules.py."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from opslib.compose.project import parse_project
from opslib.lint import written
from opslib.lint.model import Facts, Model
from opslib.lint.rule import Found
from opslib.lint.rules import RULES

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::?([-?])([^}]*))?\}|(\w+))")


def model(folder: Path, text: str, env: Mapping[str, str] = {}, facts: Facts | None = None) -> Model:
    """The model of a stack with this compose file in this folder."""
    (folder / "compose.yml").write_text(text)
    config = resolved(text, env, str(folder))
    project = parse_project(config, root=str(folder), files=["compose.yml"])
    return Model(project, config, folder, env, facts or Facts(), written.read(folder, ["compose.yml"]))


def found(seen: Model, rule: str) -> list[Found]:
    """What a rule says."""
    (check,) = [one.check for one in RULES if one.id == rule]
    return list(check(seen))


def told(seen: Model, *costs: str) -> list[tuple[str, str, int]]:
    """Everything that is found: rule, service, line."""
    wanted = costs or ("loses data", "breaks", "exposes", "hardening")
    return [
        (rule.id, one.service, one.place.line)
        for rule in RULES if rule.cost in wanted and (not rule.running or seen.facts.running)
        for one in rule.check(seen)
    ]  # fmt: skip


def resolved(text: str, env: Mapping[str, str], root: str) -> dict[str, Any]:
    """As `docker compose config` has it: long forms, variables replaced, single dollars."""
    document = json.loads(_filled(json.dumps(yaml.safe_load(text) or {}), env))
    document.pop("version", None)
    volumes = document.get("volumes") or {}
    document["volumes"] = {key: {"name": f"shop_{key}", **(one or {})} for key, one in volumes.items()}
    document["networks"] = document.get("networks") or {"default": {"name": "shop_default"}}
    for entry in document.get("services", {}).values():
        _long(entry, env, root)
    return {"name": "shop", **document}


def _filled(text: str, env: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        return json.dumps(env.get(match[2] or match[5], (match[4] or "") if match[3] == "-" else ""))[1:-1]

    return _VARIABLE.sub(value, text)


def _long(entry: dict[str, Any], env: Mapping[str, str], root: str) -> None:
    entry.pop("extends", None)
    if isinstance(entry.get("build"), str):
        entry["build"] = {"context": entry["build"]}
    if isinstance(entry.get("environment"), list):
        entry["environment"] = dict(
            one.partition("=")[::2] if "=" in one else (one, env.get(one)) for one in entry["environment"]
        )
    if isinstance(entry.get("depends_on"), list):
        entry["depends_on"] = {one: {"condition": "service_started", "required": True} for one in entry["depends_on"]}
    for key in ("command", "entrypoint"):
        if isinstance(entry.get(key), str):
            entry[key] = shlex.split(entry[key])
    test = (entry.get("healthcheck") or {}).get("test")
    if isinstance(test, str):
        entry["healthcheck"]["test"] = ["CMD-SHELL", test]
    if isinstance(entry.get("tmpfs"), str):
        entry["tmpfs"] = [entry["tmpfs"]]
    if isinstance(entry.get("networks"), list):
        entry["networks"] = dict.fromkeys(entry["networks"])
    if "network_mode" not in entry:
        entry.setdefault("networks", {"default": None})
    entry["volumes"] = [_mount(one, root) for one in entry.get("volumes") or []]
    entry["ports"] = [_port(one) for one in entry.get("ports") or []]


def _mount(one: Any, root: str) -> dict[str, Any]:
    if isinstance(one, dict):
        return one
    source, _, rest = one.partition(":")
    if not rest:
        return {"type": "volume", "target": source}
    target, _, mode = rest.partition(":")
    if source.startswith((".", "/", "~")):
        return {"type": "bind", "source": str(Path(root, source)), "target": target, "read_only": mode == "ro"}
    return {"type": "volume", "source": source, "target": target, "read_only": mode == "ro"}


def _port(one: Any) -> dict[str, Any]:
    if isinstance(one, dict):
        return one
    plain, _, protocol = str(one).partition("/")
    *ip, published, target = ["", *plain.split(":")] if ":" in plain else ["", "", plain]
    found = {"mode": "ingress", "target": int(target), "protocol": protocol or "tcp"}
    if published:
        found["published"] = published
    if ip and ip[-1]:
        found["host_ip"] = ip[-1]
    return found
