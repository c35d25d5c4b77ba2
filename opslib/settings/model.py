"""What a host file says, as frozen values: one struct a section, one field a key.

Durations are seconds, sizes bytes, percentages fractions. A list or map that is absent is empty unless a field says
otherwise. The names are those of the file; `short` is the key that a section written as a bare value stands for; in a
map whose keys are a Literal it is the first of them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct, field

from opslib.command import Secret
from opslib.settings import caches, schedule, units
from opslib.settings.batch import Batch, batch
from opslib.settings.health import HealthSpec
from opslib.settings.keep import Count, Keep
from opslib.settings.kinds import SourceSpec
from opslib.settings.provision import Provision
from opslib.settings.registry import Registry
from opslib.settings.scanning import Scan
from opslib.settings.sites import Certbot, Site
from opslib.settings.stores import StoreSpec
from opslib.settings.units import Address, Parse, Reserve
from opslib.settings.window import Window, window, windows

Seconds = Annotated[float, Parse(units.seconds)]
Words = Annotated[tuple[str, ...], Parse(units.words)]
Size = Annotated[int, Parse(units.size)]
CachePlace = Annotated[caches.Cache, Parse(caches.cache)]
Recipient = Annotated[str, Parse(units.recipient)]
HostBatch = Annotated[Batch, Parse(batch)]
DeployWindow = Annotated[Window, Parse(window)]
ProjectPath = Annotated[str, Parse(units.project_path)]
Port = Annotated[int, Parse(units.port)]
HopAddress = Annotated[Address, Parse(units.address)]


class Build(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How images are built. No services: all that have `build:` in the compose file. `size_limit`: bytes that the image
    of a service may have, `*` for every other one."""

    services: tuple[str, ...] = ()
    on: Literal["local", "remote"] = "local"
    platform: Annotated[str, Parse(units.platform)] | None = None
    cache_from: Annotated[tuple[CachePlace, ...], Parse(caches.caches)] = ()
    cache_to: CachePlace | None = None
    size_limit: Annotated[dict[str, Size], Parse(units.limits)] = field(default_factory=dict)


Strategy = Literal["recreate", "rolling", "blue-green", "canary", "swarm"]


ProxyKind = Literal["nginx", "traefik", "host-nginx"]


class Proxy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in front, and is told where requests go. `folder` is where it reads that from: a folder of the
    project that the `service` mounts, or an absolute one where nginx runs on the machine itself, called by `command`.
    `upstreams` are the services behind it with the port that each listens on; `api` is the port of Traefik's API.
    `sites` are those that opslib writes for nginx."""

    kind: ProxyKind = "nginx"
    service: str = ""
    folder: str
    upstreams: dict[str, Port]
    api: Port | None = None
    command: Words | None = None
    sites: tuple[Site, ...] = ()

    def __post_init__(self) -> None:
        on_host = self.kind == "host-nginx"
        if not self.service and not on_host:
            raise ValueError(f"give `service`, the one that is {self.kind}; nginx on the server is `kind: host-nginx`")
        if self.service and on_host:
            raise ValueError("`service` is of the stack, and `kind: host-nginx` is nginx on the server")
        if self.api is not None and self.kind != "traefik":
            raise ValueError("`api` goes with `kind: traefik`")
        if self.command is not None and not on_host:
            raise ValueError("`command` goes with `kind: host-nginx`")
        try:
            (units.absolute_path if on_host else units.project_path)(self.folder)
        except ValueError as error:
            raise ValueError(f"`folder`: {error}, found {self.folder!r}") from None
        if self.sites and self.kind == "traefik":
            raise ValueError("`sites` are nginx's; Traefik has routers, and gets certificates by itself")
        for site in self.sites:
            for service in (site.service, *site.paths.values()):
                if service not in self.upstreams:
                    raise ValueError(f"`sites`: {site.name} leads to {service}, which is none of `upstreams`")
        domains = [one for site in self.sites for one in site.domains]
        for one in domains:
            if domains.count(one) > 1:
                raise ValueError(f"`sites`: {one} is named twice")


class Tolerance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the new version may be worse than the old one while it is tried. `errors`: by how much the share of its
    answers that are 5xx may be higher. `latency`: how many times as long 95 of 100 answers may take."""

    errors: Annotated[float, Parse(units.percent)] = 0.01
    latency: Annotated[float, Parse(units.factor)] = 2.0


class Deploy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a release goes live. `single` are services of which there may never be an old and a new one at once. `drain`:
    how long the proxy has to end what it has begun before the containers that answer it go. `hold`: how long those of
    the release before stay after a blue-green deploy, or a canary is watched. `weight`: the percentage of requests that
    a canary gets, `tolerance` what it may be worse. `stable`: how long what is new must have run, whatever its checks
    say. `window`: when deploys are welcome (none: always). `batch`: how many hosts of a fleet switch at once."""

    strategy: Strategy = "recreate"
    proxy: Proxy | None = None
    single: tuple[str, ...] = ()
    drain: Seconds = 30.0
    hold: Seconds = 600.0
    weight: Annotated[int, Parse(units.weight)] = 10
    tolerance: Tolerance = Tolerance()
    backup_first: bool = False
    keep_releases: Count = 5
    health: dict[str, HealthSpec] = field(default_factory=dict)
    stable: Seconds = 5.0
    timeout: Seconds = 120.0
    window: Annotated[tuple[DeployWindow, ...], Parse(windows)] = ()
    batch: HostBatch = Batch(25, share=True)


class Migrate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The commands, as words, that bring the schema forward, tell where it is, turn it back (`{to}`: to where) and fill
    it, run in the image of `service`. A `tool` brings its own, for those that are not given."""

    service: str
    tool: Literal["alembic", "django", "prisma", "flyway"] | None = None
    up: Words | None = None
    status: Words | None = None
    down: Words | None = None
    seed: Words | None = None
    timeout: Seconds = 3600.0

    def __post_init__(self) -> None:
        if self.up is None and self.tool is None:
            raise ValueError("give `up`, or a `tool`: alembic, django, prisma or flyway")


ScheduledTask = Literal[
    "all", "verify", "drill", "postgres", "mysql", "mongo", "qdrant", "redis", "sqlite", "volumes", "files"
]  # fmt: skip
"""What comes behind `backup.` in the names of the tasks that cron may run, and that signal."""


class Signals(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told how a task with `--signal` ends: by task the address that is pinged, apprise's addresses that are
    notified of failures and of the first success after one, and the folder on this machine that Prometheus's
    node_exporter reads text files from."""

    ping: dict[ScheduledTask, Annotated[Secret, Parse(units.ping_url)]] = field(default_factory=dict)
    notify: tuple[Annotated[Secret, Parse(units.apprise_url)], ...] = ()
    metrics: Annotated[str, Parse(units.absolute_path)] | None = None


class Backup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is backed up and where to. `sources` add to what is found by looking; `exclude` names services, volumes,
    folders and databases that are knowingly left out. `directory` is below the host's path unless absolute. What has
    become smaller by more than the share `shrink` stops the removal of old sets until a person has agreed. `encrypt_to`
    are public keys of age; empty: in clear, and None where the host file says nothing about it, which means the same
    for the first set. `consistent`: a backup of all is of one point in time. `schedule` says when which task runs, each
    later by a part of `random_delay` that stays the same, and for `limit` at most; `scheduler` what runs it (None: a
    crontab, where there is one); `catch_up`: whether what was due while this machine was off runs later. `stores` get a
    copy of each set."""

    directory: str = "backups"
    encrypt_to: Annotated[tuple[Recipient, ...], Parse(units.recipients)] | None = None
    keep: Keep = Keep()
    shrink: Annotated[float, Parse(units.percent)] = 0.5
    reserve: Annotated[Reserve, Parse(units.reserve)] = Reserve(fraction=0.1)
    consistent: bool = False
    sources: tuple[SourceSpec, ...] = ()
    exclude: tuple[str, ...] = ()
    schedule: dict[ScheduledTask, Annotated[str, Parse(schedule.cron)]] = field(
        default_factory=lambda: {"all": "0 2 * * *"}
    )
    random_delay: Seconds = 0.0
    limit: Seconds = 86400.0
    scheduler: Literal["crontab", "systemd"] | None = None
    catch_up: bool = True
    signals: Signals = Signals()
    stores: tuple[StoreSpec, ...] = ()

    def __post_init__(self) -> None:
        called = [store.called for store in self.stores]
        for name in called:
            if called.count(name) > 1:
                raise ValueError(f"two stores are called {name!r}: give each a name of its own")


class Host(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A destination. Without an address it is this machine.

    `path` is absolute on this machine; on another one it may be relative to the login user's home. `compose` and
    `env_file` are relative to the project's root here and to `path` there; no `compose`: the project has no compose
    file. `files` None: what git tracks and the compose files refer to. `project` None: whatever runs there, then the
    folder's name. `wait`: seconds to wait for the lock. `jump`: the machines to pass on the way there, the nearest
    first; None: as ssh_config says.
    """

    name: str
    path: str
    address: Annotated[Address, Parse(units.address)] | None = None
    jump: Annotated[tuple[HopAddress, ...], Parse(units.hops)] | None = None
    project: Annotated[str, Parse(units.project_name)] | None = None
    docker: Words = ("docker",)
    compose: tuple[ProjectPath, ...] = ()
    env_file: ProjectPath | None = None
    files: tuple[ProjectPath, ...] | None = None
    groups: tuple[Annotated[str, Parse(units.group)], ...] = ()
    tools_image: str | None = None
    wait: Seconds = 0.0
    registry: Registry | None = None
    build: Build = Build()
    scan: Scan = Scan()
    deploy: Deploy = Deploy()
    migrate: Migrate | None = None
    backup: Backup = Backup()
    certbot: Certbot = Certbot()
    provision: Provision = Provision()

    @property
    def is_local(self) -> bool:
        """Whether this is the machine that opslib runs on."""
        return self.address is None
