"""Commands as root: as it is where root has logged in, else by sudo, with a password where it wants one.

The one place that knows of sudo. What is called is constant, and the text that root's bash runs comes on standard
input, so sudo logs no script. The password reaches sudo's standard input from the environment of the shell in front of
it."""

from __future__ import annotations

import re
from collections.abc import Callable

from opslib.command import Command, Secret, bash, quote
from opslib.errors import OpsError
from opslib.target.base import Result, Target
from opslib.target.leash import packed

BEGUN = "# as root"
"""The first line of what root's bash prints: before it, sudo has refused."""

# Root's side. The marker skips a password that sudo did not take: with another rule it needs none.
_READ = f"""while IFS= read -r line && [[ $line != "{BEGUN}" ]]; do :; done
LC_ALL=C; IFS= read -r n && IFS= read -r -N "$n" s; unset LC_ALL n line; cd /; export HOME=/root
printf '%s\\n' "{BEGUN}"; eval "$s\""""

# $1: what root's bash reads its text with, $2: seconds. Who one is, and whether sudo wants something, is told by code.
# What sudo has started cannot be ended by whoever called it, so it has its limit there.
_FIRST = """((EUID == 0)) && exec bash -c "$1"
type -P sudo >/dev/null || exit 41
said=$(sudo -n true 2>&1 </dev/null) || { printf '%s\\n' "$said" >&2; exit 42; }
exec sudo -n timeout -k 10 "$2" bash -c "$1\""""

# `-k`: as if no password had been given before, so that one is read, and the line is not root's.
_WITH_PASSWORD = """p=$OPSLIB_SUDO; unset OPSLIB_SUDO
{ printf '%s\\n' "$p"; exec cat; } | sudo -k -S -p '' timeout -k 10 "$2" bash -c "$1\""""

_TRIES = 3  # as sudo asks
Ask = Callable[[str], str]


class Root:
    """root on a machine. `password` is what the host file has for sudo; `ask` asks a person for it (None: there is
    nobody)."""

    def __init__(self, target: Target, password: Secret | None = None, ask: Ask | None = None) -> None:
        self._target, self._password, self._ask = target, password, ask
        self._typed = False  # sudo wants the password

    def command(self, script: str, *args: str, data: bytes = b"", limit: float, before: str = "") -> Command:
        """Bash text of our own as root, with the words as `$1`, `$2` and the data on its standard input; ended after
        `limit` seconds. `before` runs first, as whoever has logged in, in that one's home."""
        text = f"set -- {' '.join(map(quote, args))}\n{script}"
        feed = f"{BEGUN}\n".encode() + packed(text) + data
        words = (_READ, f"{limit:g}")
        if self._typed and self._password is not None:
            env = {"OPSLIB_SUDO": self._password}
            return bash(f"cd\n{before}{_WITH_PASSWORD}", *words, feed=feed, limit=limit + 20, env=env)
        return bash(f"cd\n{before}{_FIRST}", *words, feed=feed, limit=limit + 20)

    def run(self, script: str, *args: str, limit: float, before: str = "") -> list[str]:
        """Run a text, and what comes `before` it, and return the lines that they print; the first time it is found out
        how one becomes root.

        Raises CommandFailed, and OpsError where there is no way to root.
        """
        cmd = self.command(script, *args, limit=limit, before=before)
        result = self._target.run(cmd, check=False)
        if result.ended.codes == (42,) and not _begun(result):
            return self._with_password(script, args, limit, before, result.ended.stderr)
        return self._lines(cmd, result)

    def _with_password(self, script: str, args: tuple[str, ...], limit: float, before: str, said: str) -> list[str]:
        name = self._target.host.name
        for _ in range(_TRIES if self._password is None else 1):
            if self._password is None and self._ask is None:
                break
            given = self._password or Secret(self._asked())
            if not given:
                break
            self._typed, kept, self._password = True, self._password, given
            cmd = self.command(script, *args, limit=limit, before=before)
            result = self._target.run(cmd, check=False)
            if _begun(result):
                return self._lines(cmd, result)
            said, self._password = result.ended.stderr, kept
            if "incorrect" not in said and "try again" not in said and "no password" not in said:
                break
        else:
            raise OpsError("sudo does not take the password", host=name, left="everything",
                           next="try it there: sudo -k true")  # fmt: skip
        lines = [one for one in said.splitlines() if one.strip()]
        telling = [one for one in lines if re.search(r"sudoers|not allowed|sudo:|tty", one)]  # and not the lecture
        if "password is required" in said or "password is needed" in said or "no password" in said:
            raise OpsError(
                "sudo wants a password there, and nobody is here to type it", host=name, left="everything",
                next="run it on a terminal, or give the host file `provision: {sudo_password: …}`, or a `login:` that "
                "needs none",
            )  # fmt: skip
        why = (telling or lines or ["it did not say why"])[0].strip()
        raise OpsError(f"sudo refused: {why}", host=name, left="everything",
                       next="`provision: {login: …}` in the host file: root, or one whom sudo lets")  # fmt: skip

    def _asked(self) -> str:
        assert self._ask is not None
        return self._ask(f"Password for sudo on {self._target.host.name}: ")

    def _lines(self, cmd: Command, result: Result) -> list[str]:
        if result.ended.codes == (41,) and not _begun(result):
            raise OpsError(
                "whoever logs in there is not root, and there is no sudo", host=self._target.host.name,
                left="everything", next="`provision: {login: root}` in the host file",
            )  # fmt: skip
        if not result.ended.ok:
            raise self._target.failure(cmd, result.ended)
        return [line for line in result.lines if line != BEGUN]


def _begun(result: Result) -> bool:
    return BEGUN in result.lines
