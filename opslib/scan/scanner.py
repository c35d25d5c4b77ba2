"""Which scanner there is, on which machine, and how it is called: Trivy, or grype in its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from opslib.command import Command, Secret, bash, command
from opslib.compose.script import sections
from opslib.errors import CommandFailed, OpsError
from opslib.scan.model import moment
from opslib.settings.scanning import Scan
from opslib.target.docker import Env, docker, mount, run_in

if TYPE_CHECKING:
    from opslib.target.base import Target

Kind = Literal["trivy", "grype"]
INSTALL = (
    "install Trivy there, https://trivy.dev/docs/latest/getting-started/installation (Debian: apt-get install trivy, "
    "from Aqua's repository; or the one program of its releases), or set `scan: {on: container}`"
)
SOCKET = "/var/run/docker.sock"
VOLUME = "opslib-scan"
"""Where a scanner in a container keeps its database and what it has read of layers."""
_CACHE = "/cache"
_MARGIN = 30.0  # seconds beyond its own limit, to say that it was reached

# `# trivy` and `# grype` for those that are there.
_FIND = 'for p in trivy grype; do command -v "$p" >/dev/null && printf "# %s\\n" "$p"; done; true'


@dataclass(frozen=True, slots=True)
class Scanner:
    """A scanner on the machine `at`; `inside`: in a container of the image `settings.image` there. `database` is when
    what it knows was put together, None where only a report says it."""

    kind: Kind
    at: Target
    settings: Scan
    inside: bool = False
    version: str = ""
    database: datetime | None = None

    def call(self, *words: str, mounts: tuple[str, ...] = (), limit: float | None = None) -> Command:
        """The scanner with these words. It starts in `/`: in any other folder it might find a configuration."""
        limit = self.settings.timeout + _MARGIN if limit is None else limit
        if not self.inside:
            prefix = self.at.host.docker[:-1] if self.at.host.docker[0] == "sudo" else ()
            return command(*_sudo(prefix, self.env), self.kind, *words, env=self.env, cwd="/", limit=limit)
        network = ("--network", "none" if self.settings.offline and not self.settings.server else "bridge")
        cache = self.settings.cache
        place = mount("bind", cache, _CACHE) if cache else mount("volume", VOLUME, _CACHE)
        socket = mount("bind", SOCKET, SOCKET)
        return run_in(
            self.at.host, self.settings.image, *words, mounts=(place, socket, *mounts),
            options=(*network, "--workdir", "/"), env=self.env, limit=limit,
        )  # fmt: skip

    @property
    def cache(self) -> str | None:
        """The scanner's folder as it sees it; None: its own."""
        return _CACHE if self.inside else self.settings.cache

    @property
    def env(self) -> Env:
        """What it is told without anybody seeing it, what grype has no option for, and what older versions of Trivy do
        not know: as options those would end them."""
        told: dict[str, str | Secret] = {}
        if self.kind == "trivy":
            told["TRIVY_DISABLE_TELEMETRY"] = told["TRIVY_SKIP_VERSION_CHECK"] = "true"
        if self.settings.token is not None:
            told["TRIVY_TOKEN"] = self.settings.token
        if self.kind == "grype":
            told["GRYPE_CHECK_FOR_APP_UPDATE"] = "false"
            told["GRYPE_DB_VALIDATE_AGE"] = "false"  # `db_age` says it, for both
            if self.settings.offline:
                told["GRYPE_DB_AUTO_UPDATE"] = "false"
            if self.cache:
                told["GRYPE_DB_CACHE_DIR"] = f"{self.cache}/grype"
        return told


def _sudo(prefix: tuple[str, ...], env: Env) -> tuple[str, ...]:
    """sudo drops the environment unless each name is asked for."""
    return (prefix[0], f"--preserve-env={','.join(env)}", *prefix[1:]) if prefix and env else prefix


def find(target: Target, here: Target, settings: Scan) -> Scanner:
    """The scanner to use: the one that the host file says, else the host's, else this machine's. Raises OpsError where
    there is none, saying how it is installed."""
    if settings.on == "container":
        return again(Scanner("trivy", target, settings, inside=True))
    places = {"remote": [target], "local": [here]}.get(settings.on or "", [target, here])
    for place in places:
        there = sections(place.run(bash(_FIND)).text)
        for kind in ("trivy", "grype"):
            if kind in there:
                return again(Scanner("trivy" if kind == "trivy" else "grype", place, settings))
    names = list(dict.fromkeys("this machine" if one.host.is_local else one.host.name for one in places))
    raise OpsError(f"there is no Trivy and no grype on {' or '.join(names)}", host=target.host.name, next=INSTALL)


class _Database(msgspec.Struct, rename="pascal"):
    updated_at: str | None = None


class _Version(msgspec.Struct):
    version: str | None = msgspec.field(default=None, name="Version")
    database: _Database | None = msgspec.field(default=None, name="VulnerabilityDB")


def again(scanner: Scanner) -> Scanner:
    """The same with its version and the age of its database, which the first scan may have fetched."""
    if scanner.kind == "grype":
        found = re.search(r"(?m)^Version:\s+(\S+)", _said(scanner, "version"))
        return _with(scanner, found[1] if found else "", None)
    words = ["version", "--format", "json", *(["--cache-dir", scanner.cache] if scanner.cache else [])]
    try:
        version = msgspec.json.decode(_said(scanner, *words), type=_Version)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OpsError(f"trivy version is not understood: {error}", host=scanner.at.host.name) from None
    return _with(scanner, version.version or "", moment(version.database.updated_at) if version.database else None)


def _with(scanner: Scanner, version: str, database: datetime | None) -> Scanner:
    return Scanner(scanner.kind, scanner.at, scanner.settings, scanner.inside, version, database)


def _said(scanner: Scanner, *words: str) -> str:
    try:
        return scanner.at.run(scanner.call(*words, limit=60)).text
    except CommandFailed as error:
        if scanner.inside and scanner.settings.image in error.stderr and "image" in error.stderr.lower():
            raise OpsError(
                f"the scanner's image {scanner.settings.image} is not there", host=scanner.at.host.name,
                next=docker(scanner.at.host, "pull", scanner.settings.image).masked(),
            ) from None  # fmt: skip
        raise
