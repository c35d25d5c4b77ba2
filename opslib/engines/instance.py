"""An engine in a running container, and how to speak with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opslib.command import Command, Secret
from opslib.target.docker import exec_in, run_in

if TYPE_CHECKING:
    from opslib.settings.model import Host


@dataclass(frozen=True, slots=True)
class Login:
    """What the host file says about logging in to the engine of a service."""

    user: str | None = None
    password: Secret | None = None
    auth_database: str | None = None
    tools_image: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """`container` is its name and `id` its full id; `pid` a process of it as the machine counts them; `version` the
    server's and `client` what its dump program calls itself; `data` the data folder inside ("" where Redis hides it:
    its `facts` say it); `user` the `uid:gid` that owns the data, as which its tools run. `env` logs its tools in
    (PGUSER, PGPASSWORD, PGHOST, PGPORT; REDISCLI_AUTH); `port` is the one that it listens on. `network`: its tools
    reach it by its address rather than by a file. `tools_image` has its tools where its own container has none.
    `setting_up`: its image has started it for itself, before its first start, and is going to stop it again."""

    kind: str
    service: str
    container: str
    image: str
    version: str
    data: str
    pid: int
    user: str
    port: int
    id: str = ""
    client: str = ""
    network: bool = True
    tools_image: str = ""
    setting_up: bool = False
    env: Mapping[str, str | Secret] = field(default_factory=dict)

    def tool(self, host: Host, *argv: str, feed: bytes | Secret | None = None, streams: bool = False,
             limit: float | None = None, env: Mapping[str, str | Secret] | None = None) -> Command:  # fmt: skip
        """One of its own tools, run inside its container, or beside it where it has none, and logged in."""
        if self.tools_image:
            mine = {name: value for name, value in {**self.env, **(env or {})}.items() if name != "PATH"}
            options = ["--network", f"container:{self.container}", "--entrypoint", argv[0]]
            return run_in(host, self.tools_image, *argv[1:], options=options, env=mine, feed=feed, streams=streams,
                          limit=limit)  # fmt: skip
        return exec_in(
            host, self.container, *argv, user=self.user, env={**self.env, **(env or {})}, feed=feed, streams=streams,
            limit=limit,
        )  # fmt: skip
