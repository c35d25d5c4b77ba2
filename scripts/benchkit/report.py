"""The table, as it is printed and as it stands in docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence

from .measure import BenchError, Row
from .place import CHECKOUT

PAGE = CHECKOUT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- scripts/bench --write: from here -->", "<!-- to here -->"
HEAD = ("what", "opslib", "peer", "ratio: least / median / most", "aim", "runs")


def table(rows: Sequence[Row], facts: Sequence[str]) -> str:
    """The rows in Markdown, and the machine below."""
    cells = [list(HEAD), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = [
        "| " + " | ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:], "", *(f"{fact}  " for fact in facts)]).rstrip()


def write(text: str) -> None:
    """Replace the table of the page."""
    page = PAGE.read_text()
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise BenchError(f"{PAGE} lacks the lines that the table stands between")
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")
