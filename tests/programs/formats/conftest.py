"""The look script is run for real, by this machine's bash and tar."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from opslib.backup.formats.look import LOOK
from opslib.backup.formats.recognise import Format, NotRecognised, recognise

SAMPLES = Path(__file__).parent / "samples"


def report_of(path: str | bytes | Path) -> str:
    done = subprocess.run(
        [b"bash", b"-c", LOOK.encode(), b"opslib", os.fsencode(path)], capture_output=True, timeout=60, check=True
    )
    assert done.stderr == b""
    return done.stdout.decode("ascii")


@pytest.fixture
def look() -> Callable[[str | bytes | Path], Format]:
    """What a file or folder is recognised as."""
    return lambda path: recognise(report_of(path), "it")


@pytest.fixture
def refused() -> Callable[[str | bytes | Path], str]:
    """What is said of one that is not."""

    def said(path: str | bytes | Path) -> str:
        with pytest.raises(NotRecognised) as raised:
            recognise(report_of(path), "it")
        return f"{raised.value.what} | {raised.value.next}"

    return said


@pytest.fixture
def samples() -> Path:
    """Files that pg_dump 15, Redis 7.0 and mariadb-dump 10.11 wrote."""
    return SAMPLES
