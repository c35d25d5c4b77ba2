"""The command line of `scripts/torture`."""

from __future__ import annotations

import argparse
import os
import random
import signal
from collections.abc import Callable, Sequence

import pytest

from . import breaks, copies, fleet, flips, fulldisk, kills, lies, machines, readers, report, restores, rolls, s3
from .ground import Ground, NoLab
from .tally import Bad, Dice, Row, say

TEXT = """Breaks backups, pushes and restores in every way that can be had here, and looks at what is left: whole sets
that can be read to their end, services that run, data that nobody touched. What it brings up is removed at the end."""
CASES: dict[str, Callable[[Ground], list[Row]]] = {
    "flips": flips.run,
    "copies": copies.run,
    "kills": kills.run,
    "full": fulldisk.run,
    "breaks": breaks.run,
    "s3": s3.run,
    "machines": machines.run,
    "fleet": fleet.run,
    "restores": restores.run,
    "lies": lies.run,
    "rolls": rolls.run,
    "readers": readers.run,
}
PROVEN = {"rolls": "requests", "readers": "inputs"}
"""What is counted beside the attempts, where that is not backup sets."""
NEEDS_ROOT = {"kills", "full"}
FULL, SHORT = 100, 3


def main(argv: Sequence[str]) -> int:
    """Exit codes: 0 nothing is left wrong, 1 something is, or it could not be tried, 2 bad command line, 130
    interrupted."""
    options = _parser().parse_args(argv)
    seed = random.randrange(10**6) if options.seed is None else options.seed
    names = [name for name in CASES if name in (options.cases or CASES)]
    if os.geteuid() and NEEDS_ROOT.intersection(names):
        say(f"torture: {', '.join(sorted(NEEDS_ROOT.intersection(names)))}: only root may do that on this machine")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ground = Ground(Dice(seed, options.times or (SHORT if options.short else FULL), options.short), options.server)
    say(f"seed {seed}")
    try:
        for name in names:
            say(name)
            text = report.section(name, CASES[name](ground), report.facts(seed), PROVEN.get(name, "sets"))
            print(text, flush=True)
            if options.write:
                report.write(name, text, list(CASES))
    except Bad as error:
        where = ground.keep({"what.txt": f"{error}\n", **error.evidence})
        say(f"torture: {name}: {error}\nseed {seed}; what is known of it: {where}")
        return 1
    except (NoLab, AssertionError, pytest.fail.Exception, pytest.skip.Exception) as error:
        say(f"torture: {name} could not be tried: {error}")
        return 1
    except KeyboardInterrupt:
        say("torture: interrupted")
        return 130
    finally:
        ground.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/torture", description=TEXT)
    parser.add_argument("cases", nargs="*", metavar="CASE", type=_case, help=", ".join(CASES))
    parser.add_argument("--times", type=_count, help=f"how often what is random is tried (default {FULL})")
    parser.add_argument("--seed", type=int, help="of an earlier run: the same moments once more")
    parser.add_argument("--short", action="store_true", help=f"{SHORT} times, and not every step: about two minutes")
    parser.add_argument("--server", default="torture", help="the lab's server that is broken (default torture)")
    parser.add_argument("--write", action="store_true", help="replace these cases' tables in docs/reliability.md")
    return parser


def _case(text: str) -> str:
    if text not in CASES:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(CASES)}, not {text!r}")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, not {text!r}")
    return int(text)
