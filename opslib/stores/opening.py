"""From a store in a host file to an open one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.stores.store import Store

if TYPE_CHECKING:
    from opslib.settings.stores import StoreSpec


def open_store(spec: StoreSpec) -> Store:
    """The store, opened; what it needs is imported here and not before. Nothing is asked: an SFTP login is by keys that
    work without a person. Raises StoreFailed."""
    if spec.url.kind == "folder":
        from opslib.stores.folder import FolderStore

        return FolderStore(spec.url.path)
    if spec.url.kind == "sftp":
        from opslib.stores.sftp import SftpStore

        return SftpStore(spec.url.at, spec.url.path, spec.called)
    from opslib.stores.objects import ObjectStore

    return ObjectStore(spec)
