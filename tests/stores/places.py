"""Real places for stores: a folder, a throwaway sshd, the lab's S3 server. Each is empty and goes with its test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from opslib.command import Secret
from opslib.settings.stores import StoreSpec, store_url
from opslib.stores.sftp import SftpStore
from opslib.stores.store import Store
from opslib.target.ssh_config import CONFIG_VARIABLE
from tests.stores.gateway import BUCKET, REGION, ROOT, Gateway
from tests.target.sshd import Sshd, new_key


@dataclass(frozen=True)
class Place:
    """`nowhere` is a place that is not there, `stranger` one who may not log in, `cut` breaks an open line."""

    spec: StoreSpec
    nowhere: StoreSpec
    stranger: StoreSpec | None = None
    cut: Callable[[Store], None] | None = None


@contextmanager
def open_place(kind: str, folder: Path) -> Iterator[Place]:
    """A place of that kind."""
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
        yield Place(
            bucket(gateway), bucket(gateway, f"s3://no-such-bucket/{PREFIX}"), bucket(gateway, key=(ROOT[0], "sesame"))
        )
    finally:
        gateway.stop()


PREFIX = "a/prefix"


def bucket(
    gateway: Gateway, url: str = f"s3://{BUCKET}/{PREFIX}", key: tuple[str, str] = ROOT, **more: Any
) -> StoreSpec:
    """A store on it."""
    access, secret = map(Secret, key)
    given: dict[str, Any] = {"endpoint": gateway.endpoint, "region": REGION, **more}
    return StoreSpec(url=store_url(url), access_key=access, secret_key=secret, **given)


def _spec(url: str) -> StoreSpec:
    return StoreSpec(url=store_url(url))
