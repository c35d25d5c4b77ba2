"""Made-up input, by hypothesis, for what reads files that people and other programs have written."""

from __future__ import annotations

import re
import subprocess
import sys
import time

from tests.conftest import ROOT

from .ground import Ground
from .tally import Bad, Row, say

SECONDS, SHORT = 300, 10
READERS = {
    "env files, and changes to them": ("tests/unit/env",),
    "compose files: where things are written, edits, ignores, rules": ("tests/unit/lint",),
    "reports of scanners": ("tests/unit/scan",),
    "host files and units": ("tests/unit/settings",),
    "manifests, and dumps of any kind": ("tests/unit/backup/test_manifest.py", "tests/programs/formats"),
}


def run(ground: Ground) -> list[Row]:
    """The property tests of each reader, with new seeds until its share of five minutes is over."""
    share = (SHORT if ground.dice.short else SECONDS) / len(READERS)
    return [_asked(ground, what, paths, share) for what, paths in READERS.items()]


def _asked(ground: Ground, what: str, paths: tuple[str, ...], share: float) -> Row:
    row, began = Row(what), time.monotonic()
    while row.times == 0 or time.monotonic() - began < share:
        seed = ground.dice.of(what, row.times).randrange(10**6)
        words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile", "long",
                 f"--hypothesis-seed={seed}", "--hypothesis-show-statistics", *paths]  # fmt: skip
        ran = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        if ran.returncode:
            row.bad += 1
            wrong = Bad(f"{what}: with --hypothesis-profile long --hypothesis-seed={seed} a test fails")
            wrong.evidence = {"pytest.txt": ran.stdout + ran.stderr}
            raise wrong
        made = sum(map(int, re.findall(r"(\d+) passing\b", ran.stdout)))
        row.add(hit=made > 0, proven=made)
        row.seconds = time.monotonic() - began
    say(f"  {what}: {row.proven:,} made up")
    return row
