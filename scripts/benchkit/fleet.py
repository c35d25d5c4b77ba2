"""A deploy to many hosts: time grows with the turns, not with the hosts."""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .measure import BenchError, Row, Sizes, say, seconds
from .place import Place

HOSTS, FEW = (1, 5, 10, 50), (1, 5)
START = 10  # seconds that the service takes until it is healthy
NAME = "bench-fleet"
COMPOSE = f"""
services:
  web:
    image: ${{IMAGES}}busybox:1
    init: true
    network_mode: none
    stop_grace_period: 1s
    command: [sh, -c, 'sleep {START}; touch /up; exec sleep 1000000']
    environment: {{COLOR: "${{COLOR}}"}}
    healthcheck: {{test: [CMD, test, -e, /up], interval: 30s, start_period: 99s, start_interval: 500ms}}
"""
GONE = """docker ps -aq --format '{{.ID}} {{.Names}}' | while read -r id name; do
  [[ $name != bench-fleet* ]] || docker rm -f "$id"; done
rm -rf bench-fleet"""


def measured(place: Place, sizes: Sizes) -> list[Row]:
    """A deploy of something new to each fleet, in each round, beside as many deploys to one host as there are turns."""
    rows: list[Row] = []
    alone: list[float] = []
    for count in HOSTS if sizes.runs > 1 else FEW:
        turns = 1 + -(-(count - 1) // max(1, count // 4))
        with _fleet(place, count) as folder:
            took = [_deploy(place, folder, f"color{number}") for number in range(sizes.runs)]
            nothing = _deploy(place, folder, f"color{sizes.runs - 1}", changed=False)
        alone = alone or took
        ratios = tuple(one / turns / first for one, first in zip(took, alone, strict=True))
        hosts = f"{count} host{'s' * (count > 1)}"
        say(f"  {hosts}: {seconds(statistics.median(took))}, turns: {turns}; nothing to do: {seconds(nothing)}")
        peer = f"one host, {turns} times: {seconds(turns * statistics.median(alone))}"
        rows.append(Row(f"`inv deploy` to {hosts}", seconds(statistics.median(took)), peer, "≤ 1", ratios, sizes.runs))
        rows.append(Row(f"the same, nothing to do, {hosts}", seconds(nothing), ""))
    return rows


@contextlib.contextmanager
def _fleet(place: Place, count: int) -> Iterator[Path]:
    """The folder of a project with as many hosts, all on the bench's server, and live."""
    folder = place.path / "fleet"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "hosts").mkdir(parents=True)
    (folder / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
    (folder / "compose.yml").write_text(COMPOSE)
    for number in range(count):
        text = f"address: {place.server}\npath: {NAME}/{number}\nproject: {NAME}{number}\ndeploy: {{stable: 1s}}\n"
        (folder / f"hosts/h{number:02}.yml").write_text(text)
    try:
        say(f"{count} hosts, the first deploy")
        _deploy(place, folder, "first", "--batch", "100%")
        yield folder
    finally:
        subprocess.run(place.ssh(GONE), check=False, capture_output=True)


def _deploy(place: Place, folder: Path, color: str, *words: str, changed: bool = True) -> float:
    (folder / ".env").write_text(f"IMAGES={place.images}\nCOLOR={color}\n")
    ran = place.inv(folder, "deploy", "--host", "@all", "--json", *words)
    if any(one["changed"] is not changed for one in json.loads(ran.out)["hosts"]):
        raise BenchError(f"a deploy of the fleet changed other hosts than it should: {ran.out[-2000:]}")
    return ran.seconds
