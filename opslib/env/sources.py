"""Values that stand elsewhere: `KEY=file:PATH` and `KEY=cmd:PROGRAM ARGUMENTS` in an env file of this machine.

They are read here, when the file is sent or checked, and are nowhere kept but in the env file on the server. A program
is called with its arguments and without a shell, as this user and with this environment: password managers need both.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from opslib.env.edit import set_values
from opslib.env.file import on_disk
from opslib.errors import BadSettings
from opslib.settings.dotenv import EnvFile

LIMIT = 60.0
"""Seconds that a program may take."""
_LARGEST = 64 * 1024  # bytes of a value
_ADDRESS = re.compile(r"(?:^|_)(?:URL|URI|DSN)$", re.IGNORECASE)  # `file:./dev.db` is the address of an SQLite file


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from: a `kind`, file or cmd, and what is behind it."""

    name: str
    kind: str
    text: str
    place: str

    @property
    def written(self) -> str:
        """As it stands in the env file."""
        return f"{self.kind}:{self.text}"

    @property
    def shown(self) -> str:
        """In words, for errors."""
        return f"the file {self.text}" if self.kind == "file" else f"the program {self.text.split()[0]}"


def sources(file: EnvFile) -> dict[str, Source]:
    """The variables of the file whose value stands elsewhere, by name."""
    found = {}
    for name, value in file.values().items():
        kind, colon, text = value.partition(":")
        if colon and text.strip() and (kind == "cmd" or (kind == "file" and not _ADDRESS.search(name))):
            found[name] = Source(name, kind, text.strip(), file.place(name))
    return found


def resolved(root: Path, content: bytes, shown: str) -> bytes:
    """The env file with those values in it. `root` is the project's folder, where paths begin and programs run. Raises
    BadSettings naming variable, place, and what the program said."""
    file = _file(content, shown)
    found = sources(file) if file else {}
    if file is None or not found:
        return content
    return set_values(file.text, shown, {name: value(root, one) for name, one in found.items()}).encode()


def _file(content: bytes, shown: str) -> EnvFile | None:
    """Its assignments; None where nothing in it can stand elsewhere, or it cannot be read: who needs it says so."""
    if b"file:" not in content and b"cmd:" not in content:
        return None
    try:
        return EnvFile(content.decode("utf-8-sig"), shown)
    except (UnicodeDecodeError, BadSettings):
        return None


def value(root: Path, source: Source) -> str:
    """The value, without the end of its last line. Raises BadSettings."""
    data = _read(root, source) if source.kind == "file" else _asked(root, source)
    if len(data) > _LARGEST:
        raise _bad(source, "is too large: this is no secret")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise _bad(source, "is no UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\0" in text:
        raise _bad(source, "is empty" if not text else "has a NUL byte")
    return text


def path_of(root: Path, source: Source) -> Path:
    """The file of a source that is one."""
    return root / os.path.expanduser(source.text)


def _read(root: Path, source: Source) -> bytes:
    try:
        with open(path_of(root, source), "rb") as file:
            return file.read(_LARGEST + 1)
    except OSError as error:
        raise _bad(source, f"cannot be read: {error.strerror}") from None


def _asked(root: Path, source: Source) -> bytes:
    try:
        process = subprocess.Popen(
            shlex.split(source.text), cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except ValueError:
        raise _bad(source, "cannot be called: a quote is not closed") from None
    except OSError as error:
        raise _bad(source, f"cannot be called: {error.strerror}") from None
    with process:
        try:
            out, said = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            raise _bad(source, f"gave no answer within {LIMIT:.0f} s") from None
        finally:
            _end(process)
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()[-5:] or ["it did not say why"]
        raise _bad(source, f"ended with {process.returncode}:\n    " + "\n    ".join(lines))
    return out


def _end(process: subprocess.Popen[bytes]) -> None:
    """Where it has not ended: neither it nor what it has started stays."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _bad(source: Source, why: str) -> BadSettings:
    return BadSettings(f"{source.place}: {source.name} comes from {source.shown}, which {why}", left="everything",
                       next="inv env.check looks at every value")  # fmt: skip


def env_here(root: Path, name: str, *, local: bool) -> bytes | None:
    """The env file of this machine with such values in it, None where there is none. `local`: it is also the one that
    Docker Compose reads, which knows nothing of them. Raises BadSettings."""
    found = on_disk(root, name) if (root / name).is_file() else None
    if found is None:
        return None
    if not local:
        return resolved(root, found.content, name)
    file = _file(found.content, name)
    if file and (first := next(iter(sources(file).values()), None)):
        raise BadSettings(
            f"{first.place}: {first.name} comes from {first.shown}, and Docker Compose reads this file as it is: the "
            "project's own folder is where it runs", left="everything",
            next="`path:` in hosts/local.yml: another folder, which a deploy fills",
        )  # fmt: skip
    return found.content
