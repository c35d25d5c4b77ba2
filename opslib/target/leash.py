"""The text that is sent ahead of a command: how it is started, watched and ended on the machine.

The argv of what runs on the machine is constant; the script, with the secrets in it, comes first on standard input.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from opslib.command import Command, quote

# `env -i`: the login shell's variables (DOCKER_HOST, COMPOSE_*) would override what the host file says.
# LC_ALL=C while reading: `read -N` counts characters, the length is in bytes.
_READ = 'LC_ALL=C; IFS= read -r n && IFS= read -r -N "$n" s; unset LC_ALL n; eval "$s"'
LOCAL_ARGV = ("bash", "--noprofile", "--norc", "-c", _READ)
REMOTE_LINE = (
    'exec env -i HOME="$HOME" USER="$USER" PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LANG=C.UTF-8 '
    f"bash --noprofile --norc -c '{_READ}'"
)


@cache
def _text(name: str) -> str:
    lines = resources.files("opslib.target").joinpath(name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def packed(script: str) -> bytes:
    """The script with its length in front, as the constant argv reads it."""
    data = script.encode("utf-8", "surrogateescape")
    return b"%d\n%s" % (len(data), data)


def leashed(cmd: Command, *, nonce: str, folder: str = "", run: str = "") -> str:
    """The script that runs `cmd` on a leash; inside a run, only while that run holds the lock in `folder`."""
    takes_input = cmd.streams or cmd.feed is not None
    breaking = cmd.on_break.raw(before="timeout -k 1 20") if cmd.on_break is not None else ":"
    return "\n".join(
        [
            f"N={nonce} INPUT={int(takes_input)} O={quote(folder)} ID={quote(run)}",
            f'pipeline() {{ {cmd.raw(redirect=" 2>&4 4>&-")}; st=("${{PIPESTATUS[@]}}"); }}',
            f"onbreak() {{ {breaking}; }}",
            _text("leash.bash"),
        ]
    )


def keeping(*, nonce: str, folder: str, run: str, holder: str, wait: float) -> str:
    """The script that holds the lock of `folder` for the run."""
    return "\n".join(
        [
            f"N={nonce} O={quote(folder)} ID={quote(run)} WAIT={max(0.0, wait):g}",
            f"HOLDER={quote(' '.join(holder.split()))}",
            _text("keeper.bash"),
        ]
    )
