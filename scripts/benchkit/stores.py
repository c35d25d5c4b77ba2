"""A set to an S3 server on this machine and back, beside the library alone; to another folder, beside `cp`."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .measure import MIB, BenchError, Row, Sizes, call, rate, rounds, say, seconds
from .place import BIN, Place

KEYS = {"BENCH_ACCESS_KEY": "bench-key", "BENCH_SECRET_KEY": "bench-secret-key"}
_STORES = {
    "plain": "",
    "s3": "{{url: s3://bench, endpoint: '{endpoint}', access_key: '${{BENCH_ACCESS_KEY}}', "
    "secret_key: '${{BENCH_SECRET_KEY}}', folder: sets}}",
    "folder": "{{url: '{folder}', folder: sets}}",
}
_LIBRARY = """
import sys
from pathlib import Path
import obstore
from obstore.store import S3Store
what, endpoint, name, secret, file = sys.argv[1:]
store = S3Store("bench", endpoint=endpoint, region="us-east-1", access_key_id=name, secret_access_key=secret,
                client_options={"allow_http": True, "timeout": "1h"})
if what == "put":
    obstore.put(store, "alone", Path(file))
else:
    with open(file, "wb") as out:
        for block in obstore.get(store, "alone").stream(min_chunk_size=1 << 20):
            out.write(block)
"""


def measured(place: Place, sizes: Sizes) -> list[Row]:
    """Push to both, and pull from the S3 server."""
    with _gateway(place) as (endpoint, bucket):
        project, artifact = _project(place, sizes.size, endpoint)
        there, back, copy = project / "store", place.path / "back", place.path / "copy"
        size = artifact.stat().st_size
        peaks = {}

        def inv(task: str, host: str, *gone: Path) -> Callable[[], float]:
            def run() -> float:
                for path in gone:
                    shutil.rmtree(path, ignore_errors=True)
                ran = place.inv(project, task, "--host", host, environ=KEYS)
                peaks[task, host] = ran.peak
                return ran.seconds

            return run

        def alone(what: str, file: Path) -> Callable[[], float]:
            return lambda: call([BIN / "python", "-c", _LIBRARY, what, endpoint, *KEYS.values(), file]).seconds

        say(f"{size >> 20} MiB to stores and back")
        found = rounds(
            sizes.runs,
            {
                "push": inv("backup.push", "s3", bucket / "sets"),
                "put": alone("put", artifact),
                "pull": inv("backup.pull", "s3", artifact.parent),
                "get": alone("get", back),
                "copy": inv("backup.push", "folder", there / "sets"),
                "cp": lambda: call(["bash", "-c", 'cp -- "$1" "$2" && sync -- "$2"', "cp", artifact, copy]).seconds,
            },
        )

    def row(what: str, ours: str, peer: str, called: str, aim: str, peak: tuple[str, str]) -> Row:
        mine, theirs = (f"{seconds(found.median(name))}, {rate(size, found.median(name))}" for name in (ours, peer))
        memory = f", {peaks[peak] / MIB:.0f} MiB of memory"
        return Row(f"{what}, {size >> 20} MiB", mine + memory, f"{called}: {theirs}", aim, found.ratios(peer, ours),
                   sizes.runs)  # fmt: skip

    return [
        row("`inv backup.push` to S3", "push", "put", "`obstore.put`", "≥ 0.8", ("backup.push", "s3")),
        row("`inv backup.pull` from S3", "pull", "get", "`obstore.get`", "", ("backup.pull", "s3")),
        row("`inv backup.push` to a folder", "copy", "cp", "`cp` and `sync`", "", ("backup.push", "folder")),
    ]


def _project(place: Place, size: int, endpoint: str) -> tuple[Path, Path]:
    """A project with one set, and the only artifact of it."""
    folder = place.path / "stores"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "hosts").mkdir(parents=True)
    (folder / "store").mkdir()
    (folder / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
    for name, store in _STORES.items():
        text = store.format(endpoint=endpoint, folder=folder / "store")
        (folder / f"hosts/{name}.yml").write_text(f"backup: {{sources: [files: [data.bin]], stores: [{text}]}}\n")
    call(["head", "-c", str(size), "/dev/urandom"], to=folder / "data.bin")
    place.inv(folder, "backup.files", "--host", "plain")
    (artifact,) = folder.glob("backups/*/files.*")
    return folder, artifact


@contextlib.contextmanager
def _gateway(place: Place) -> Iterator[tuple[str, Path]]:
    """The lab's S3 server with a bucket: its endpoint, and the folder of the bucket."""
    if not place.s3:
        raise BenchError("no S3 server: scripts/lab s3 says why")
    data = place.path / "s3"
    (data / "bench").mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {**os.environ, "ROOT_ACCESS_KEY": KEYS["BENCH_ACCESS_KEY"], "ROOT_SECRET_KEY": KEYS["BENCH_SECRET_KEY"]}
    words = [place.s3, "--port", f"127.0.0.1:{port}", "posix", str(data)]
    with open(place.path / "s3.log", "wb") as log:
        process = subprocess.Popen(words, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 30
        with socket.socket() as line:
            while line.connect_ex(("127.0.0.1", port)) != 0:
                if time.monotonic() > until or process.poll() is not None:
                    raise BenchError("the S3 server did not start: " + (place.path / "s3.log").read_text()[-1000:])
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", data / "bench"
    finally:
        process.kill()
        process.wait()
