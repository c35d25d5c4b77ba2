"""The command line of `scripts/demo`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time

from . import down, embedded, lab, stack
from .folder import Folder, demo_folder
from .screen import CHECKOUT, INV, DemoError, Screen

TEXT = """Deploys examples/rag-engine-mini on this machine and on a server reached over SSH, deploys a second version,
backs both up, destroys their data, restores them, and compares rows, points and files one by one.
Everything is in OPSLIB_DEMO_DIR (default ~/.cache/opslib-demo). It may be run again."""


def main(argv: list[str]) -> int:
    """Exit codes: 0 done, 1 it failed, 2 bad command line or folder, 3 no engine answers, 130 interrupted."""
    options = _parser().parse_args(argv)
    try:
        folder = Folder(demo_folder())
        later = options.down or options.fingerprint or options.compare
        if not later:
            folder.claim()
        elif not folder.ours:
            raise DemoError(f"no demo in {folder.path}", 0 if options.down else 2)
        screen = Screen(folder.path / "demo.log", "a" if later else "w")
        if options.down:
            down.down(screen, folder)
        elif options.fingerprint:
            stack.fingerprint(screen, folder, stack.places_of(lab.status(screen)))
        elif options.compare:
            stack.compare(screen, folder, stack.places_of(lab.status(screen)))
        else:
            _demo(screen, folder, options)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.code
    except OSError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; scripts/demo goes on, scripts/demo --down takes it away", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description=TEXT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking (no terminal: too)")
    parser.add_argument("--embedded", action="store_true", help="only the part without Docker (OPSLIB_DEMO=embedded)")
    parser.add_argument("--fingerprint", action="store_true", help="only note what the data are")
    parser.add_argument("--compare", action="store_true", help="only compare the data with what was noted last")
    parser.add_argument(
        "--down", action="store_true", help="remove every container, volume, image, network and file of it"
    )
    return parser


def _demo(screen: Screen, folder: Folder, options: argparse.Namespace) -> None:
    began = time.monotonic()
    only = options.embedded or os.environ.get("OPSLIB_DEMO") == "embedded"
    screen.say(f"opslib demo in {folder.path}")
    with screen.step("environment .venv (scripts/venv)"):
        screen.run([CHECKOUT / "scripts" / "venv"])
    if not only and lab.engine(screen, folder, options.yes):
        by_hand = stack.run(screen, folder)
    else:
        if not only:
            screen.say("so this is the part that needs no engine: SQLite and files on this machine")
        by_hand = embedded.run(screen, folder)
    screen.say(f"All of it took {time.monotonic() - began:.0f} s. By hand:")
    screen.say()
    for line in (f"export PATH={shlex.quote(str(INV.parent))}:$PATH", *by_hand):
        screen.say(f"  {line}".rstrip())
    screen.say()
    screen.say(f"Everything that was said: {screen.log}")
    screen.say(f"Take it away:             {folder.command()} --down")
