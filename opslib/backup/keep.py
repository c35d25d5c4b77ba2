"""Writes what it reads to a file, reads it back from the disk while the rest is still coming, and prints its SHA-256.

A program of its own for the tools container: FILE. Piece by piece the file is brought to the disk, dropped from
memory and read again, so what stands there is what was made, and a backup of 50 GB does not push the database's pages
out of memory. Exit codes: 1 it cannot be written, 3 it reads back as something else.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import threading

PIECE = 64 << 20
BLOCK = 1 << 20


class Back:
    """Follows a file that grows, from the disk. `digest` is of what it has read."""

    def __init__(self, file: int) -> None:
        self.digest, self.failed = hashlib.sha256(), ""
        self._file, self._written, self._more = file, 0, threading.Semaphore(0)
        self._over = False
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def grown(self, written: int) -> None:
        """So many bytes are in the file by now."""
        self._written = written
        self._more.release()

    def end(self, written: int) -> None:
        """No more will come; wait until all of it has been read."""
        self._over = True
        self.grown(written)
        self._thread.join()

    def _follow(self) -> None:
        block, at = memoryview(bytearray(BLOCK)), 0
        try:
            while True:
                self._more.acquire()
                last, end = self._over, self._written
                os.fdatasync(self._file)
                os.posix_fadvise(self._file, at, end - at, os.POSIX_FADV_DONTNEED)
                while at < end and (n := os.preadv(self._file, [block[: end - at]], at)):
                    self.digest.update(block[:n])
                    at += n
                if last:
                    return
        except OSError as error:
            self.failed = str(error.strerror)


def main(path: str) -> int:
    """Keep standard input in a new file."""
    made, block, written, told = hashlib.sha256(), memoryview(bytearray(BLOCK)), 0, 0
    with open(0, "rb", buffering=0) as given, open(path, "x+b", buffering=0) as file:
        back = Back(file.fileno())
        while n := given.readinto(block):
            made.update(block[:n])
            at = 0
            while at < n:
                at += file.write(block[at:n])
            written += n
            if written - told >= PIECE:
                told = written
                back.grown(written)
        back.end(written)
    if back.failed or back.digest.digest() != made.digest():
        why = back.failed or "it reads back as something else than was written"
        print(f"{path}: {why}; look at the disk (dmesg, smartctl) before the backup is run again", file=sys.stderr)
        return 3
    print(made.hexdigest())
    return 0


if __name__ == "__main__":
    try:
        code = main(sys.argv[1])
    except OSError as error:
        full = ": the disk is full up to the reserve" if error.errno == errno.EFBIG else ""
        print(f"{sys.argv[1]}: {error.strerror}{full}", file=sys.stderr)
        code = 1
    sys.stdout.flush()
    os._exit(code)  # a piece that is still on its way to the disk is not waited for
