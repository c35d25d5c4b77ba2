"""The memory of `inv` at large sizes: it must not grow with them."""

from __future__ import annotations

from .databases import database
from .measure import MIB, Row, call, say
from .place import Place
from .transfers import client_words, file_there

AIM = "< 120 MiB"


def peaks(place: Place, size: int) -> list[Row]:
    """The peak of each, once: it hardly differs between runs."""
    folder, sample = database(place, size), file_there(place, size)
    say("peak memory of a backup, a restore, and transfers")
    large = f"{size >> 20} MiB"
    found = {
        f"peak memory of `inv backup.postgres`, {large}": place.inv(folder, "backup.postgres").peak,
        f"peak memory of `inv restore.postgres`, {large}": place.inv(
            folder, "restore.postgres", "--file", "latest", "--host", "local", "--yes"
        ).peak,
    }
    todo = place.path / "todo"
    for name, what in (("get", "down"), ("put", "up")):
        todo.write_text(f"{name}\n")
        words = client_words(place, sample, place.path / "back")
        found[f"peak memory of a process that moves {large} {what} over SSH"] = call(
            words, env=place.environment, stdin=todo
        ).peak
    return [Row(what, f"{peak / MIB:.0f} MiB", "", AIM) for what, peak in found.items()]
