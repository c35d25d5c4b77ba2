"""The sets of one host in one store."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from opslib.backup.manifest import FILE, file_name
from opslib.backup.sets import DAMAGED, SetInfo, as_found, oldest_first
from opslib.compose.script import MOST
from opslib.errors import BadSettings, OpsError
from opslib.events import Progress
from opslib.settings.load import LOCAL
from opslib.stores.flow import PAUSES, Passing, Rate, patiently
from opslib.stores.opening import open_store
from opslib.stores.store import Store, StoreFailed, StoreLost

if TYPE_CHECKING:
    from opslib.run.step import Run
    from opslib.settings.model import Host
    from opslib.settings.stores import StoreSpec
    from opslib.target.base import Target

T = TypeVar("T")


class Offsite:
    """A store, and the folder in it that holds the host's sets. Whatever is asked of it ends at an interruption, and is
    asked again after each of the `pauses` (seconds) where the store is lost. `hidden`: as it was filled, also what has
    been deleted or written over since."""

    def __init__(self, run: Run, spec: StoreSpec, *, pauses: Sequence[float] = PAUSES, hidden: bool = False) -> None:
        self.run, self.spec, self.called, self._pauses, self._hidden = run, spec, spec.called, pauses, hidden
        self.folder = spec.folder or _folder(run.target)
        self.url = f"{spec.url}/{self.folder}"
        self.rate = Rate(spec.limit, self._stop)
        self._store: Store | None = None

    def __enter__(self) -> Offsite:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._store is not None:
            self._store.close()

    def ask(self, work: Callable[[Store], T]) -> T:
        """What `work` returns; it is called again where the store was lost. Raises OpsError that names the store."""

        def once() -> T:
            if self._store is None:
                self._store = open_store(self.spec, hidden=self._hidden)
            return work(self._store)

        def told(error: StoreLost, seconds: float) -> None:
            self.run.note(f"store {self.called}: {error.what}; another try in {seconds:g} s", warning=True)

        try:
            return patiently(once, self._stop, told, self._pauses)
        except StoreFailed as error:
            raise OpsError(f"store {self.called}: {error.what}", left=error.left, next=error.next) from error

    def passing(self, file: str, total: int) -> Passing:
        """For the bytes of a file on their way."""
        what = f"{file}, {self.called}"
        return Passing(self.rate, lambda done: self.run.target.tell(Progress(self.run.host, what, done, total)))

    def key(self, set_id: str, file: str) -> str:
        """Where a file of a set is in the store."""
        return f"{self.folder}/{set_id}/{file}"

    def read(self, set_id: str, file: str) -> bytes:
        """A small file."""
        key = self.key(set_id, file)

        def work(store: Store) -> bytes:
            got: list[bytes] = []
            store.get(key, got.append)
            return b"".join(got)

        return self.ask(work)

    def sets(self) -> list[SetInfo]:
        """Every set that is there, oldest first, also what is half. A set is whole when its manifest is there, and
        each of its artifacts with its length."""
        by_id: dict[str, dict[str, int]] = {}
        for path, length in self.ask(lambda store: store.files(self.folder)).items():
            set_id, _, file = path.partition("/")
            if file:
                by_id.setdefault(set_id, {})[file] = length
        found = []
        for set_id, files in by_id.items():
            text = self.read(set_id, FILE) if files.get(FILE, MOST) < MOST else None
            marked = DAMAGED in files and not self._hidden  # whoever may put may have marked a good one
            damaged = self.read(set_id, DAMAGED).decode("utf-8", "replace")[:300] if marked else ""
            one = as_found(set_id, f"{self.url}/{set_id}", text, files, damaged.replace("\n", " "))
            if one.manifest is not None and one.manifest.id != set_id:
                one = replace(one, wrong=f"its manifest is that of {one.manifest.id}")
            found.append(one)
        return oldest_first(found)

    def _stop(self) -> bool:
        return self.run.target.cancelled


def chosen(host: Host, name: str | None) -> list[StoreSpec]:
    """The stores that `--store` means (None: all). Raises BadSettings where there is none."""
    stores = [one for one in host.backup.stores if name in (None, one.called)]
    if not stores:
        known = ", ".join(one.called for one in host.backup.stores)
        what = f"there is no store {name!r}; known: {known}" if known else "its host file names no store"
        raise BadSettings(what, host=host.name, next="add it to `backup: stores:` in the host file")
    return stores


def only_one(host: Host, name: str | None) -> StoreSpec:
    """The store that `--store` means, where it may be left out if there is only one. Raises BadSettings."""
    stores = chosen(host, name)
    if len(stores) > 1:
        raise BadSettings(f"say which store: --store {' or '.join(one.called for one in stores)}", host=host.name)
    return stores[0]


def _folder(target: Target) -> str:
    """PROJECT.HOST. `local` is a host of every machine: there it is the machine's own name."""
    from opslib.compose.recognise import recognise_project

    host = target.host
    name = socket.gethostname() if host.name == LOCAL else host.name
    if host.is_local and not host.compose:
        return file_name(host.project or target.root.rsplit("/", 1)[-1], name, suffix="")
    return file_name(recognise_project(target, host), name, suffix="")
