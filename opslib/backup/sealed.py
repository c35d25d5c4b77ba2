"""Encrypted artifacts by Python alone, where there is no Docker engine or none is needed: by pyrage, which is age."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pyrage


class Sealing:
    """What is written goes encrypted to `out`: by a thread, because age reads what it encrypts."""

    def __init__(self, out: IO[bytes], recipients: list[str]) -> None:
        keys = [pyrage.x25519.Recipient.from_str(one) for one in recipients]
        read, write = os.pipe()
        self.clear = open(write, "wb")  # noqa: SIM115  # finish closes it
        self.failed: list[BaseException] = []

        def seal() -> None:
            with open(read, "rb") as source:
                try:
                    pyrage.encrypt_io(source, out, keys)
                except BaseException as error:
                    self.failed.append(error)

        self.thread = threading.Thread(target=seal, daemon=True)
        self.thread.start()

    def write(self, data: bytes) -> int:
        """Write on; raises OSError as the file below."""
        try:
            return self.clear.write(data)
        except BrokenPipeError:
            self.finish()
            raise

    def flush(self) -> None:
        """For GzipFile."""

    def finish(self) -> None:
        """All of it is below now."""
        with contextlib.suppress(BrokenPipeError):
            self.clear.close()
        self.thread.join()
        if self.failed:
            raise OSError(str(self.failed[0]))


def opened(path: str | Path, identities: Sequence[str]) -> IO[bytes]:
    """An encrypted file to be read: decrypted to one without a name. Raises OSError."""
    clear = tempfile.TemporaryFile()  # noqa: SIM115
    found = [pyrage.x25519.Identity.from_str(one) for one in identities]
    try:
        with open(path, "rb") as file:
            pyrage.decrypt_io(file, clear, found)
    except pyrage.DecryptError as error:
        raise OSError(f"age: {error}") from None
    clear.seek(0)
    return clear
