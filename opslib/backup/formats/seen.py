"""What is said of something that is not recognised: what was seen, and what to do."""

from __future__ import annotations

import re

from opslib.backup.formats import headers
from opslib.backup.formats.look import HEAD, Report
from opslib.engines.known import MARKERS

_RESTORABLE = "name a set, a dump, or an archive that holds one"
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"age-encryption.org/v1", "encrypted with age", "decrypt it first: age -d -i KEY FILE"),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", "encrypted with age", "decrypt it first: age -d -i KEY FILE"),
    (b"-----BEGIN PGP MESSAGE-----", "encrypted with GnuPG", "decrypt it first: gpg -d FILE"),
    (b"\x85\x02", "encrypted with GnuPG", "decrypt it first: gpg -d FILE"),
    (b"\x8c\x0d\x04", "encrypted with GnuPG", "decrypt it first: gpg -d FILE"),
    (b"Salted__", "encrypted with OpenSSL", "decrypt it first: openssl enc -d"),
    (b"LUKS\xba\xbe", "an encrypted disk (LUKS)", _RESTORABLE),
    (b"PK\x03\x04", "a zip archive", "unpack it and name the file that is in it"),
    (b"PK\x05\x06", "an empty zip archive", _RESTORABLE),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and name the file that is in it"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it and name the file that is in it"),
    (b"\x04\x22\x4d\x18", "packed with lz4", "unpack it: lz4 -d"),
    (b"\x89LZO", "packed with lzop", "unpack it: lzop -d"),
    (b"!<arch>", "an ar archive", _RESTORABLE),
    (b"\x89PNG\r\n", "a PNG image", _RESTORABLE),
    (b"\xff\xd8\xff", "a JPEG image", _RESTORABLE),
    (b"GIF8", "a GIF image", _RESTORABLE),
    (b"%PDF-", "a PDF document", _RESTORABLE),
    (b"\x7fELF", "a program", _RESTORABLE),
    (b"#!", "a script", _RESTORABLE),
    (b"PAR1", "a Parquet file", _RESTORABLE),
    (b"\xfebin", "a binary log of MySQL", "restore a dump, then replay it by hand: mysqlbinlog"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch it: git lfs pull"),
    (b"*", "an append-only file of Redis", "restore an RDB file, or put it back by hand"),
)
_PACKED = {"xz": "unpack it first: xz -d", "bzip2": "unpack it first: bzip2 -d"}
_LAYERS = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2"))


def what_was_seen(seen: Report) -> tuple[str, str]:
    """What it is, to follow "it is", and what to type or do next."""
    if seen.kind == "missing":
        return "not there", "inv backup.list"
    if seen.kind == "folder":
        return _folder(seen), "name a set's folder, a folder that mongodump wrote, or one that pg_dump -Fd wrote"
    if seen.kind != "file":
        return f"a {seen.kind}, not a file", _RESTORABLE
    if seen.unreadable:
        return f"a file of {_size(seen.size)} that may not be read", "let this user read it"
    if not seen.size:
        return "an empty file", "the backup that wrote it has failed: take another"
    if seen.packed in _PACKED:
        return f"packed with {seen.packed}, {_size(seen.size)}", _PACKED[seen.packed]
    if seen.lacks:
        return f"packed with {seen.lacks}, and there is no {seen.lacks} to unpack it", f"install {seen.lacks}"
    what, advice = _file(seen)
    shape = f", packed with {seen.packed}" if seen.packed and " inside " not in what else ""
    cut = "; it is damaged or cut off" if seen.damaged else ""
    return f"{what} ({_size(seen.size)}{shape}){cut}", advice


def _folder(seen: Report) -> str:
    if seen.unreadable:
        return "a folder that may not be read"
    top = [name.rstrip("/") for name in seen.names if "/" not in name.rstrip("/")]
    if not top:
        return "an empty folder"
    shown = ", ".join(_shown(name) for name in top[:5]) + (", …" if (seen.entries or len(top)) > 5 else "")
    count = seen.entries or len(top)
    owner = next((MARKERS[name] for name in top if name in MARKERS), "")
    data = f", the data folder of {owner} by the look of it" if owner else ""
    return f"a folder with {count} {'entry' if count == 1 else 'entries'}: {shown}{data}"


def _file(seen: Report) -> tuple[str, str]:
    head = seen.head
    if not head:
        if seen.damaged:
            return "a file that does not unpack", "it is damaged or cut off: take another"
        return "an empty file", "the backup that wrote it has failed: take another"
    for magic, layer in _LAYERS:
        if seen.packed and head.startswith(magic):
            return f"{layer} inside {seen.packed}", f"unpack the outer layer and name what is in it: {seen.packed} -d"
    for magic, what, advice in _MAGIC:
        if head.startswith(magic) and (magic != b"*" or re.match(rb"\*\d+\r\n\$\d+\r\n", head)):
            return what, advice
    if headers.is_bson(head):
        return "one collection's BSON", "name the folder that mongodump wrote"
    if not head.strip(b"\0"):
        return f"nothing but zero bytes in its first {len(head)}", "it is damaged, or an archive of nothing"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "text in UTF-16, as PowerShell writes it", "turn it into UTF-8: iconv -f UTF-16 -t UTF-8"
    return (_text(head) if b"\0" not in head else f"binary data that begins with {_printable(head)}"), _RESTORABLE


def _text(head: bytes) -> str:
    start = head.lstrip()[:200].lower()
    if not start:
        return "nothing but blanks" if len(head) < HEAD else "blanks at its beginning"
    if start.startswith((b"<!doctype html", b"<html")):
        return "HTML"
    if start.startswith(b"<?xml"):
        return "XML"
    if re.match(rb"[{\[]\s*[\"{\[\]}\d]", start):
        return "JSON"
    dump = re.match(rb"\s*((?:pg_dump(?:all)?|(?:mysql|mariadb|mongo)-?dump)(?:\.exe)?: ?.*)", head)
    if dump:
        return f"a file that begins with a message of {_printable(dump[1], 120)}"
    first = head.lstrip().splitlines()[0]
    return f"{'text' if _is_text(head) else 'binary data'} that begins with {_printable(first)}"


def _is_text(head: bytes) -> bool:
    return not re.search(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]", head)


def _printable(data: bytes, most: int = 60) -> str:
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data[:most])
    return f'"{text}{"…" if len(data) > most else ""}"'


def _shown(name: str) -> str:
    """A name in a message: control characters and bytes that are not UTF-8 as escapes."""
    return name if name.isprintable() else name.encode("unicode_escape", "surrogatepass").decode("ascii")


def _size(count: int) -> str:
    return f"{count:,} {'byte' if count == 1 else 'bytes'}"
