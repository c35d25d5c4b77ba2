"""Real places for stores: a folder, a throwaway sshd, the lab's S3 server, its emulators of Azure and Google. Each is empty
and goes with its test."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from opslib.command import Secret
from opslib.settings.stores import StoreSpec, store_url
from opslib.stores.sftp import SftpStore
from opslib.stores.store import Store
from opslib.target.ssh_config import CONFIG_VARIABLE
from tests.stores.azure import ACCOUNT, KEY, Azurite
from tests.stores.gateway import BUCKET, REGION, ROOT, Gateway
from tests.stores.google import Google, ServiceAccount
from tests.target.sshd import Sshd, new_key


@dataclass(frozen=True)
class Place:
    """`nowhere` is a place that is not there, `stranger` one who may not log in, `cut` breaks an open line, `port` is
    where a bucket's server listens."""

    spec: StoreSpec
    nowhere: StoreSpec
    stranger: StoreSpec | None = None
    cut: Callable[[Store], None] | None = None
    port: int = 0

    def by_way_of(self, port: int, **more: Any) -> StoreSpec:
        """The bucket, reached by another port."""
        assert self.spec.endpoint is not None
        return replace(self.spec, endpoint=self.spec.endpoint.replace(str(self.port), str(port)), **more)


class Clouds:
    """The emulators of Azure and Google; each is started by the first test that needs it, and serves all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def azure(self) -> Azurite:
        return Azurite(self._folder / "azure")

    @cached_property
    def google(self) -> Google:
        return Google(self._folder / "google")

    def stop(self) -> None:
        """End those that run."""
        for name in ("azure", "google"):
            if name in vars(self):
                getattr(self, name).stop()


@contextmanager
def open_place(kind: str, folder: Path, clouds: Clouds) -> Iterator[Place]:
    """A place of that kind."""
    if kind in ("az", "gs"):
        yield _az(clouds.azure) if kind == "az" else _gs(clouds.google)
        return
    with {"folder": _folder, "sftp": _sftp, "s3": _s3}[kind](folder) as place:
        yield place


@contextmanager
def _folder(folder: Path) -> Iterator[Place]:
    (folder / "n a s").mkdir()
    yield Place(_spec(f"{folder}/n a s"), _spec(f"{folder}/not mounted"))


@contextmanager
def throwaway_sshd(folder: Path) -> Iterator[Sshd]:
    """A server that this process's ssh settings know and may log in to; as `stranger` it is one with another key."""
    new_key(folder / "id")
    new_key(folder / "other")
    server = Sshd(folder / "sshd", [folder / "id"])
    (folder / "known_hosts").write_text(server.known_line() + server.known_line(name="stranger"))
    (folder / "ssh_config").write_text(
        f"Host *\n  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile none\n  IdentitiesOnly yes\n"
        f"Host stranger\n  HostName 127.0.0.1\n  Port {server.port}\n  IdentityFile {folder}/other\n"
        f"  HostKeyAlias stranger\nHost !stranger *\n  IdentityFile {folder}/id\n"
    )
    try:
        with patch.dict(os.environ, {CONFIG_VARIABLE: f"{folder}/ssh_config"}):
            os.environ.pop("SSH_AUTH_SOCK", None)
            yield server
    finally:
        server.stop()


@contextmanager
def _sftp(folder: Path) -> Iterator[Place]:
    (folder / "n a s").mkdir()

    def cut(store: Store) -> None:
        assert isinstance(store, SftpStore)
        assert store._connection is not None
        store._connection.transport.close()

    with throwaway_sshd(folder) as server:
        url = f"sftp://{server.address}{folder}"
        yield Place(_spec(f"{url}/n a s"), _spec(f"{url}/gone"), _spec(f"sftp://stranger{folder}/n a s"), cut)


@contextmanager
def _s3(folder: Path) -> Iterator[Place]:
    gateway = Gateway(folder / "s3")
    try:
        nowhere, stranger = bucket(gateway, f"s3://no-such-bucket/{PREFIX}"), bucket(gateway, key=(ROOT[0], "sesame"))
        yield Place(bucket(gateway), nowhere, stranger, port=gateway.port)
    finally:
        gateway.stop()


def _az(azurite: Azurite) -> Place:
    def store(container: str, key: str = KEY) -> StoreSpec:
        return StoreSpec(
            url=store_url(f"az://{container}/{PREFIX}"), endpoint=f"http://127.0.0.1:{azurite.port}/{ACCOUNT}",
            access_key=Secret(ACCOUNT), secret_key=Secret(key),
        )  # fmt: skip

    mine = azurite.container()
    return Place(store(mine), store("gone"), store(mine, base64.b64encode(b"sesame").decode()), port=azurite.port)


def _gs(google: Google) -> Place:
    def store(bucket: str, account: ServiceAccount) -> StoreSpec:
        url, endpoint = store_url(f"gs://{bucket}/{PREFIX}"), f"http://127.0.0.1:{google.port}"
        return StoreSpec(url=url, endpoint=endpoint, secret_key=Secret(account.text))

    mine, right = google.bucket(), google.account
    return Place(store(mine, right), store("gone", right), store(mine, ServiceAccount()), port=google.port)


PREFIX = "a/prefix"
GOOGLE = pytest.param("gs", marks=pytest.mark.full)
"""Its emulator is built for minutes (`scripts/lab gcs`)."""


def bucket(
    gateway: Gateway, url: str = f"s3://{BUCKET}/{PREFIX}", key: tuple[str, str] = ROOT, **more: Any
) -> StoreSpec:
    """A store on it."""
    access, secret = map(Secret, key)
    given: dict[str, Any] = {"endpoint": gateway.endpoint, "region": REGION, **more}
    return StoreSpec(url=store_url(url), access_key=access, secret_key=secret, **given)


def _spec(url: str) -> StoreSpec:
    return StoreSpec(url=store_url(url))
