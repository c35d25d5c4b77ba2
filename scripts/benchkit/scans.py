"""Scans of images that share a base: `inv scan`, also by a Trivy server, beside Trivy by hand, one image after the
other (several at once fail: Trivy locks its cache); and reading a large report. Trivy's database is a small one of the
bench's own: what is measured is reading images."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from .measure import MIB, BenchError, Ran, Rounds, Row, Sizes, call, rounds, say, seconds
from .place import BIN, Place

IMAGES = 14
OWN = 4 * MIB  # bytes of each image that no other has
# $1 Trivy's folder, then images: what a script of one's own does.
_BY_HAND = """cache=$1; shift
for image; do trivy image --no-progress --format json --scanners vuln,secret --skip-db-update --skip-java-db-update \
  --offline-scan --image-src docker --cache-dir "$cache" --output /dev/null "$image" || exit; done"""
# The real one, with the lines that say which layers it reads.
_TOLD = """#!/bin/bash
exec {trivy} --debug "$@" 2> >(grep -F 'Missing diff ID' >>{told} || true)
"""
_READ = (
    "import sys; from pathlib import Path; from opslib.scan import trivy_report; trivy_report.read(Path(sys.argv[1]))"
)
_LOAD = "import json, sys; json.load(open(sys.argv[1]))"


def measured(place: Place, sizes: Sizes) -> list[Row]:
    """Cold, warm, and how often a layer was read."""
    programs = place.scanner
    folder = place.path / "bench-scan"
    folder.mkdir(exist_ok=True)
    names = _built(place, folder)
    (folder / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
    services = {f"s{at}": {"image": name} for at, name in enumerate(names)}
    (folder / "compose.yml").write_text(json.dumps({"name": "bench-scan", "services": services}))
    (folder / "hosts").mkdir(exist_ok=True)
    told = folder / "told"
    bin = folder / "bin"
    bin.mkdir(exist_ok=True)
    (bin / "trivy").write_text(_TOLD.format(trivy=programs["trivy"], told=told))
    (bin / "trivy").chmod(0o755)
    path = {**place.environment, "PATH": f"{bin}:{os.environ['PATH']}"}
    layers: dict[str, list[int]] = {}

    def cold(name: str, run: Callable[[], float]) -> Callable[[], float]:
        def measure() -> float:
            _cache(folder / "cache", programs["trivydb"])
            told.write_text("")
            took = run()
            layers.setdefault(name, []).append(len(told.read_text().splitlines()))
            return took

        return measure

    def ours(server: str = "") -> float:
        settings = f"cache: {folder / 'cache'}, offline: true, on: local{server}"
        (folder / "hosts/local.yml").write_text(f"scan: {{{settings}}}\n")
        return call([BIN / "inv", "scan"], cwd=folder, env=path).seconds

    def hand() -> float:
        return call(["bash", "-c", _BY_HAND, "scan", folder / "cache", *names], env=path).seconds

    def served() -> float:
        with _server(programs["trivy"], folder / "cache") as address:
            return ours(f", server: {address}")

    try:
        say(f"scans of {IMAGES} images of one base")
        found = rounds(sizes.runs, {
            "opslib": cold("opslib", ours),
            "server": cold("server", served),
            "hand": cold("hand", hand),
        })  # fmt: skip
        ours()
        warm = rounds(sizes.runs, {"opslib": ours, "hand": hand})
    finally:
        call([place.docker, "image", "rm", "-f", *names])
    most = {name: max(counts) for name, counts in layers.items()}

    def row(what: str, of: Rounds, ours: str = "opslib") -> Row:
        peer = f"`trivy image`, one by one: {seconds(of.median('hand'))}"
        return Row(what, seconds(of.median(ours)), peer, "", of.ratios(ours, "hand"), sizes.runs)

    return [
        row(f"`inv scan`, {IMAGES} images of one base, cold", found),
        row("the same by a Trivy server, four at once", found, "server"),
        Row("layers that were looked through", f"{most['opslib']}; by a server {most['server']}", str(most["hand"]),
            f"{IMAGES + 1}, each once", (), sizes.runs),
        row("`inv scan` again", warm),
        _reading(place, folder, sizes.runs),
    ]  # fmt: skip


def _reading(place: Place, folder: Path, runs: int) -> Row:
    large = _large(folder)
    texts = {"opslib": _READ, "json": _LOAD}
    ran: dict[str, Ran] = {}

    def thing(name: str) -> Callable[[], float]:
        def measure() -> float:
            ran[name] = call([BIN / "python", "-c", texts[name], large], env=place.environment)
            return ran[name].seconds

        return measure

    found = rounds(runs, {name: thing(name) for name in texts})
    peak = f"{ran['json'].peak / 1e6:.0f} MB of memory"
    peer = f"`json.load`: {seconds(found.median('json'))}, {peak}"
    return Row("a report of 200 MB", seconds(found.median("opslib")), peer, "", found.ratios("opslib", "json"), runs)


@contextmanager
def _server(program: str, cache: Path) -> Iterator[str]:
    """A Trivy server on the loopback that answers; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [program, "server", "--listen", f"127.0.0.1:{port}", "--cache-dir", str(cache), "--skip-db-update"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise BenchError("the Trivy server does not answer") from None
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _built(place: Place, folder: Path) -> list[str]:
    names = [f"bench-scan-{at}:1" for at in range(IMAGES)]
    base = f"{place.images}debian:bookworm-slim"
    for name in names:
        context = folder / "context"
        context.mkdir(exist_ok=True)
        (context / "own").write_bytes(os.urandom(OWN))
        (context / "Dockerfile").write_text(f"FROM {base}\nCOPY own /own\n")
        call([place.docker, "build", "-q", "-t", name, context])
    return names


def _cache(folder: Path, writer: str) -> None:
    """An empty cache with a database that knows nothing of these images."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "db").mkdir(parents=True)
    source = {"path": ["data-source", "debian 12"], "value": {"ID": "debian", "Name": "Debian", "URL": ""}}
    hole = {"path": ["debian 12", "nothing", "CVE-2026-0001"], "value": {"FixedVersion": "1"}}
    entries = folder / "entries.json"
    entries.write_text(json.dumps([source, hole]))
    call([writer, folder / "db/trivy.db"], stdin=entries)
    now = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
    times = dict.fromkeys(("UpdatedAt", "DownloadedAt", "NextUpdate"), now)
    (folder / "db/metadata.json").write_text(json.dumps({"Version": 2, **times}))


def _large(folder: Path) -> Path:
    """A report of 200 MB, most of it packages and descriptions, as real ones are."""
    path = folder / "large.json"
    package = json.dumps({"Name": "openssl", "Files": ["f" * 1000]})
    hole = {"VulnerabilityID": "CVE-2026-1", "PkgName": "openssl", "Severity": "HIGH", "Description": "d" * 9000}
    with open(path, "w") as file:
        file.write('{"SchemaVersion": 2, "Results": [{"Target": "x", "Class": "os-pkgs", "Packages": [')
        file.write(",".join([package] * 100_000))
        file.write('], "Vulnerabilities": [' + ",".join([json.dumps(hole)] * 10_000) + "]}]}")
    if path.stat().st_size < 190e6:
        raise BenchError("the large report is not large")
    return path
