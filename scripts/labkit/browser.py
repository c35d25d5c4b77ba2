"""Chromium, for tests that look at a page as a person does: Debian's package."""

from __future__ import annotations

import shutil

from . import apt
from .shell import LabError, say


def program() -> str | None:
    """Where it is, when it is there."""
    return shutil.which("chromium")


def ensure() -> None:
    """Install it when it is not there, about 50 s."""
    if program() is not None:
        return
    if not apt.may_install():
        raise LabError("there is no Chromium, and only root on Debian can install it here", 3)
    say("install Chromium from Debian, about 50 s")
    apt.update()
    apt.install(["chromium"])
