"""Prints documents in BSON until there are SIZE bytes of them: `python fill_bson.py SIZE >events.bson`."""

from __future__ import annotations

import hashlib
import struct
import sys

KINDS = ("view", "search", "order", "refund")
NOTES = ("delivered to the neighbour", "paid by card", "asked for an invoice", "came back twice")


def document(number: int) -> bytes:
    """As an application has them: a number, a time, a few repeated words, an address, a digest, some prose."""
    token = hashlib.md5(str(number).encode()).hexdigest()
    customer = int(token[:8], 16) % 900_000
    fields = b"".join(
        (
            _field(0x12, "_id", struct.pack("<q", number)),
            _field(0x09, "at", struct.pack("<q", 1_767_225_600_000 + number * 1700)),
            _field(0x10, "customer", struct.pack("<i", customer)),
            _field(0x01, "amount", struct.pack("<d", customer % 90000 / 100)),
            _field(0x02, "kind", _text(KINDS[customer % 4])),
            _field(0x02, "email", _text(f"customer{customer}@example.com")),
            _field(0x02, "token", _text(token)),
            _field(0x02, "note", _text(NOTES[number % 4])),
        )
    )
    return struct.pack("<i", len(fields) + 5) + fields + b"\0"


def _field(kind: int, name: str, value: bytes) -> bytes:
    return bytes([kind]) + name.encode() + b"\0" + value


def _text(value: str) -> bytes:
    data = value.encode() + b"\0"
    return struct.pack("<i", len(data)) + data


def main(size: int) -> None:
    number = 0
    while size > 0:
        data = document(number)
        sys.stdout.buffer.write(data)
        size, number = size - len(data), number + 1


main(int(sys.argv[1]))
