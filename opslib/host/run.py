"""A command as it was typed, on a host: each word arrives as it is, and no shell reads it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opslib.command import bash, command
from opslib.errors import BadSettings, CommandFailed
from opslib.events import Output

if TYPE_CHECKING:
    from opslib.run.step import Run

KEPT = 1024 * 1024  # bytes of its output that stand in the record, the last ones


class Ended(CommandFailed):
    """It ended with another code than 0, which is the exit code then, as with ssh."""

    def __init__(self, argv: Sequence[str], code: int, *, host: str) -> None:
        self.exit_code = code
        super().__init__(f"{shlex.join(argv)} ended with {code}", codes=(code,), host=host)


def typed(argv: Sequence[str]) -> list[str]:
    """The words behind the first `--` of what was typed: Invoke hands them on as one text. Raises BadSettings."""
    words = list(argv[argv.index("--") + 1 :]) if "--" in argv else []
    if not words:
        raise BadSettings("there is nothing to run", left="everything", next="inv host.run --host NAME -- uptime")
    return words


def run_there(run: Run, argv: Sequence[str], *, apart: bool) -> None:
    """Run it to its end, in the login user's home. Its lines are told as they come; with `apart` standard error is kept
    by itself, else it comes in between. There is no time limit. Raises Ended."""
    target, kept = run.target, bytearray()
    cmd = command(*argv) if apart else bash('exec "$@" 2>&1', *argv)
    process = target.start(cmd)
    rest = b""
    try:
        while got := process.read():
            kept = (kept + got)[-KEPT:]
            *lines, rest = (rest + got).split(b"\n")
            for line in lines:
                _tell(run, line)
    except BaseException:
        target.abandon(process)
        raise
    ended = target.finish(process)
    if rest:
        _tell(run, rest)
    code = next((code for code in ended.codes if code), ended.code)
    run.result.update(code=code, out=kept.decode("utf-8", "replace"), err=ended.stderr)
    if code:
        raise Ended(argv, code, host=run.host)


def _tell(run: Run, line: bytes) -> None:
    run.target.tell(Output(run.host, line.decode("utf-8", "replace").rstrip("\r")))
