"""What every part of a restore works with: the machine, the tools image, and where data lie there."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from opslib.backup.keys import environment
from opslib.backup.pack import LONG
from opslib.backup.restore import runkey
from opslib.backup.unpack import UNPACK
from opslib.command import Command, Secret, bash, command
from opslib.errors import Cancelled, HostLost, OpsError
from opslib.target.docker import Env, docker, exec_in, mount, run_in, whole
from opslib.target.transfer import stream_out

if TYPE_CHECKING:
    from opslib.backup.manifest import Kind
    from opslib.backup.restore.workbench import Workbench
    from opslib.backup.sqlite import SqliteFile
    from opslib.compose.stack import Container, Stack
    from opslib.engines.instance import Instance, Login
    from opslib.target.base import Target

ANSWER = 60.0  # seconds that an engine may take to answer after its start
STARTS = 3  # an engine that ends again so often does not start
INSIDE = "/opslib-data"
SET = "/opslib-set"

# A script, and a line behind what it prints. Its own `exit` and `set -e` end it alone.
_ENDED = """( {}
); code=$?; [ "$code" != 0 ] || printf '\\nend\\n'; exit "$code\""""


class Place(Struct, frozen=True, kw_only=True):
    """A folder with data: `sub` below a volume, or below a folder of the machine."""

    kind: Literal["volume", "folder"]
    source: str
    sub: str = ""


@dataclass(slots=True)
class Context:
    """One restore on one machine. Without a Docker engine `tools` is "" and everything runs on the machine itself.
    `here` is this machine, where it is another. `proven` are files of which it is known that they do not leave their
    database: reading them so closely takes long. `identities` read what is encrypted, `logins` say how engines
    are logged in to where it is not as the host file says."""

    target: Target
    tools: str
    project: str
    here: Target | None = None
    workbench: Workbench | None = None
    proven: set[str] = field(default_factory=set)
    identities: list[Secret] = field(default_factory=list)
    logins: Mapping[str, Login] | None = None
    _stack: Stack | None = field(default=None, repr=False)
    _instances: dict[str, Instance] = field(default_factory=dict, repr=False)
    _sqlite: list[SqliteFile] | None = field(default=None, repr=False)

    def stack(self, *, fresh: bool = False) -> Stack:
        """What is there of the project; looked at once, or anew."""
        from opslib.compose.stack import look

        if self._stack is None or fresh:
            self._stack = look(self.target, self.project)
        return self._stack

    def sqlite_files(self) -> list[SqliteFile]:
        """The project's SQLite files, looked for once: later its services stand still, and cannot be asked what is
        theirs. Raises OpsError as `find`."""
        from opslib.backup.sources import find
        from opslib.backup.sqlite import SqliteFile

        if self._sqlite is None:
            kinds: tuple[Kind, ...] = ("sqlite",)
            found = find(self.target, self.stack(), self.tools, kinds).sources
            self._sqlite = [one for one in found if isinstance(one, SqliteFile)]
        return self._sqlite

    def instance(self, service: str, *, fresh: bool = False) -> Instance:
        """The engine that runs in a service's container, looked at once or anew; a container that does not run is
        started.

        Raises OpsError when it does not answer within a minute.
        """
        if fresh or service not in self._instances:
            self._instances[service] = self._answering(service)
        return self._instances[service]

    def _answering(self, service: str) -> Instance:
        from opslib.backup.found import logins
        from opslib.engines.find import find_instances

        deadline, starts = time.monotonic() + ANSWER, 0
        restarts = {one.id: one.restart_count for one in self.stack().service(service)}
        while True:
            stack = self.stack(fresh=True)
            stack = replace(stack, containers=tuple(stack.service(service)))
            stopped = [one.id for one in stack.containers if not one.running]
            if stopped:
                self.target.run(docker(self.target.host, "start", *stopped), check=False)
                starts += 1
            try:
                known = logins(self.target.host) if self.logins is None else self.logins
                for one in find_instances(self.target, stack, known):
                    if one.service == service and not one.setting_up and self._answers(one):
                        return one
                why = "no database that opslib knows answers in it"
            except (Cancelled, HostLost):
                raise
            except OpsError as error:
                why = error.what
            late = time.monotonic() > deadline
            ended = starts > STARTS or (late and any(_restarts(one, restarts) for one in stack.containers))
            if late or ended:
                raise (DoesNotStart if ended else OpsError)(
                    f"service {service} cannot be used: {why}",
                    host=self.target.host.name,
                    next=f"docker compose up -d {service}, and look at docker compose logs {service}",
                )
            time.sleep(0.5)

    def _answers(self, one: Instance) -> bool:
        from opslib.engines.known import ENGINES

        return self.target.run(one.tool(self.target.host, *ENGINES[one.kind].ready(one)), check=False).ended.ok

    def script(self, text: str, place: Place, *words: str, set_folder: str = "", limit: float = LONG) -> Command:
        """A bash text of ours with the place's folder as `$1` and the words behind it: in the tools container, or on
        the machine itself where there is no engine. `set_folder` is there read-only as SET."""
        if not self.tools:
            return bash(text, _joined(place.source, place.sub), *words, limit=limit)
        argv = ("bash", "-c", text, "opslib", _joined(INSIDE, place.sub), *words)
        mounts = [mount("volume" if place.kind == "volume" else "bind", place.source, INSIDE)]
        if set_folder:
            mounts.append(mount("bind", set_folder, SET, readonly=True))
        elif self.workbench is not None and (there := self.workbench.container(place.source, mounts[0])):
            return exec_in(self.target.host, there, *argv, limit=limit)
        options = ["--security-opt", "label=disable"]
        return run_in(self.target.host, self.tools, *argv, mounts=mounts, options=options, env=self.keys, limit=limit)

    def answer(self, text: str, place: Place, *words: str, set_folder: str = "") -> str:
        """All that a `script` prints, where nothing printed is an answer too. Raises CommandFailed, and OpsError where
        it broke off."""
        result = self.target.run(self.script(_ENDED.format(text), place, *words, set_folder=set_folder))
        return "\n".join(whole(self.target, result.text.split("\n")))

    def reading(self, folder: str, *argv: str, options: Sequence[str] = (), env: Env | None = None) -> Command:
        """A program of the tools container that reads files of the set in `folder`, which is there as SET."""
        mounts = [mount("bind", folder, SET, readonly=True)]
        return run_in(self.target.host, self.tools, *argv, mounts=mounts, options=options,
                      env={**(env or {}), **self.keys}, limit=LONG)  # fmt: skip

    @property
    def keys(self) -> Mapping[str, str | Secret]:
        """What a program that reads a set has to be given."""
        return environment(self.identities)

    @property
    def python(self) -> str:
        """The Python that a script finds."""
        return "python3" if self.tools else sys.executable

    def embedded(self, what: str, place: Place, *words: str, below: str = "") -> Command:
        """The same work by Python alone, where there is no engine."""
        from opslib.backup.restore import embedded

        program = str(Path(embedded.__file__).resolve())
        folder = _joined(_joined(place.source, place.sub), below)
        return command(sys.executable, program, what, folder, *words, env=self.keys, limit=LONG)

    def set_path(self, folder: str, file: str) -> str:
        """Where a file of the set is for a script."""
        return f"{SET if self.tools else folder}/{file}"


def from_memo(target: Target, memo: Mapping[str, Any]) -> Context:
    """The context of a step that an earlier process may have left behind."""
    identities = runkey.read(target, memo["key"]) if memo.get("key") else []
    return Context(target, memo["tools"], memo["project"], identities=identities)


def unpacked(ctx: Context, folder: str, file: str) -> Command:
    """The raw bytes of an artifact on standard output."""
    return ctx.reading(folder, "bash", "-c", f'{UNPACK}unpack "$1"', "opslib", f"{SET}/{file}")


def read_artifact(ctx: Context, folder: str, file: str) -> bytes:
    """The whole of a small artifact."""
    out = bytearray()
    stream_out(ctx.target, unpacked(ctx, folder, file), out.extend)
    return bytes(out)


class DoesNotStart(OpsError):
    """The engine's container ends again and again."""


def _restarts(container: Container, before: Mapping[str, int]) -> bool:
    return container.state == "restarting" or container.restart_count > before.get(container.id, 0)


def _joined(folder: str, sub: str) -> str:
    return f"{folder.rstrip('/')}/{sub}" if sub else folder
