"""The lab's ACME server: pebble and the name server that it asks, in a container, at an address of the engine's network
that this machine and the servers reach."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

from . import engine, images
from .shell import LABEL, LabError, attempt, run, say, state_dir

CONTAINER = "opslib-lab-acme"


def facts() -> dict[str, str] | None:
    """Where it is, while it runs. `root` is the file with the CA that signs; each start makes another one."""
    docker = engine.client()
    found = attempt([docker, "inspect", "-f", "{{.State.Running}} {{.NetworkSettings.IPAddress}}", CONTAINER]).stdout
    running, _, address = found.strip().partition(" ")
    if running != "true" or not address:
        return None
    return {
        "address": address, "container": CONTAINER, "server": f"https://{address}:14000/dir",
        "resolver": f"{address}:8053", "names": f"http://{address}:8055", "root": str(state_dir("acme") / "root.pem"),
    }  # fmt: skip


def ensure() -> None:
    """Start it when it does not run."""
    images.ensure([images.DEBIAN, images.CERTBOT, images.ACME])
    docker = engine.client()
    if facts() is None:
        attempt([docker, "rm", "-f", "-v", CONTAINER])
        say("start the ACME server")
        run([docker, "run", "-d", "--name", CONTAINER, "--init", "--label", LABEL, images.ACME.ref], limit=60)
    _wait()


def _wait() -> None:
    """Until it answers, and its CA is here."""
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        found = facts()
        asked = ["exec", CONTAINER, "curl", "-sfk", "https://127.0.0.1:15000/roots/0"]
        got = attempt([engine.client(), *asked])
        if found and got.returncode == 0 and "BEGIN CERTIFICATE" in got.stdout:
            (state_dir("acme") / "root.pem").write_text(got.stdout)
            try:
                urllib.request.urlopen(f"{found['names']}/", timeout=5).close()
            except urllib.error.HTTPError:
                return
            except OSError:
                continue
            return
        time.sleep(0.2)
    raise LabError(f"the ACME server does not answer: docker logs {CONTAINER}")
