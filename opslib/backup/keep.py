"""Writes what it reads to a file, compares it with what stands on the disk while the rest is still coming, and prints
its SHA-256.

A program of its own for the tools container: FILE. Piece by piece the file is brought to the disk, dropped from memory
and read again: byte by byte it is what was made, or there is no artifact; and a backup of 50 GB does not push the
database's pages out of memory. A digest of both would take more of the processor than all of the rest. Exit codes: 1 it
cannot be written, 3 it reads back as something else.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import threading
from queue import SimpleQueue

PIECE = 8 << 20
PIECES = 3  # in memory: one that is being filled, one that is being compared, one between them
BLOCK = 1 << 20


class Back:
    """Follows a file that grows, and reads back from the disk what it is given. `digest` is of what it has read."""

    def __init__(self, file: int) -> None:
        self.digest, self.failed = hashlib.sha256(), ""
        self.free: SimpleQueue[bytearray] = SimpleQueue()
        self._file, self._written = file, SimpleQueue[tuple[bytearray, int]]()
        for _ in range(PIECES):
            self.free.put(bytearray(PIECE))
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def written(self, piece: bytearray, count: int) -> None:
        """So many bytes of it are in the file now; it comes back as a free one."""
        self._written.put((piece, count))

    def end(self) -> None:
        """All is written; wait until all of it has been read."""
        self._written.put((bytearray(), 0))
        self._thread.join()

    def _follow(self) -> None:
        at = 0
        while (given := self._written.get())[1]:
            piece, count = given
            try:
                self.failed = self.failed or self._compared(memoryview(piece)[:count], at)
            except OSError as error:
                self.failed = str(error.strerror)
            at += count
            self.free.put(piece)

    def _compared(self, made: memoryview, start: int) -> str:
        os.fdatasync(self._file)
        os.posix_fadvise(self._file, start, len(made), os.POSIX_FADV_DONTNEED)
        block, done = memoryview(bytearray(BLOCK)), 0
        while done < len(made):
            n = os.preadv(self._file, [block[: len(made) - done]], start + done)
            # as bytes: memoryviews are compared item by item, 70 times slower
            if not n or block[:n].tobytes() != made[done : done + n].tobytes():
                return "it reads back as something else than was written"
            self.digest.update(block[:n])
            done += n
        return ""


def main(path: str) -> int:
    """Keep standard input in a new file."""
    with open(0, "rb", buffering=0) as given, open(path, "x+b", buffering=0) as file:
        back, more = Back(file.fileno()), True
        while more:
            piece = back.free.get()
            room, at = memoryview(piece), 0
            while at < PIECE and (more := bool(n := given.readinto(room[at:]))):
                end = at + n
                while at < end:
                    at += file.write(room[at:end])
            if at:
                back.written(piece, at)
        back.end()
    if back.failed:
        what = f"{path}: {back.failed}; look at the disk (dmesg, smartctl) before the backup is run again"
        print(what, file=sys.stderr)
        return 3
    print(back.digest.hexdigest())
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
