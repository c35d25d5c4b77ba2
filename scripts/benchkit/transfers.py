"""One large file over SSH, by opslib's transfer and by OpenSSH's client, both over a connection that is open."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from .measure import BenchError, Row, call, rate, rounds, say, seconds
from .place import BIN, Place

REMOTE = "bench.bin"  # in the home of the login user
CLIENT = Path(__file__).with_name("client.py")


def transfers(place: Place, runs: int, size: int) -> list[Row]:
    """Down and up."""
    sample = file_there(place, size)
    back = place.path / "back"
    gcm = "aes128-gcm@openssh.com"
    with client(place, sample, back) as ask, _open(place) as ssh, _open(place, "-c", gcm) as fast:

        def down(argv: list[str]) -> Callable[[], float]:
            return lambda: call([*argv, "cat", REMOTE], to=Path(os.devnull)).seconds

        def up() -> float:
            return call([*ssh, f"cat >{REMOTE}.up"], stdin=sample).seconds

        say(f"{size >> 20} MiB over SSH")
        found = rounds(
            runs,
            {
                "opslib down": lambda: ask("down"),
                "ssh down": down(ssh),
                "opslib up": lambda: ask("up"),
                "ssh up": up,
                "opslib get": lambda: ask("get"),
                "opslib put": lambda: ask("put"),
                f"ssh -c {gcm} down": down(fast),
            },
        )

    def told(name: str) -> str:
        return f"{seconds(found.median(name))}, {rate(size, found.median(name))}"

    what = f"{size >> 20} MiB over SSH"
    return [
        Row(f"{what}, down to nowhere", told("opslib down"), f"`ssh host cat`: {told('ssh down')}", "≥ 0.9",
            found.ratios("ssh down", "opslib down"), runs),
        Row("the same", told("opslib down"), f"`ssh -c {gcm} host cat`: {told(f'ssh -c {gcm} down')}", "",
            found.ratios(f"ssh -c {gcm} down", "opslib down"), runs),
        Row(f"{what}, up to a file", told("opslib up"), f"`ssh host 'cat >file'`: {told('ssh up')}", "",
            found.ratios("ssh up", "opslib up"), runs),
        Row(f"{what}, `get`: a file, digest compared, on the disk", told("opslib get"), "", "", (), runs),
        Row(f"{what}, `put`: the same upwards", told("opslib put"), "", "", (), runs),
    ]  # fmt: skip


def file_there(place: Place, size: int) -> Path:
    """A file of random bytes here, and the same one on the server."""
    sample = place.path / "sample"
    if not sample.exists() or sample.stat().st_size != size:
        call(["head", "-c", str(size), "/dev/urandom"], to=sample)
    if call(place.ssh(f"stat -c %s {REMOTE} || true")).out.strip() != str(size):
        call(place.ssh(f"cat >{REMOTE}"), stdin=sample)
    return sample


def client_words(place: Place, sample: Path, back: Path) -> list[str]:
    """The argv of the process that moves bytes by opslib; it takes what to do from its standard input."""
    return [str(BIN / "python"), str(CLIENT), place.server, REMOTE, str(sample), str(back)]


@contextlib.contextmanager
def client(place: Place, sample: Path, back: Path) -> Iterator[Callable[[str], float]]:
    """That process, connected; call it with `down`, `up`, `get` or `put` for the seconds that took."""
    words = client_words(place, sample, back)
    process = subprocess.Popen(
        words, env=place.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def ask(what: str) -> float:
        print(what, file=stdin, flush=True)
        line = stdout.readline()
        if not line:
            raise BenchError(f"opslib's transfer `{what}` failed; it said why above")
        return float(json.loads(line))

    try:
        yield ask
    finally:
        stdin.close()
        process.wait()


@contextlib.contextmanager
def _open(place: Place, *options: str) -> Iterator[list[str]]:
    """OpenSSH's client with a connection that stays open, as opslib's does: the argv of a command over it."""
    socket = place.path / f"ssh-{len(options)}"
    name = place.server
    base = ["ssh", "-T", "-F", str(place.ssh_config), "-S", str(socket)]
    call([*base, *options, "-M", "-N", "-f", name])
    try:
        yield [*base, name]
    finally:
        call([*base, "-O", "exit", name])
