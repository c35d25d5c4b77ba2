"""Asking Qdrant. Its image has no program that speaks HTTP, so requests are made by Python in the tools image, beside
its container; the key goes there by the environment."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opslib.command import Secret
from opslib.engines.engine import Engine, Facts, first
from opslib.engines.instance import Instance, Login
from opslib.errors import CommandFailed, OpsError
from opslib.target.docker import exec_in

if TYPE_CHECKING:
    from opslib.compose.stack import Container
    from opslib.target.base import Target

Request = tuple[str, str] | tuple[str, str, Any]
"""Method, path, and a body to be sent as JSON."""

KEY = "QDRANT__SERVICE__API_KEY"
ASKING = 6 * 3600.0  # seconds


@cache
def program() -> str:
    """The text of the program that speaks with the server and reads snapshots."""
    return resources.files("opslib.engines").joinpath("qdrant_http.py").read_text(encoding="utf-8")


def words(at: Instance, what: str, *more: str) -> list[str]:
    """That program as arguments."""
    return ["python3", "-c", program(), what, str(at.port), *more]


def path(*names: str, wait: bool = False) -> str:
    """The path of a collection, or of something of it; `wait`: the server answers when it is done."""
    return "/".join(["/collections", *(quote(name, safe="") for name in names)]) + ("?wait=true" if wait else "")


def ask(target: Target, at: Instance, *requests: Request) -> list[Any]:
    """The result of each request, in one round trip. Raises OpsError with the server's own words."""
    if not requests:
        return []
    answers = _answers(target, at, *requests)
    return [_result(target, at, request, answer) for request, answer in zip(requests, answers, strict=True)]


def _answers(target: Target, at: Instance, *requests: Request) -> list[dict[str, Any]]:
    feed = "".join(f"{json.dumps(one)}\n" for one in requests).encode()
    try:
        lines = target.run(at.tool(target.host, *words(at, "ask"), feed=feed, limit=ASKING)).lines
    except CommandFailed as error:
        raise refused(target, at, (error.stderr or error.what).strip()) from None
    return [json.loads(line) for line in lines]


def _result(target: Target, at: Instance, request: Request, answer: Mapping[str, Any]) -> Any:
    if "error" in answer:
        raise refused(target, at, f"{' '.join(request[:2])}: {answer['status']} {answer['error']}")
    return answer["result"]


def refused(target: Target, at: Instance, why: str) -> OpsError:
    """The error for a server that did not do what it was asked."""
    return OpsError(f"Qdrant in service {at.service}: {why}", host=target.host.name,
                    next=f"docker logs --tail 50 {at.container}")  # fmt: skip


def logged_in(target: Target, at: Instance, passwords: Sequence[Secret]) -> Instance:
    """The instance with the key that it takes, its version and the tools image. Raises OpsError where it takes none."""
    from opslib.images.tools import ensure_tools

    at, said = replace(at, tools_image=ensure_tools(target)), ""
    for key in [*passwords, None]:
        tried = at if key is None else replace(at, env={**at.env, "QDRANT_API_KEY": key})
        about, listed = _answers(target, tried, ("GET", "/"), ("GET", "/collections"))
        wrong = next((one for one in (listed, about) if "error" in one), None)
        if wrong is None:
            return replace(tried, version=str(about["result"].get("version", "")))
        said = said or f"{wrong['status']} {wrong['error']}"
    raise OpsError(
        f"Qdrant in service {at.service} takes none of the {len(passwords)} API keys that its container knows: {said}",
        host=target.host.name,
        left="everything: no backup set was made",
        next=f'put `- qdrant: {{service: {at.service}, api_key: "${{QDRANT_API_KEY}}"}}` under `backup: sources:`',
    )


_LIST, _ALIASES = ("GET", "/collections"), ("GET", "/aliases")


def collections(target: Target, at: Instance) -> list[str]:
    """The collections' names, sorted."""
    return _names(ask(target, at, _LIST)[0])


def _names(result: Mapping[str, Any]) -> list[str]:
    return sorted(str(one["name"]) for one in result["collections"])


@dataclass(frozen=True, slots=True)
class Present:
    """What there is: the collections, the aliases with the collection that each stands for, and one collection as the
    server describes it (empty where it is not there)."""

    collections: list[str]
    aliases: dict[str, str]
    info: dict[str, Any]


def present(target: Target, at: Instance, name: str = "") -> Present:
    """What there is, and what `name` is."""
    listed, aliased, *described = _answers(target, at, _LIST, _ALIASES, *([("GET", path(name))] if name else []))
    names = _names(_result(target, at, _LIST, listed))
    aliases = _result(target, at, _ALIASES, aliased)["aliases"]
    info = _result(target, at, ("GET", path(name)), described[0]) if name in names else {}
    return Present(names, {one["alias_name"]: one["collection_name"] for one in aliases}, info)


def count(target: Target, at: Instance, name: str) -> int | None:
    """The exact number of points of a collection; None where it is not there: an alias is none."""
    asked = ("POST", path(name, "points", "count"), {"exact": True})
    listed, counted = _answers(target, at, _LIST, asked)
    if name not in _names(_result(target, at, _LIST, listed)):
        return None
    return int(_result(target, at, asked, counted)["count"])


def peers(target: Target, at: Instance) -> int:
    """How many servers hold parts of the collections; 1 where it is no cluster."""
    (found,) = _answers(target, at, ("GET", "/cluster"))
    return len((found.get("result") or {}).get("peers") or ()) or 1


# $1 the data folder. A line for each collection: its KiB on the disk, its folder.
_SIZES = 'cd -- "$1/collections" && du -sk ./*'


def sizes(target: Target, at: Instance) -> dict[str, int]:
    """The bytes on the disk of each collection, as far as its folder tells."""
    lines = target.run(exec_in(target.host, at.container, "sh", "-c", _SIZES, "sh", at.data), check=False).lines
    pairs = (line.split("\t./", 1) for line in lines if "\t./" in line)
    return {name: int(size) * 1024 for size, name in pairs if size.isdigit()}


def indexes(info: Mapping[str, Any]) -> dict[str, Any]:
    """The payload indexes that a collection's description tells, as they are made."""
    found = info.get("payload_schema") or {}
    return {name: schema.get("params") or schema["data_type"] for name, schema in found.items()}


# -- recognised

# Its configuration files in the order in which they are laid over each other; variables go before them all.
_INSIDE = r"""
    d=$(readlink "$p/cwd") || d=/qdrant
    own=$(tr '\0' '\n' <"$p/cmdline" | sed -n -e '/^--config-path$/{n;p;}' -e 's/^--config-path=//p')
    printf 'cwd %s\n' "$d"; cd "$d"
    for c in config/config.yaml "config/${RUN_MODE:-development}.yaml" config/local.yaml "$own"; do
      [ -f "$c" ] && { printf 'conf ---\n'; sed -e '/^[[:space:]]*#/d' -e '/^[[:space:]]*$/d' -e 's/^/conf /' "$c"; }
    done
    printf 'owner %s:%s\n' "$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "$p/status")" \
      "$(sed -n 's/^Gid:[[:space:]]*\([0-9]*\).*/\1/p' "$p/status")"
"""


def _instance(
    container: Container, facts: Facts, env: Mapping[str, str], login: Login
) -> tuple[Instance, tuple[Secret, ...]]:
    config = _config(facts.get("conf", ()))
    service, storage, folder = config["service"], config["storage"], first(facts, "cwd") or "/qdrant"
    data = env.get("QDRANT__STORAGE__STORAGE_PATH") or storage.get("storage_path") or "storage"
    snapshots = env.get("QDRANT__STORAGE__SNAPSHOTS_PATH") or storage.get("snapshots_path") or "snapshots"
    port = str(env.get("QDRANT__SERVICE__HTTP_PORT") or service.get("http_port") or "")
    at = Instance(
        kind="qdrant", service=container.service, container=container.name, image=container.image, version="",
        data=posixpath.normpath(posixpath.join(folder, str(data))), pid=int(first(facts, "pid") or 0),
        user=first(facts, "owner"), port=int(port) if port.isdigit() else 6333, id=container.id,
        env={"QDRANT_SNAPSHOTS": posixpath.normpath(posixpath.join(folder, str(snapshots)))},
    )  # fmt: skip
    if login.password is not None:
        return at, (login.password,)
    keys = (env.get(KEY), service.get("api_key"))
    return at, tuple(Secret(str(key)) for key in keys if key)


def _config(lines: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the files say of the service and the storage."""
    import yaml

    found: dict[str, dict[str, Any]] = {"service": {}, "storage": {}}
    try:
        documents = [one for one in yaml.safe_load_all("\n".join(lines)) if isinstance(one, dict)]
    except yaml.YAMLError:
        return found
    for document in documents:
        for section, values in found.items():
            if isinstance(document.get(section), dict):
                values.update(document[section])
    return found


ENGINE = Engine(
    kind="qdrant", images="^qdrant", processes=("qdrant",), inside=_INSIDE, marks=("raft_state.json",), secrets=(KEY,),
    instance=_instance, ready=lambda at: words(at, "ready"), data=lambda container, facts: "/qdrant/storage",
    log_in=logged_in,
)  # fmt: skip
