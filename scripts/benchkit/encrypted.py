"""An encrypted backup of PostgreSQL and its restore, beside the same in clear."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from .databases import database, dumped
from .engines import ENGINES
from .measure import BenchError, Row, Sizes, rate, rounds, say, seconds
from .place import Place

HOST = "sealed"  # a host file of this machine whose sets are encrypted; they are in the project's folder of that name


def sealed(place: Place, folder: Path) -> dict[str, str]:
    """Give a project of the bench's own the host file; returns the environment that reads its sets."""
    key = place.path / "key.txt"
    if not key.exists():
        place.inv(folder, "backup.key", "--out", str(key))
    public = re.search(r"age1[a-z0-9]+", key.read_text())
    if not public:
        raise BenchError(f"there is no public key in {key}")
    (folder / "hosts").mkdir(exist_ok=True)
    (folder / f"hosts/{HOST}.yml").write_text(f"backup: {{directory: {HOST}, encrypt_to: {public[0]}}}\n")
    return {"OPSLIB_AGE_IDENTITY_FILE": str(key)}


def measured(place: Place, sizes: Sizes) -> list[Row]:
    """Both ways, with and without `encrypt_to`."""
    engine = ENGINES["postgres"]
    folder = database(place, engine, sizes.size)
    environ, size = sealed(place, folder), dumped(place, engine)
    say(f"encrypted and in clear, a dump of {size / 1e9:.2f} GB")

    def inv(*words: str) -> Callable[[], float]:
        return lambda: place.inv(folder, *words, environ=environ).seconds

    back = ("restore.postgres", "--file", "latest", "--yes", "--host")
    inv("backup.postgres")()
    found = rounds(
        sizes.runs,
        {
            "encrypted": inv("backup.postgres", "--host", HOST),
            "in clear": inv("backup.postgres"),
            "encrypted, back": inv(*back, HOST),
            "in clear, back": inv(*back, "local"),
        },
    )

    def row(what: str, ours: str, peer: str) -> Row:
        told = f"{seconds(found.median(ours))}, {rate(size, found.median(ours))}"
        return Row(what, told, f"in clear: {seconds(found.median(peer))}", "≤ 1.4", found.ratios(ours, peer),
                   sizes.runs)  # fmt: skip

    return [
        row(f"`inv backup.postgres` with `encrypt_to`, {size / 1e9:.2f} GB of dump", "encrypted", "in clear"),
        row("`inv restore.postgres` of that set", "encrypted, back", "in clear, back"),
    ]
