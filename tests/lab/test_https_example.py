"""From a bare server to examples/rag-engine-mini over HTTPS by three commands, as docs/first-server.md and the example's
README say; renewed, and backed up."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.certbot.certificate import Certificate, from_der
from tests.conftest import ROOT
from tests.lab.acme import CERTBOT, lab_acme
from tests.lab.bare import Bare
from tests.lab.site import INV

pytestmark = [pytest.mark.lab, pytest.mark.full]
SERVER, EXAMPLE = "https-example", "rag-engine-mini"


class Example:
    """The copy of a person who has followed the README, with a domain that leads to the server."""

    def __init__(self, root: Path, images: str, server: Bare, acme: dict[str, Any]) -> None:
        self.root, self.images, self.server, self.acme = root, images, server, acme
        self.address = server.ip
        self.domain = f"rag-{secrets.token_hex(4)}.lab"
        shutil.copytree(ROOT / "examples" / EXAMPLE, root, ignore=shutil.ignore_patterns("__pycache__", ".env"))
        env = re.sub(r"(?m)=$", lambda one: one[0] + secrets.token_urlsafe(24), (root / ".env.example").read_text())
        for name, more in (
            (".env.production", ""),
            (".env", f"OPSLIB_SSH_CONFIG={server.config}\nOPSLIB_TOOLS_BASE={images}debian:bookworm-slim\n"),
        ):
            (root / name).touch(mode=0o600)
            (root / name).write_text(f"{env}IMAGES={images}\n{more}")
        host = (root / "hosts/prod.yml").read_text().replace("rag.example.com", self.domain)
        host = re.sub(r"(?m)^address: \S+", "address: deploy@prod", host)
        more = f"  image: {images}{CERTBOT}\n  server: {acme['server']}\n  ca: {acme['root']}\n  resolver: {acme['resolver']}\n  options: [--no-verify-ssl]\n"
        host = host.replace("certbot:\n", f"certbot:\n{more}")
        (root / "hosts/prod.yml").write_text(host)
        body = json.dumps({"host": self.domain, "addresses": [self.address]}).encode()
        urllib.request.urlopen(f"{acme['names']}/add-a", body, timeout=10).close()

    def inv(self, *words: str) -> dict[str, Any]:
        environ = {name: value for name, value in os.environ.items() if name != "OPSLIB_SSH_CONFIG"}
        argv = [str(INV), *words, "--host", "prod", "--json"]
        done = subprocess.run(
            argv, cwd=self.root, env=environ, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        found: dict[str, Any] = json.loads(done.stdout)["hosts"][0]
        return found

    def bring_certbot(self) -> None:
        """Its image, which the server would pull from a registry."""
        with subprocess.Popen(["docker", "save", f"{self.images}{CERTBOT}"], stdout=subprocess.PIPE) as saved:
            words = ["docker", "exec", "-i", self.server.container, "docker", "load", "-q"]
            subprocess.run(words, stdin=saved.stdout, check=True, capture_output=True)

    def get(self, path: str) -> tuple[Certificate, str]:
        """What a client that trusts the ACME server's CA gets."""
        context = ssl.create_default_context(cafile=self.acme["root"])
        line = socket.create_connection((self.address, 443), timeout=20)
        with context.wrap_socket(line, server_hostname=self.domain) as tls:
            tls.sendall(f"GET {path} HTTP/1.0\r\nHost: {self.domain}\r\n\r\n".encode())
            said = b""
            while got := tls.recv(65536):
                said += got
            return from_der(tls.getpeercert(binary_form=True) or b""), said.decode()


@pytest.fixture
def example(lab: dict[str, Any], tmp_path: Path) -> Iterator[Example]:
    acme = lab_acme()
    server = Bare(tmp_path, SERVER, "13")
    yield Example(tmp_path / EXAMPLE, lab["images_prefix"], server, acme)
    server.down()


def test_a_bare_server_serves_the_example_over_https(example: Example) -> None:
    made = example.inv("host.provision", "--yes")["result"]["done"]
    assert {"docker", "firewall", "ssh", "user"} <= set(made), made
    example.bring_certbot()
    example.inv("deploy", "--yes")
    example.inv("certbot.issue")
    first, said = example.get("/health")
    assert " 200 " in said.splitlines()[0] and first.names == (example.domain,)
    assert example.inv("certbot.renew", "--force")["changed"]
    second, said = example.get("/version")
    assert second.serial != first.serial and " 200 " in said.splitlines()[0]
    assert example.inv("certbot.status")["result"]["findings"] == []
    assert example.inv("deploy", "--plan")["result"]["plan"] == [], (
        "sites and certificates are no changes of the release"
    )
    result = example.inv("backup.all", "--yes")["result"]
    assert "certificates /etc/letsencrypt" in json.dumps(result)
    assert example.inv("host.provision")["changed"] is False
    assert not example.server.answers(6333) and example.server.answers(443), "what nginx does not serve is closed"
