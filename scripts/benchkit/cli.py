"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Callable
from functools import partial

from . import (
    checks,
    databases,
    encrypted,
    fleet,
    lint,
    machine,
    memory,
    peers,
    provision,
    report,
    scans,
    shipping,
    starts,
    stores,
    strategies,
    transfers,
    trees,
)
from .engines import ENGINES
from .measure import BenchError, Row, Sizes, call
from .place import CHECKOUT, Place

TEXT = """Measures opslib beside a peer in the same run, in turn, and prints a table for each group. It judges nothing:
the aim stands beside each figure. What it brings up is removed at the end."""
BENCHES: dict[str, Callable[[Place, Sizes], list[Row]]] = {
    "list": lambda place, sizes: starts.listing(place, sizes.runs),
    "lint": lambda place, sizes: lint.measured(place, sizes.runs),
    "nochange": lambda place, sizes: starts.nochange(place, sizes.runs),
    "provision": lambda place, sizes: provision.measured(place, sizes.runs),
    **{name: partial(databases.measured, engine=engine) for name, engine in ENGINES.items()},
    "encrypted": encrypted.measured,
    **{kind: partial(trees.measured, kind=kind) for kind in trees.KINDS},
    "peers": peers.measured,
    "download": lambda place, sizes: transfers.transfers(place, sizes.runs, sizes.size),
    "ship": shipping.measured,
    "strategies": strategies.measured,
    "fleet": fleet.measured,
    "check": checks.measured,
    "stores": stores.measured,
    "scan": scans.measured,
    "memory": memory.peaks,
}
FULL = {"runs": 5, "size": 1 << 30, "volume": 5 << 30, "files": 200_000}
SHORT = {"runs": 1, "size": 64 << 20, "volume": 128 << 20, "files": 5000}


def main(argv: list[str]) -> int:
    """Exit codes: 0 measured, 1 something could not be measured, 2 bad command line, 130 interrupted."""
    options = _parser().parse_args(argv)
    default = SHORT if options.short else FULL
    sizes = Sizes(**{name: getattr(options, name) or default[name] for name in default})
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was brought up goes then, too
    try:
        place = Place()
    except BenchError as error:
        return _failed(error)
    try:
        call([CHECKOUT / "scripts" / "venv"])
        # as it is after an installation: a file that was edited since has no bytecode, and inv writes none
        call([CHECKOUT / ".venv/bin/python", "-m", "compileall", "-q", CHECKOUT / "opslib"])
        for name in [name for name in BENCHES if name in (options.names or BENCHES)]:
            text = report.section(name, BENCHES[name](place, sizes), machine.facts(place, ENGINES.get(name)))
            print(text, flush=True)
            if options.write:
                report.write(name, text, list(BENCHES))
        code = 0
    except BenchError as error:
        code = _failed(error)
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        code = 130
    if not options.keep:
        try:
            databases.clear(place)
            trees.clear(place)
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
    parser.add_argument("--short", action="store_true", help="one round of small sizes: only whether it works")
    parser.add_argument("--runs", type=_count, help="rounds of each (default 5; list: at least 15, lint: 9)")
    parser.add_argument("--size", type=_bytes, help="of a dump, and of the file that is moved (default 1G)")
    parser.add_argument("--volume", type=_bytes, help="of the volume of mixed files (default 5G)")
    parser.add_argument("--files", type=_count, help="how many small files (default 200000)")
    parser.add_argument("--write", action="store_true", help="replace these groups' tables in docs/benchmarks.md")
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
