"""What a host file may name as a source of a backup: one struct a kind."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Struct

from opslib.command import Secret
from opslib.settings import globs
from opslib.settings.units import Parse

ProjectGlob = Annotated[str, Parse(globs.path)]
Exclude = Annotated[str, Parse(globs.exclude)]


class DatabaseSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """A database in a service's container. No user or password: the container's own."""

    short: ClassVar[str] = "service"

    service: str

    @property
    def kind(self) -> str:
        """What the host file calls it."""
        return str(self.__struct_config__.tag)

    @property
    def login(self) -> str | None:
        """The user to log in as, where the kind has users."""
        return None

    @property
    def secret(self) -> Secret | None:
        """What to log in with."""
        return None


class PasswordSpec(DatabaseSpec, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """One with a password."""

    password: Secret | None = None

    @property
    def secret(self) -> Secret | None:
        return self.password


class UserSpec(PasswordSpec, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """A database server with users, and several databases; no `database`: each of them."""

    database: str | None = None
    user: str | None = None

    @property
    def login(self) -> str | None:
        return self.user


class Postgres(UserSpec, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="postgres"):
    """PostgreSQL."""


class Mongo(UserSpec, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="mongo"):
    """MongoDB. `auth_database` is where the user was made; `tools_image` has MongoDB's tools where its container has
    none."""

    auth_database: str | None = None
    tools_image: str | None = None


class Mysql(UserSpec, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="mysql"):
    """MySQL, MariaDB."""


class Redis(PasswordSpec, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="redis"):
    """Redis, Valkey. No user: `default`."""

    user: str | None = None

    @property
    def login(self) -> str | None:
        return self.user


class Qdrant(DatabaseSpec, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="qdrant"):
    """Qdrant."""

    api_key: Secret | None = None

    @property
    def secret(self) -> Secret | None:
        return self.api_key


class Sqlite(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="sqlite"):
    """A SQLite file: in the container of a service, in a volume, or (neither given) in the project's folder."""

    short: ClassVar[str] = "path"

    path: str
    service: str | None = None
    volume: str | None = None

    def __post_init__(self) -> None:
        if self.service is not None and self.volume is not None:
            raise ValueError("give either service or volume")


class Volume(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="volume"):
    """A volume, by its name in the compose file. `consistency`: what the containers that may write to it do while it is
    copied: go on, pause, or stop. `exclude`: patterns of what is left out of it."""

    short: ClassVar[str] = "name"

    name: str
    consistency: Literal["live", "pause", "stop"] = "live"
    exclude: tuple[Exclude, ...] = ()


class Files(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="files"):
    """Files and folders of the project's folder on the host, by their paths or by patterns; `exclude` are patterns of
    what is left out."""

    short: ClassVar[str] = "paths"

    paths: tuple[ProjectGlob, ...]
    exclude: tuple[Exclude, ...] = ()

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("name at least one path")


SourceSpec = Postgres | Mysql | Mongo | Redis | Qdrant | Sqlite | Volume | Files
