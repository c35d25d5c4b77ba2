"""Reading a report of any size in place: what is not asked for is passed over and never becomes a value.

The file is mapped, so of 200 MB only what is kept of them takes memory; the kernel drops the rest when it wants to.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import msgspec

from opslib.scan.model import Damaged


def read_report(path: Path, kind: Any) -> Any:
    """The JSON in the file as a value of the type `kind`. Raises Damaged, also for what is no whole JSON."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise Damaged("the report is empty")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return msgspec.json.decode(data, type=kind)
    except OSError as error:
        raise Damaged(f"the report cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(f"the report is not understood: {error}") from None
    except RecursionError:
        raise Damaged("the report is not understood: nested too deeply") from None
