"""Makes files in /data: `python - BYTES` mixed ones of so many bytes altogether, `python - BYTES COUNT` small ones."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

ROOT = Path("/data")
POOL = 32 << 20  # bytes of text, of which each file of text is a piece
LARGEST = 64 << 20


def main(size: int, count: int = 0) -> None:
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(5000)]
    text = b""
    while len(text) < POOL:
        text += " ".join(chance.choices(words, k=100_000)).encode() + b"\n"
    number = 0
    while number < count if count else size > 0:
        # many small ones, few large ones, as uploads are: from 1 KiB to LARGEST, each power of two as often
        length = max(1, size // count) if count else min(size, int(2 ** chance.uniform(10, 26)), LARGEST)
        length = int(length * chance.uniform(0.2, 1.8)) if count else length
        folder = ROOT / f"{number // 100 % 100:02}" / f"{number // 10_000:03} {number // 100 % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"file {number:07}.{'txt' if number % 2 else 'jpg'}").open("wb") as file:
            write(file.fileno(), length, text if number % 2 else b"", chance)
        size, number = size - (0 if count else length), number + 1


def write(file: int, length: int, text: bytes, chance: random.Random) -> None:
    """Text, or what cannot be compressed."""
    while length > 0:
        part = min(length, 1 << 20)
        start = chance.randrange(POOL - part)
        length -= os.write(file, text[start : start + part] if text else os.urandom(part))


main(*(int(word) for word in sys.argv[1:]))
