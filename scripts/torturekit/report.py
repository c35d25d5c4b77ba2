"""The tables, one for each case, as they are printed and as they stand in docs/reliability.md."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import ROOT, lab_facts

from .tally import Row

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- scripts/torture --write: from here -->", "<!-- to here -->"
HEADS = {
    "sets": ("what was done", "times", "in a run", "sets read to their end", "bad sets", "minutes"),
    "requests": ("what was done", "times", "in a run", "requests answered", "failed", "minutes"),
    "inputs": ("what reads them", "times", "with inputs", "inputs made up", "failed", "minutes"),
}


def section(name: str, rows: Sequence[Row], facts: Sequence[str], proven: str) -> str:
    """A case: its heading, its rows in Markdown, and the machine below. `proven`: what was counted, of `HEADS`."""
    head = HEADS[proven]
    cells = [list(head), *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    lines = ["| " + " | ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) + " |"
             for line in cells]  # fmt: skip
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([f"### {name}", lines[0], rule, *lines[1:], "", *(f"{fact}  " for fact in facts)]).rstrip() + "\n"


def _cells(row: Row) -> list[str]:
    return [row.what, f"{row.times:,}", f"{row.hits:,}", f"{row.proven:,}", str(row.bad), f"{row.seconds / 60:.1f}"]


def facts(seed: int) -> list[str]:
    """Lines: the date, the machine, the seed, the versions."""
    model = re.search(r"(?m)^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    engine = (lab_facts().get("engine") or {}).get("version", "")
    docker = f", Docker {engine}" if engine else ""
    return [
        f"Done {time.strftime('%Y-%m-%d')} with seed {seed} on {len(os.sched_getaffinity(0))} cores of "
        f"{model[1] if model else platform.machine()}, {memory:.0f} GiB, {system}, Linux {platform.release()}.",
        f"opslib {_commit()}, Python {platform.python_version()}{docker}.",
    ]


def write(name: str, text: str, order: Sequence[str]) -> None:
    """Put a case's section into the page; the others stay."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    tables, _, after = rest.partition(END)
    there = {part.split("\n", 1)[0][4:].strip(): part for part in re.split(r"(?m)^(?=### )", tables) if part.strip()}
    there[name] = text
    told = "\n".join(there[one].rstrip("\n") + "\n" for one in order if one in there)
    PAGE.write_text(f"{before}{BEGIN}\n{told}{END}{after}")


def _commit() -> str:
    told = ["git", "-C", str(ROOT), "describe", "--always", "--dirty= with changes"]
    return subprocess.run(told, capture_output=True, text=True).stdout.strip() or "of no commit"
