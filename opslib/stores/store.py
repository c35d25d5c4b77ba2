"""The contract of a store: files under keys, each of them whole or not there at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from opslib.errors import OpsError


class StoreFailed(OpsError):
    """A store refused or could not do what it was asked. Asking again is of no use."""


class StoreLost(StoreFailed):
    """A store did not answer, or broke off: another try may do it."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is: its length in bytes, and its SHA-256 as hex (None where a store cannot tell it cheaply)."""

    bytes: int
    sha256: str | None


class Store(Protocol):
    """A place that keeps files. A key is a path of plain names with slashes; the folders in it are made as needed.

    Every method raises StoreFailed, or StoreLost where another try may help. Calls come one at a time, from any thread.
    """

    def files(self, folder: str) -> dict[str, int]:
        """Every whole file below a folder: its key from there on, and its length. Nothing there is no error."""

    def look(self, key: str) -> Content | None:
        """What is there; None for nothing."""

    def put(self, key: str, blocks: Iterable[bytes], content: Content) -> None:
        """Keep a new file, with bounded memory. When `blocks` raises, or another file is there already, nothing is
        changed."""

    def get(self, key: str, sink: Callable[[bytes], object]) -> None:
        """Give the file to `sink`, block by block."""

    def delete(self, key: str) -> None:
        """Remove a file. Nothing there is no error."""

    def close(self) -> None:
        """Let go of whatever is open."""
