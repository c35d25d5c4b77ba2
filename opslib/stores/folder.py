"""A folder of this machine as a store: another disk, a mounted share."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from opslib.stores.store import Content, StoreFailed
from opslib.target.base import BLOCK
from opslib.target.transfer import sha256


class FolderStore:
    """The folder itself is never made: where a disk is not mounted it is not there, and nothing must be written."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def files(self, folder: str) -> dict[str, int]:
        top = self._path(folder)
        found: dict[str, int] = {}
        with self._said():
            for base, _, names in os.walk(top, onerror=_unless_absent):
                for path in (Path(base, name) for name in names if not name.startswith(".")):
                    found[path.relative_to(top).as_posix()] = path.stat().st_size
        return found

    def look(self, key: str) -> Content | None:
        path = self._path(key)
        with self._said():
            return Content(path.stat().st_size, sha256(path)) if path.exists() else None

    def put(self, key: str, blocks: Iterable[bytes], content: Content) -> None:
        path = self._path(key)
        part = path.with_name(f".{path.name}.part")
        with self._said():
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            try:
                with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                    for block in blocks:
                        file.write(block)
                    file.flush()
                    os.fsync(file.fileno())
                    os.fchmod(file.fileno(), 0o440)
                if path.exists():
                    raise StoreFailed(f"{path} is there already")
                part.rename(path)
                self._sync(path.parent)
            finally:
                part.unlink(missing_ok=True)

    def get(self, key: str, sink: Callable[[bytes], object]) -> None:
        with self._said(), open(self._path(key), "rb") as file:
            while block := file.read(BLOCK):
                sink(block)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._said():
            path.unlink(missing_ok=True)
            with suppress(OSError):  # the last file of it takes the folder along
                path.parent.rmdir()

    def close(self) -> None:
        pass

    def _path(self, key: str) -> Path:
        if not self._root.is_dir():
            raise StoreFailed(
                f"there is no folder {self._root} on this machine",
                next=f"mount the disk, or make it once: mkdir -p {self._root}",
            )
        return self._root / key

    def _sync(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = "make room there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
            raise StoreFailed(f"{error.filename or self._root}: {error.strerror}", next=full) from error


def _unless_absent(error: OSError) -> None:
    if error.errno != errno.ENOENT:
        raise error
