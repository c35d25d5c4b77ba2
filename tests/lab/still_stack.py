"""A stack whose containers write to volumes all the time: for the tests of volumes whose writers pause or stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opslib.images.tools import ensure_tools, tools_tag
from opslib.settings.model import Host
from opslib.target.local import Local
from tests.lab.site import LABEL, Site, until

# Two files that are only right together. One that is told to stop ends with both written.
PAIRS = """[ ! -e /data/refuse ] || exit 3
trap over=1 TERM; while [ -z "$over" ]; do
  n=$((n + 1)); echo $n >/data/a; usleep 20000; echo $n >/data/b; usleep 20000
done"""
LINES = "trap 'exit 0' TERM; while :; do date >>/logs/lines; usleep 50000; done"


def _service(script: str, *volumes: str, **more: Any) -> dict[str, Any]:
    command = ["sh", "-c", script.replace("$", "$$")]
    return {"image": "${IMAGES}busybox:1", "command": command, "volumes": list(volumes), "stop_grace_period": "6s",
            **more}  # fmt: skip


COMPOSE = json.dumps({
    "services": {
        "base": _service(LINES, "data:/data", "logs:/logs"),
        "app": _service(PAIRS, "data:/data", depends_on=["base"]),
        "logger": _service(LINES, "logs:/logs"),
        "reader": _service("sleep 100000", "data:/data:ro", "logs:/logs:ro", init=True),
        "aside": _service(PAIRS.replace("/data/a", "/data/c").replace("/data/b", "/data/d"), "data:/data"),
        "frozen": _service(LINES, "logs:/logs"),
    },
    "volumes": {"data": {}, "logs": {}},
})  # fmt: skip
SETTINGS = """deploy: {timeout: 120s, stable: 1s}
backup:
  sources:
  - volume: {name: data, consistency: stop}
  - volume: {name: logs, consistency: pause}
"""


def prepare(site: Site) -> None:
    """Have it run, with a SQLite file in `data`, one service stopped and one paused by somebody."""
    site.inv("deploy")
    base = {"OPSLIB_TOOLS_BASE": f"{site.images}debian:bookworm-slim"}
    ensure_tools(site.target, Local(Host(name="local", path=".")), base)
    tools(site, "sqlite3 /data/app.db 'create table t (x); insert into t values (1)'")
    site.inside(f"docker stop {site.container('aside')} && docker pause {site.container('frozen')}")


def tools(site: Site, script: str, *options: str) -> str:
    """A shell text in the tools image, with the volume at /data."""
    mount = f"--mount type=volume,src={site.name}_data,dst=/data"
    return site.inside(f'docker run {" ".join(options) or "--rm"} {mount} {tools_tag()} bash -c "{script}"')


def states(site: Site) -> dict[str, str]:
    """The state of each service's container."""
    said = site.inside(
        f"docker ps -a -f label={LABEL}.project={site.name} --format '{{{{.Label \"{LABEL}.service\"}}}} {{{{.State}}}}'"
    )
    return dict(line.split(" ", 1) for line in said.splitlines())


ALL_WELL = {"base": "running", "app": "running", "logger": "running", "reader": "running", "aside": "exited",
            "frozen": "paused"}  # fmt: skip


@contextmanager
def copying(site: Site) -> Iterator[None]:
    """The SQLite file is locked by a container that belongs to another project, so that its copy waits."""
    name = f"{site.name}-stranger"
    tools(site, "{ echo 'begin exclusive;'; sleep 1000; } | sqlite3 /data/app.db", "-d", "--init", "--name", name,
          "--label", f"{LABEL}.project=neighbour")  # fmt: skip
    locked = f"docker exec {name} sqlite3 -cmd '.timeout 1' /data/app.db 'begin immediate' || echo locked"
    until(lambda: "locked" in site.inside(locked), 20, "the SQLite file was not locked")
    try:
        yield
    finally:
        site.inside(f"docker rm -f {name}")


def wait_for_the_copy(site: Site) -> None:
    """Until the writers are stopped: the copy that comes next waits for the lock."""
    until(lambda: (states(site)["app"], states(site)["base"]) == ("exited", "exited"), 60, "nothing was stopped")
