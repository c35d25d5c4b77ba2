"""A bucket as a store: S3 and what is compatible with it, Google's and Azure's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, S3Store

from opslib.stores.store import Content, StoreFailed, StoreLost
from opslib.target.process import mask

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

    from opslib.settings.stores import StoreSpec

_PART = 8 * 1024 * 1024  # bytes of a part, as long as no more than _PARTS are needed
_PARTS = 9000  # of 10,000 that S3 allows
_MEMORY = 32 * 1024 * 1024  # bytes of parts under way
_DIGEST = "sha256"  # the metadata's name
_FINAL = re.compile("status code: 4(?!08|09|29)")  # asking again gives the same answer
LOOK = "look at the store's address, region and credentials, at what they allow, and at the clock of this machine"

# A part may take so long, and no answer at all; then it is tried again, with pauses, for a minute.
_CLIENT: ClientConfig = {"timeout": timedelta(seconds=300), "connect_timeout": timedelta(seconds=10)}
_RETRY: RetryConfig = {
    "max_retries": 8, "retry_timeout": timedelta(seconds=60), "backoff": {"init_backoff": timedelta(seconds=0.3)},
}  # fmt: skip


class ObjectStore:
    """Large files go in parts, several at once; S3 is told the SHA-256 of each and compares. A file is there when all
    its parts are."""

    def __init__(self, spec: StoreSpec) -> None:
        self._url = str(spec.url)
        self._secrets = tuple(one.reveal() for one in (spec.secret_key, spec.access_key) if one)
        self._store = self._opened(spec)

    def files(self, folder: str) -> dict[str, int]:
        found: dict[str, int] = {}
        with self._said(folder):
            for some in obstore.list(self._store, f"{folder}/"):
                found.update({one["path"].removeprefix(f"{folder}/"): one["size"] for one in some})
        return found

    def look(self, key: str) -> Content | None:
        with self._said(key):
            try:
                wanted: Any = {"head": True, **self._which(key)}
                there = obstore.get(self._store, key, options=wanted)
            except FileNotFoundError:
                return None
            return Content(there.meta["size"], there.attributes.get(_DIGEST))

    def put(self, key: str, blocks: Iterable[bytes], content: Content) -> None:
        with self._said(key):
            if content.bytes <= _PART:
                self._put_small(key, b"".join(blocks), content)
                return
            if self.look(key) is not None:
                raise StoreFailed(f"{self._url}/{key} is there already")
            part = max(_PART, -(-content.bytes // _PARTS))
            obstore.put(
                self._store, key, iter(blocks), attributes=_attributes(content), chunk_size=part,
                max_concurrency=max(1, _MEMORY // part),
            )  # fmt: skip

    def _put_small(self, key: str, data: bytes, content: Content) -> None:
        try:
            obstore.put(self._store, key, data, mode="create", attributes=_attributes(content))
        except exceptions.AlreadyExistsError:
            if self.look(key) != content:  # else it is ours: the answer to a first try was lost
                raise StoreFailed(f"{self._url}/{key} is there already") from None
        except (exceptions.NotSupportedError, NotImplementedError):
            obstore.put(self._store, key, data, attributes=_attributes(content))

    def get(self, key: str, sink: Callable[[bytes], object]) -> None:
        # Piece by piece: each is tried again by itself, and none of them outlasts the time limit of a request.
        with self._said(key):
            wanted: Any = {"head": True, **self._which(key)}
            length, at = obstore.get(self._store, key, options=wanted).meta["size"], 0
            while at < length:
                wanted = {"range": (at, min(at + _PART, length)), **self._which(key)}
                piece = bytes(obstore.get(self._store, key, options=wanted).bytes())
                sink(piece)
                at += len(piece)

    def delete(self, key: str) -> None:
        with self._said(key):
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                pass

    def close(self) -> None:
        pass

    def _which(self, key: str) -> dict[str, Any]:
        """Options of the library that say which version of a file is meant: the newest. Raises FileNotFoundError."""
        return {}

    @contextmanager
    def _said(self, key: str) -> Iterator[None]:
        what = f"{self._url}/{key}"
        try:
            yield
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise StoreFailed(f"{what} is refused: {self._told(error)}", next=LOOK) from error
        except FileNotFoundError as error:
            raise StoreFailed(f"{what} is not there: {self._told(error)}") from error
        except (exceptions.BaseError, ValueError, OSError) as error:
            if _FINAL.search(str(error)):
                raise StoreFailed(f"{what} is refused: {self._told(error)}", next=LOOK) from error
            raise StoreLost(f"{what}: {self._told(error)}") from error

    def _opened(self, spec: StoreSpec) -> Any:
        url, key = spec.url, spec.secret_key.reveal() if spec.secret_key else None
        name = spec.access_key.reveal() if spec.access_key else None
        client: ClientConfig = {**_CLIENT, "allow_http": bool(spec.endpoint and spec.endpoint.startswith("http:"))}
        shared: dict[str, Any] = {"prefix": url.path or None, "client_options": client, "retry_config": _RETRY}
        config: dict[str, Any]
        try:
            if url.kind == "gs":
                config = {"base_url": spec.endpoint, "service_account_key": key}
                return GCSStore(url.at, config=_given(config), **shared)
            if url.kind == "az":
                config = {"endpoint": spec.endpoint, "account_name": name, "account_key": key}
                return AzureStore(url.at, config=_given(config), **shared)
            config = {"endpoint": spec.endpoint, "region": spec.region, "access_key_id": name, "secret_access_key": key}
            # One request for each: not every compatible server can delete several at once.
            config |= {"checksum_algorithm": "SHA256", "disable_bulk_delete": True}
            return S3Store(url.at, config=_given(config), **shared)
        except (exceptions.BaseError, ValueError) as error:
            raise StoreFailed(f"{url} cannot be used: {self._told(error)}") from error

    def _told(self, error: object) -> str:
        """What happened: as the server says it, else the library, without the dump below it; and without keys."""
        text = str(error).strip().split("\n\nDebug source", 1)[0].replace("\n", " ")
        said = dict(re.findall("<(Code|Message)>(.*?)</", text))
        return mask(unescape(": ".join(said.values())) or text, self._secrets)[:500]


def _given(config: dict[str, Any]) -> Any:
    return {name: value for name, value in config.items() if value is not None}


def _attributes(content: Content) -> Any:
    return {_DIGEST: content.sha256}
