"""The stores of a host file: where copies of the backup sets go, off the host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, get_args

from msgspec import Struct

from opslib.command import Secret
from opslib.settings import units
from opslib.settings.keep import Keep
from opslib.settings.units import Parse, Scalar

StoreKind = Literal["folder", "sftp", "s3", "gs", "az"]
_OF_KIND: dict[StoreKind, tuple[str, ...]] = {
    "folder": (), "sftp": (), "s3": ("endpoint", "region", "access_key", "secret_key"),
    "gs": ("endpoint", "secret_key"), "az": ("endpoint", "access_key", "secret_key"),
}  # fmt: skip
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PREFIX = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """Where a store is: `at` is the bucket or container, or where ssh goes; `path` the prefix in a bucket ("" for
    none), or the folder, absolute or (SFTP) below the login user's home."""

    kind: StoreKind
    at: str
    path: str

    def __str__(self) -> str:
        if self.kind == "folder":
            return self.path
        tilde = "~/" if self.kind == "sftp" and not self.path.startswith("/") else ""
        return f"{self.kind}://{self.at}/{tilde}{self.path.lstrip('/')}".rstrip("/")


def store_url(value: Scalar) -> StoreUrl:
    """`s3://bucket/prefix`, `gs://…`, `az://container/prefix`, `sftp://user@host:port/folder`, `/folder`."""
    expected = "expected an address like s3://bucket/prefix, sftp://user@host/folder or /mnt/disk/folder"
    if not isinstance(value, str):
        raise ValueError(expected)
    if value.startswith("/") and value.strip("/"):
        return StoreUrl("folder", "", value.rstrip("/"))
    scheme, colon, rest = value.partition("://")
    if not colon or scheme not in get_args(StoreKind) or scheme == "folder":
        raise ValueError(expected)
    at, _, path = rest.partition("/")
    if scheme == "sftp":
        return _sftp(at, path)
    path = path.strip("/")
    if not _BUCKET.fullmatch(at) or (path and not _PREFIX.fullmatch(path)) or ".." in path.split("/"):
        raise ValueError(f"expected a bucket and a prefix of letters, digits, - _ and ., like {scheme}://bucket/prefix")
    return StoreUrl(scheme, at, path)  # type: ignore[arg-type]  # one of the kinds


def _sftp(at: str, path: str) -> StoreUrl:
    if ":" in at.rpartition("@")[0]:
        raise ValueError("expected no password: keys and agents of your ssh are used, as for hosts")
    if not path.strip("/"):
        raise ValueError("expected a folder, like sftp://user@host/srv/backups or sftp://user@host/~/backups")
    path = path.rstrip("/")
    return StoreUrl("sftp", str(units.address(at)), path[2:] if path.startswith("~/") else f"/{path}")


def store_name(value: Scalar) -> str:
    """What `--store` takes, and the name of a folder in a store."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise ValueError("expected a name of letters, digits, - _ and .")
    return value


class StoreSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A store. `name` None: the address itself. `folder` holds the host's sets there; None: PROJECT.HOST. `keep` None:
    as on the host. `limit` is in bytes a second. `append_only`: nothing is ever removed there from here.

    `endpoint` is the service's address, when that is not the provider's public one; Azure's has the account in it.
    Keys that are not given come from the environment or the machine's own role. `access_key` of Azure is the storage
    account's name; `secret_key` of GCS the service account's key as JSON.
    """

    short: ClassVar[str] = "url"

    url: Annotated[StoreUrl, Parse(store_url)]
    name: Annotated[str, Parse(store_name)] | None = None
    folder: Annotated[str, Parse(store_name)] | None = None
    endpoint: Annotated[str, Parse(units.url)] | None = None
    region: str | None = None
    access_key: Secret | None = None
    secret_key: Secret | None = None
    keep: Keep | None = None
    limit: Annotated[int, Parse(units.rate)] | None = None
    append_only: bool = False

    def __post_init__(self) -> None:
        if self.name == "host":
            raise ValueError("host is what backup.list calls the host's own folder: give the store another name")
        allowed = _OF_KIND[self.url.kind]
        for key in ("endpoint", "region", "access_key", "secret_key"):
            if getattr(self, key) is not None and key not in allowed:
                raise ValueError(f"{key} means nothing for {self.url}")
        if self.url.kind == "s3" and (self.access_key is None) != (self.secret_key is None):
            raise ValueError("give both access_key and secret_key, or none of them")
        if self.url.kind == "az" and self.secret_key is not None and self.access_key is None:
            raise ValueError("access_key, the storage account's name, is missing")

    @property
    def called(self) -> str:
        """What `--store` takes."""
        return self.name or str(self.url)
