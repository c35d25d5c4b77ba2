"""Azurite, Microsoft's own emulator of Azure's Blob Storage, on a free loopback port."""

from __future__ import annotations

import base64
import hashlib
import hmac
import urllib.request
from email.utils import formatdate
from itertools import count
from pathlib import Path

from tests.stores.program import Running, lab_program
from tests.target.sshd import free_port

ACCOUNT = "lab"
KEY = base64.b64encode(b"the lab's key of an account").decode()


class Azurite:
    """Runs from its construction until `stop`."""

    def __init__(self, folder: Path) -> None:
        program = lab_program("azure")
        folder.mkdir()
        self.port, self._names = free_port(), count(1)
        argv = [program, "--blobPort", str(self.port), "--location", str(folder / "data"), "--disableTelemetry"]
        self._running = Running(argv, self.port, folder / "log", {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"})
        self.stop = self._running.kill

    def container(self) -> str:
        """The name of a new one, empty."""
        name, now, version = f"acme-{next(self._names)}", formatdate(usegmt=True), "2021-12-02"
        text = (
            f"PUT{chr(10) * 12}x-ms-date:{now}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        )
        signed = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
        headers = {"x-ms-date": now, "x-ms-version": version, "Authorization": f"SharedKey {ACCOUNT}:{signed}"}
        url = f"http://127.0.0.1:{self.port}/{ACCOUNT}/{name}?restype=container"
        sent = urllib.request.Request(url, headers={**headers, "Content-Length": "0"}, method="PUT")
        with urllib.request.urlopen(sent, timeout=60):
            return name
