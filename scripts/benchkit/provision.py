"""A machine that is as it is wanted: how long a second `host.provision` takes, and how often the server is asked."""

from __future__ import annotations

import json
from pathlib import Path

from .measure import BenchError, Row, rounds, say, seconds, timed
from .place import SERVER, Place

BARE = f"{SERVER}-bare"


def measured(place: Place, runs: int) -> list[Row]:
    """A second and further run beside `ssh host true`, to a server that the first has made ready."""
    folder = place.path / "provision"
    (folder / "hosts").mkdir(parents=True, exist_ok=True)
    (folder / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
    (folder / "hosts/bare.yml").write_text(f"address: deploy@{BARE}\npath: /srv/bench\n")
    with place.bare(BARE) as ssh:
        say(f"inv host.provision of {BARE}, about a minute")
        place.inv(folder, "host.provision", "--host", "bare", "--yes", "--json")
        trips: set[int] = set()
        again = rounds(runs, {"opslib": lambda: _again(place, folder, trips), "ssh": timed(*ssh, "true")})
    peer = f"`ssh host true`: {seconds(again.median('ssh'))}"
    return [
        Row("`inv host.provision`, nothing to do", seconds(again.median("opslib")), peer, "",
            again.ratios("opslib", "ssh"), runs),
        Row("its round trips", str(max(trips)), "", "≤ 2", runs=runs),
    ]  # fmt: skip


def _again(place: Place, folder: Path, trips: set[int]) -> float:
    ran = place.inv(folder, "host.provision", "--host", "bare", "--json")
    (host,) = json.loads(ran.out)["hosts"]
    if host["changed"]:
        raise BenchError(f"a second host.provision changed {host['result']['done']}")
    trips.add(host["round_trips"])
    return ran.seconds
