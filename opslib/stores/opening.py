"""From a store in a host file to an open one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opslib.stores.store import Store, StoreFailed

if TYPE_CHECKING:
    from opslib.settings.stores import StoreSpec


def open_store(spec: StoreSpec, *, hidden: bool = False) -> Store:
    """The store, opened; with `hidden` as it was filled, which S3 alone can show. What it needs is imported here, not
    before. Nothing is asked: an SFTP login is by keys that work without a person. Raises StoreFailed."""
    if hidden:
        if spec.url.kind != "s3":
            raise StoreFailed(f"{spec.called}: hidden versions are known of S3 alone", next="docs/stores.md")
        from opslib.stores.versions import FirstVersions

        return FirstVersions(spec)
    if spec.url.kind == "folder":
        from opslib.stores.folder import FolderStore

        return FolderStore(spec.url.path)
    if spec.url.kind == "sftp":
        from opslib.stores.sftp import SftpStore

        return SftpStore(spec.url.at, spec.url.path, spec.called)
    from opslib.stores.objects import ObjectStore

    return ObjectStore(spec)
