"""Read a settings file as text, so that whatever is wrong with it is one line for a person."""

from __future__ import annotations

from pathlib import Path

from opslib.errors import BadSettings

_LARGEST = 1 << 20  # bytes; a settings file beyond it is some other file under this name


def read_text(path: Path, shown: str, largest: int = _LARGEST) -> str:
    """The file's text, without a byte order mark; `shown` is its name in errors.

    Raises FileNotFoundError when there is none, and BadSettings for everything else that keeps it from being read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadSettings(f"{shown}: cannot be read: {error.strerror or error}") from None
    if len(data) > largest:
        raise BadSettings(f"{shown}: larger than {largest >> 20} MiB: this is no settings file")
    if (nul := data.find(b"\0")) >= 0:
        raise BadSettings(f"{shown}:{_line(data, nul)}: a NUL byte: this is no text file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSettings(f"{shown}:{_line(data, error.start)}: not UTF-8 text") from None


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1
