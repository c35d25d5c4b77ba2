"""The tables, one for each group, as they are printed and as they stand in docs/benchmarks.md."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .measure import BenchError, Row
from .place import CHECKOUT

PAGE = CHECKOUT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- scripts/bench --write: from here -->", "<!-- to here -->"
HEAD = ("what", "opslib", "peer", "ratio: least / median / most", "aim", "runs")


def section(name: str, rows: Sequence[Row], facts: Sequence[str]) -> str:
    """A group: its heading, its rows in Markdown, and the machine below."""
    cells = [list(HEAD), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = [
        "| " + " | ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    told = "\n".join([lines[0], rule, *lines[1:], "", *(f"{fact}  " for fact in facts)]).rstrip()
    return f"### {name}\n{told}\n"


def write(name: str, text: str, order: Sequence[str]) -> None:
    """Put a group's section into the page; the others stay."""
    page = PAGE.read_text()
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise BenchError(f"{PAGE} lacks the lines that the tables stand between")
    before, _, rest = page.partition(BEGIN)
    tables, _, after = rest.partition(END)
    there = {text.split("\n", 1)[0][4:].strip(): text for text in re.split(r"(?m)^(?=### )", tables) if text.strip()}
    there[name] = text
    told = "\n".join(there[one].rstrip("\n") + "\n" for one in order if one in there)
    PAGE.write_text(f"{before}{BEGIN}\n{told}{END}{after}")
