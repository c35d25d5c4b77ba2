"""A Python environment on a server, whole or not to be used: opslib, and what it needs as wheels that pip downloads
here, for a server that reaches no index; or by pip there."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from opslib.command import bash
from opslib.cron.there.server import Server
from opslib.cron.there.wheel import pins, wheel
from opslib.errors import CommandFailed, OpsError
from opslib.events import Note, Progress
from opslib.target.transfer import Moved, put

_LIMIT = 1800.0  # seconds for pip

# $1 the environment, $2 the Python. What was begun and not finished is begun again.
_MAKE = """set -e; umask 022; rm -rf -- "$1"; mkdir -p -- "$(dirname -- "$1")"; "$2" -m venv -- "$1"
"$1/bin/python" -c 'from pip._vendor.packaging import tags; print(*tags.platform_tags())'"""

# $1 the environment, $2 the tar of wheels, $3 opslib's own with its extras; the rest goes to pip.
_FILL = """set -e; umask 022; wheels=$1/wheels; mkdir -- "$wheels"; tar -xf "$2" -C "$wheels"; rm -f -- "$2"
env=$1; own=$wheels/$3; shift 3
"$env/bin/python" -m pip install -q --disable-pip-version-check --no-input "$@" --find-links "$wheels" "$own" >&2
rm -r -- "$wheels"; "$env/bin/python" -c 'import opslib'"""

# $1 the environment, $2 the folder with all of them: kept are this one and the one before, whose jobs may still run.
_DONE = """set -e; touch -- "$1/ready" "$1"; sync -- "$1"; cd -- "$2"
ls -td -- env-*/ | tail -n +3 | while IFS= read -r old; do rm -rf -- "$old"; done"""


class Environment:
    """The one that the server is to have. `extras` are opslib's."""

    def __init__(self, server: Server, extras: Sequence[str] = ()) -> None:
        self._server, self._target, self._extras = server, server.target, tuple(extras)
        self._wheel = wheel()
        self._pins = pins(extras)
        parts = [server.need_python(), str(server.version), *self._extras, *self._pins]
        told = hashlib.sha256("\n".join(parts).encode() + self._wheel[1]).hexdigest()
        self.name = f"env-{told[:12]}"

    @property
    def there(self) -> bool:
        """Whether it is whole there already."""
        return self.name in self._server.envs

    def make(self) -> None:
        """Make it. Raises OpsError; the environments that were there stay as they are."""
        path = f"{self._server.folder}/{self.name}"
        with tempfile.TemporaryDirectory() as folder:
            wheels, packed, own = (Path(folder, name) for name in ("wheels", "wheels.tar", self._wheel[0]))
            own.write_bytes(self._wheel[1])
            try:
                made = bash(_MAKE, path, self._server.need_python(), limit=_LIMIT)
                platforms = self._target.run(made).text.split()
                index = self._download(own, wheels, platforms)
                with tarfile.open(packed, "w") as archive:
                    for file in {one.name: one for one in (own, *sorted(wheels.glob("*.whl")))}.values():
                        archive.add(file, file.name)
                put(self._target, packed, f"{path}.tar", moved=self._moved(packed.stat().st_size))
                named = f"{own.name}{self._extra}"
                self._target.run(bash(_FILL, path, f"{path}.tar", named, *index, limit=_LIMIT))
            except CommandFailed as error:
                raise OpsError(
                    f"the environment could not be made there: {error.what}", host=self._target.host.name,
                    left="the schedule", next="a server that reaches no package index gets all from here: does "
                    f"`{Path(sys.executable).name} -m pip download opslib` work?",
                ) from None  # fmt: skip

    def finish(self) -> None:
        """Say that it is whole and the one in use, and remove those that nothing uses any more."""
        self._target.run(bash(_DONE, f"{self._server.folder}/{self.name}", self._server.folder, limit=600))

    def _download(self, own: Path, wheels: Path, platforms: Sequence[str]) -> list[str]:
        """What pip there is to be told: to ask no index where everything could be downloaded here."""
        version = ".".join(map(str, self._server.version))
        fixed = wheels.parent / "constraints.txt"
        fixed.write_text("\n".join([*self._pins, ""]))
        for_there = [f"--platform={one}" for one in platforms]
        said = ""
        # A version that is here may not be for the Python there.
        for constraint in ([f"--constraint={fixed}"], []):
            argv = [
                sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-input",
                "--only-binary=:all:", f"--dest={wheels}", "--implementation=cp", f"--python-version={version}",
                *for_there, *constraint, f"{own}{self._extra}",
            ]  # fmt: skip
            done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
            if done.returncode == 0:
                return ["--no-index"]
            said = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        what = f"pip could not download here what opslib needs ({said}): pip there tries it"
        self._target.tell(Note(self._target.host.name, what, warning=True))
        return []

    @property
    def _extra(self) -> str:
        return f"[{','.join(self._extras)}]" if self._extras else ""

    def _moved(self, total: int) -> Moved:
        name = self._target.host.name
        return lambda done: self._target.tell(Progress(name, "opslib and what it needs", done, total))
