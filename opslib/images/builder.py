"""What builds on a machine: buildx bake where the plugin is, else Docker Compose; and the secrets of a build."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.command import Command, Secret
from opslib.compose.project import Project, absolute
from opslib.compose.script import docker_script, sections
from opslib.errors import BadSettings
from opslib.images.bake import Entry, bake_file, can_bake, compose_file
from opslib.target.docker import docker

if TYPE_CHECKING:
    from opslib.settings.model import Host
    from opslib.target.base import Target

BUILD = 2 * 3600.0  # seconds for building
_LOOK = """printf '# version\\n'; docker buildx version 2>/dev/null
printf '# builder\\n'; docker buildx inspect 2>/dev/null; true"""
# No attestations: they hold the time of the build, and no image would ever be the same as the last. Newer bake asks
# whether it may read files elsewhere than in the folder that it was called in.
_ENV = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "BUILDX_BAKE_ENTITLEMENTS_FS": "0"}


@dataclass(frozen=True, slots=True)
class Builder:
    """`buildx`: whether the plugin is there. `driver` is that of the builder in use: "docker" is the engine itself."""

    buildx: bool
    driver: str = "docker"


def look_at_builder(target: Target) -> Builder:
    """What builds there. One round trip."""
    return parse_builder(target.run(docker_script(target.host, _LOOK)).text)


def parse_builder(text: str) -> Builder:
    """The builder from what the look printed."""
    parts = sections(text)
    drivers = [line.split(":", 1)[1].strip() for line in parts.get("builder", []) if line.startswith("Driver:")]
    return Builder(bool(parts.get("version")), drivers[0] if drivers else "docker")


def build_command(
    host: Host,
    project: Project,
    entries: Mapping[str, Entry],
    builder: Builder,
    *,
    no_cache: bool = False,
    secrets: Mapping[str, Secret] = {},
) -> Command:
    """Build the services of `entries`; what it says comes on standard output. `secrets` are the variables that build
    secrets are read from."""
    env: dict[str, str | Secret] = {**_ENV, **secrets}
    flags = ["--no-cache"] if no_cache else []
    if builder.buildx and can_bake(entries.values()):
        words = ["buildx", "bake", "--file", "-", "--load", "--progress", "plain", *flags]
        return _said_together(docker(host, *words, env=env, limit=BUILD, feed=bake_file(project, entries)))
    words = ["compose", "--project-name", project.name, "--project-directory", project.root, "--file", "-",
             "--ansi", "never", "build", *flags]  # fmt: skip
    return _said_together(docker(host, *words, env=env, limit=BUILD, feed=compose_file(project, entries)))


def _said_together(cmd: Command) -> Command:
    """The command with its standard error on its standard output, so that its lines can be shown in their order."""
    stage = cmd.stages[0]
    joined = type(stage)(("bash", "-c", 'exec "$@" 2>&1', "opslib", *stage.argv), stage.env, stage.cwd)
    return cmd.with_(stages=(joined,))


def build_secrets(target: Target, project: Project, services: Iterable[str]) -> dict[str, Secret]:
    """The values of the variables that the build secrets of these services are read from, as Docker Compose on the
    target reads them. One round trip where there are any. Raises BadSettings for one that is not set or is empty."""
    asked = {
        str(secret["environment"]): f"build secret {secret_name} of service {name}"
        for name in services
        if (build := project.services[name].build)
        for secret_name, secret in build.secrets.items()
        if "environment" in secret
    }
    if not asked:
        return {}
    said = target.run(values_command(target.host, project, asked)).text
    values = json.loads(said.replace("$$", "$"))["services"]["s"]["environment"]
    for variable, what in asked.items():
        if not values.get(variable):
            raise BadSettings(
                f"the {what} is read from the variable {variable}, which is not set",
                host=target.host.name,
                next=f"set {variable} in {project.env_file or '.env'}",
            )
    return {variable: Secret(values[variable]) for variable in asked}


def values_command(host: Host, project: Project, variables: Iterable[str]) -> Command:
    """Ask Compose for the values of variables."""
    environment = {one: f"${{{one}-}}" for one in variables}
    feed = json.dumps({"services": {"s": {"image": "s", "environment": environment}}}).encode()
    env_file = ["--env-file", absolute(project.root, project.env_file)] if project.env_file else []
    words = ["--project-name", project.name, "--project-directory", project.root, "--file", "-", *env_file]
    return docker(host, "compose", *words, "config", "--format", "json", feed=feed)
