"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable

from . import databases, machine, memory, report, starts, transfers
from .measure import BenchError, Row, call
from .place import CHECKOUT, Place

TEXT = """Measures opslib beside a peer in the same run, in turn, and prints a table. It judges nothing: the aim stands
beside each figure. What it brings up is removed at the end."""
BENCHES: dict[str, Callable[[Place, int, int], list[Row]]] = {
    "list": lambda place, runs, size: starts.listing(place, runs),
    "nochange": lambda place, runs, size: starts.nochange(place, runs),
    "postgres": databases.backup,
    "download": transfers.transfers,
    "memory": lambda place, runs, size: memory.peaks(place, size),
}


def main(argv: list[str]) -> int:
    """Exit codes: 0 measured, 1 something could not be measured, 2 bad command line, 130 interrupted."""
    options = _parser().parse_args(argv)
    names = options.names or list(BENCHES)
    if options.write and set(names) != set(BENCHES):
        print("bench: --write replaces the whole table, so it takes no names", file=sys.stderr)
        return 2
    try:
        place = Place()
    except BenchError as error:
        return _failed(error)
    try:
        call([CHECKOUT / "scripts" / "venv"])
        # as it is after an installation: a file that was edited since has no bytecode, and inv writes none
        call([CHECKOUT / ".venv/bin/python", "-m", "compileall", "-q", CHECKOUT / "opslib"])
        rows = [row for name in BENCHES if name in names for row in BENCHES[name](place, options.runs, options.size)]
        text = report.table(rows, machine.facts(place))
        print(text)
        if options.write:
            report.write(text)
        code = 0
    except BenchError as error:
        code = _failed(error)
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        code = 130
    if not options.keep:
        try:
            databases.clear(place)
            place.clear()
        except BenchError as error:
            return code or _failed(error)
    return code


def _failed(error: BenchError) -> int:
    print(f"bench: {error}", file=sys.stderr)
    return error.code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=TEXT)
    parser.add_argument("names", nargs="*", metavar="NAME", type=_name, help=", ".join(BENCHES))
    parser.add_argument("--runs", type=_count, default=5, help="rounds of each (default 5; list: at least 15)")
    parser.add_argument("--size", type=_bytes, default="1G", help="of the dump and of the file (default 1G)")
    parser.add_argument("--write", action="store_true", help="replace the table in docs/benchmarks.md")
    parser.add_argument("--keep", action="store_true", help="leave what was brought up for the next run")
    return parser


def _name(text: str) -> str:
    if text not in BENCHES:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(BENCHES)}, not {text!r}")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or text == "0":
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, not {text!r}")
    return int(text)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)([MG])", text)
    if not found or found[1] == "0":
        raise argparse.ArgumentTypeError(f"expected a size like 500M or 1G, not {text!r}")
    return int(found[1]) << {"M": 20, "G": 30}[found[2]]
