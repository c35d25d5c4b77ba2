"""Asking Docker Compose on a machine what its files want, and saying clearly what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from opslib.command import Command
from opslib.compose.engine import no_compose
from opslib.compose.environment import Environment
from opslib.compose.project import Project, absolute, compose_command, parse_project
from opslib.compose.script import docker_script, read_all, sections
from opslib.errors import BadSettings
from opslib.target.process import mask

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

_UNSET = re.compile(r'The \\*"?([A-Za-z_][A-Za-z0-9_]*)\\*"? variable is not set')
_REQUIRED = re.compile(r"required variable ([A-Za-z_][A-Za-z0-9_]*) is missing")

# $1 the number of files, then the files, `hash` or nothing, and Compose's arguments. The hashes of the services are
# asked for at the same time.
_CONFIG = """n=$1; shift
for f in "${@:1:n}"; do [ -f "$f" ] || { printf '# missing\\n %s\\n' "$f"; exit 0; }; done
shift "$n"; hash=$1; shift
exec 4< <([ -z "$hash" ] || docker "$@" config --hash '*' 2>/dev/null) 3>&1
printf '# config\\n'
err=$(docker "$@" config --format json 2>&1 >&3); code=$?
printf '\\n# said\\n %s\\n# code\\n%s\\n# hashes\\n' "${err//$'\\n'/$'\\n' }" "$code"
while IFS= read -r line <&4; do printf '%s\\n' "$line"; done"""


def config_command(
    host: Host, root: str, project: str, files: Sequence[str], env_file: str | None, *, hashes: bool = True
) -> Command:
    """The one round trip of `wanted`."""
    compose = compose_command(host, root, project, files, env_file).stages[0].argv[len(host.docker) :]
    named = [absolute(root, file) for file in (*files, *([env_file] if env_file else []))]
    return docker_script(host, _CONFIG, str(len(named)), *named, "hash" if hashes else "", *compose)


def wanted(target: Target, project: str, files: Sequence[str], env_file: str | None = None) -> Project:
    """What the compose files in the target's folder want. One round trip; the answer holds every secret of the
    stack, so it stays in memory. Raises BadSettings as `resolved`.
    """
    config, hashes = resolved(target, project, files, env_file)
    return parse_project(config, root=target.root, files=files, env_file=env_file, hashes=hashes)


@dataclass(frozen=True, slots=True)
class Answer:
    """The stack as Compose resolves it, its dollars single; Compose's digest of each service; the variables that are
    not set, in whose place it puts nothing."""

    config: dict[str, Any] = field(repr=False)
    hashes: dict[str, str]
    unset: tuple[str, ...]


def resolved(
    target: Target, project: str, files: Sequence[str], env_file: str | None = None, *, root: str | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The stack as Compose resolves it from the files in `root` (the target's folder when None), its dollars single,
    and Compose's digest of each service.

    Raises BadSettings for a file that is missing or wrong and for a variable that is not set: Compose would put a
    blank string there.
    """
    found = ask(target, project, files, env_file, root=root)
    if found.unset:
        _refuse_unset(target, root or target.root, found.unset, files, env_file)
    return found.config, found.hashes


def ask(
    target: Target, project: str, files: Sequence[str], env_file: str | None = None, *, root: str | None = None,
    hashes: bool = True,
) -> Answer:  # fmt: skip
    """The same where variables may be missing; without `hashes` it takes half the work. Raises BadSettings for
    a file that is missing or wrong, NoDocker where there is no Docker Compose to ask."""
    host, folder = target.host, root or target.root
    parts = sections(read_all(target, config_command(host, folder, project, files, env_file, hashes=hashes)))
    if "missing" in parts:
        raise BadSettings(
            f"there is no file {parts['missing'][0].strip()}", host=host.name, next="see `compose:` and `env_file:` "
            "in the host file"
        )  # fmt: skip
    said = "\n".join(line.strip() for line in parts.get("said", [])).strip()
    if parts.get("code") == ["127"] or "is not a docker command" in said:
        raise no_compose(said).on(host.name)
    if parts.get("code") != ["0"]:
        _refuse(target, folder, said, env_file)
    config = json.loads("\n".join(parts["config"]).replace("$$", "$"))
    digests = dict(line.rsplit(" ", 1) for line in parts.get("hashes", []) if " " in line)
    return Answer(config, digests, tuple(sorted(set(_UNSET.findall(said)))))


def moved(value: Any, old: str, new: str) -> Any:
    """The same with every path below `old` below `new` instead."""
    if isinstance(value, str):
        return new + value[len(old) :] if value == old or value.startswith(f"{old}/") else value
    if isinstance(value, dict):
        return {key: moved(one, old, new) for key, one in value.items()}
    return [moved(one, old, new) for one in value] if isinstance(value, list) else value


def compose_said(said: str) -> str:
    """Compose's own message without its warnings, and without what it quotes from an env file: that is a secret."""
    lines = [line for line in said.split("\n") if not line.startswith("time=")] or said.split("\n")
    return "\n    ".join(
        line.split('"')[0].rstrip() + ' "***"' if line.startswith("failed to read") and '"' in line else line
        for line in lines
    )


def _refuse(target: Target, root: str, said: str, env_file: str | None) -> NoReturn:
    message = mask(compose_said(said), _env_file(target, root, env_file).secrets())
    required = _REQUIRED.search(message)
    raise BadSettings(
        f"Docker Compose refuses the compose files: {message or 'it does not say why'}",
        host=target.host.name,
        next=f"set {required[1]} in {env_file or '.env'}" if required else None,
    )


def _refuse_unset(
    target: Target, root: str, names: Sequence[str], files: Sequence[str], env_file: str | None
) -> NoReturn:
    """A `$` inside a password makes "variables" out of its pieces: only names that a compose file has are told."""
    from opslib.target.transfer import read_file

    texts = [read_file(target, absolute(root, file)) or b"" for file in files or _USUAL]
    used = b"\n".join(texts).decode("utf-8", "replace")
    told = [name for name in names if re.search(rf"(?<!\$)(?:\$\$)*\$\{{?{name}\b", used)]
    if told:
        raise BadSettings(
            f"the compose files use {', '.join(told)}, which {'is' if len(told) == 1 else 'are'} not set",
            host=target.host.name,
            next=f"set {' and '.join(told)} in {env_file or '.env'}, or write ${{{told[0]}:-}} where empty is meant",
        )
    keys = [key for key, value in _env_file(target, root, env_file).items() if any(f"${n}" in value for n in names)]
    where = f"the value of {', '.join(keys)}" if keys else "a value in an env file"
    raise BadSettings(
        f"{where} has a `$` in it, which Docker Compose takes for a variable that is not set",
        host=target.host.name,
        next="put the value into single quotes in the env file",
    )


_USUAL = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")


def _env_file(target: Target, root: str, env_file: str | None) -> Environment:
    """The raw values of the env file, for masking."""
    from opslib.target.transfer import read_file

    text = (read_file(target, absolute(root, env_file or ".env")) or b"").decode("utf-8", "replace")
    pairs = (line.removeprefix("export ").split("=", 1) for line in text.splitlines() if "=" in line)
    return Environment({key.strip(): value.strip().strip("\"'") for key, value in pairs})
