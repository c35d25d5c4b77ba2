"""A machine with SFTP as a store: it needs sshd and nothing else."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from paramiko import SFTPClient, SFTPError, SFTPFile, SSHException
from paramiko.sftp import CMD_EXTENDED

from opslib.errors import CannotConnect, HostKeyChanged, HostKeyUnknown, NoKeyAccepted
from opslib.stores.store import Content, StoreFailed, StoreLost
from opslib.target.base import BLOCK
from opslib.target.connection import SshConnection, open_connection
from opslib.target.ssh_config import SshSettings, resolve

_WAIT = 60.0  # seconds for an answer
_AHEAD = 64  # requests of 32 KiB each under way when a file is read


class SftpStore:
    """The folder itself is never made, as with one of this machine. Logged in to when it is first used."""

    def __init__(self, address: str, root: str, called: str) -> None:
        self._settings: SshSettings = resolve(address)
        self._root, self._called = root, called
        self._connection: SshConnection | None = None
        self._open: SFTPClient | None = None

    def files(self, folder: str) -> dict[str, int]:
        top = self._path(folder)
        found: dict[str, int] = {}
        with self._said(folder):
            left = [""]
            while left:
                below = left.pop()
                for path, length in self._listed(top, below):
                    if length is None:
                        left.append(path)
                    else:
                        found[path] = length
        return found

    def _listed(self, top: str, below: str) -> Iterator[tuple[str, int | None]]:
        """The files of a folder with their lengths, and its folders."""
        try:
            entries = self._sftp.listdir_attr(posixpath.join(top, below))
        except FileNotFoundError:
            return
        for entry in entries:
            if not entry.filename.startswith("."):
                folder = stat.S_ISDIR(entry.st_mode or 0)
                yield posixpath.join(below, entry.filename), None if folder else entry.st_size or 0

    def look(self, key: str) -> Content | None:
        with self._said(key):
            try:
                return Content(self._sftp.stat(self._path(key)).st_size or 0, None)
            except FileNotFoundError:
                return None

    def put(self, key: str, blocks: Iterable[bytes], content: Content) -> None:
        path = self._path(key)
        folder, name = posixpath.split(path)
        part = f"{folder}/.{name}.part"
        with self._said(key):
            self._make(key)
            try:
                with self._sftp.open(part, "wb") as file:
                    self._sftp.chmod(part, 0o600)
                    _write(file, blocks)
                    with suppress(OSError):  # not every server has it
                        self._sftp._request(CMD_EXTENDED, "fsync@openssh.com", file.handle)  # type: ignore[attr-defined]
                if self._sftp.stat(part).st_size != content.bytes:
                    raise StoreFailed(f"{key} arrived with another length")
                if self.look(key) is not None:
                    raise StoreFailed(f"{path} is there already")
                self._sftp.rename(part, path)
            except BaseException:
                with suppress(OSError, SSHException, EOFError):
                    self._sftp.remove(part)
                raise

    def get(self, key: str, sink: Callable[[bytes], object]) -> None:
        with self._said(key), self._sftp.open(self._path(key), "rb") as file:
            length = file.stat().st_size or 0
            file.prefetch(length, _AHEAD)
            while block := file.read(BLOCK):
                sink(block)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._said(key):
            with suppress(FileNotFoundError):
                self._sftp.remove(path)
            with suppress(OSError):  # the last file of it takes the folder along
                self._sftp.rmdir(posixpath.dirname(path))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._open = None

    def _path(self, key: str) -> str:
        return posixpath.join(self._root, key)

    def _make(self, key: str) -> None:
        """The folders of a key, below the store's own, which must be there."""
        folder = self._root
        self._sftp.stat(folder)
        for name in key.split("/")[:-1]:
            folder = posixpath.join(folder, name)
            try:
                self._sftp.stat(folder)
            except FileNotFoundError:
                self._sftp.mkdir(folder, 0o750)

    @property
    def _sftp(self) -> SFTPClient:
        if self._open is None:
            self._connection = open_connection(self._settings, host_name=self._called, prompt=None)
            transport = self._connection.transport
            self._open = SFTPClient.from_transport(transport)
            channel = self._open.get_channel() if self._open else None
            if self._open is None or channel is None:
                raise SSHException("the server gives no SFTP")
            channel.settimeout(_WAIT)
        return self._open

    @property
    def _stands(self) -> bool:
        transport = self._connection.transport if self._connection is not None else None
        return transport is not None and transport.is_active()

    @contextmanager
    def _said(self, key: str) -> Iterator[None]:
        """Errors as a store's. A line that broke is opened anew by the next call."""
        try:
            yield
        except (HostKeyChanged, HostKeyUnknown, NoKeyAccepted) as error:
            raise StoreFailed(error.what, next=f"`{self._settings.command()}` must log in without asking") from error
        except CannotConnect as error:
            raise StoreLost(error.what, next=error.next) from error
        except FileNotFoundError as error:
            raise StoreFailed(
                f"{self._root}, or {key} in it, is not there",
                next="the store's own folder has to be made once, by hand",
            ) from error
        except PermissionError as error:
            raise StoreFailed(f"{self._path(key)}: the login user may not do that") from error
        except (OSError, SSHException, SFTPError, EOFError) as error:
            if isinstance(error, OSError) and not isinstance(error, TimeoutError) and self._stands:
                raise StoreFailed(f"{self._path(key)}: the server says: {error}") from error
            self.close()
            raise StoreLost(f"the line to {self._settings.hostname} broke: {error or type(error).__name__}") from error


def _write(file: SFTPFile, blocks: Iterable[bytes]) -> None:
    """Write without waiting for each answer. With the last block all of them are read: paramiko would drop those that
    are still under way when the file is closed, errors too."""
    held = b""
    file.set_pipelined(True)
    for block in blocks:
        file.write(held)
        held = block
    file.set_pipelined(False)
    file.write(held)
