"""A project behind nginx on a server of its own, with the lab's ACME server and the names that lead there."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from opslib.certbot.certificate import Certificate, from_der
from tests.conftest import ROOT, missing
from tests.lab.site import INV, Site

CERTBOT = "certbot:2.1"
NGINX_CONF = """events {}
http {
  error_log /dev/stderr; access_log off;
  include /etc/nginx/sites/*.conf;
  server { listen 80 default_server; return 404; }
}
"""
COMPOSE = """
services:
  web:
    image: ${IMAGES}busybox:1
    init: true
    stop_grace_period: 1s
    command: [sh, -c, 'mkdir -p /www; echo "$$COLOR" >/www/color; exec httpd -f -p 8000 -h /www']
    environment: {COLOR: "${COLOR}"}
    healthcheck: {test: [CMD, wget, -qO-, "http://127.0.0.1:8000/color"], interval: 30s, start_period: 99s, start_interval: 500ms}
  nginx:
    image: ${IMAGES}nginx:1
    stop_grace_period: 1s
    ports: ["80:80", "443:443"]
    volumes:
      - ./nginx/nginx.conf:/etc/nginx/nginx.conf:ro
      - ./nginx/sites:/etc/nginx/sites:ro
      - ./acme:/acme:ro
      - CERTS:CERTS:ro
    depends_on: {web: {condition: service_healthy}}
"""
SETTINGS = """deploy:
  timeout: 60s
  stable: 1s
  proxy: {{service: nginx, folder: nginx/sites, upstreams: {{web: 8000}}, sites: [{{domains: [{domains}], service: web}}]}}
certbot:
  email: ops@example.com
  image: {image}
  directory: {certs}
  server: {server}
  ca: {ca}
  resolver: {resolver}
  options: [--no-verify-ssl]
"""


def lab_acme() -> dict[str, Any]:
    """The lab's ACME server, started when it does not run."""
    done = subprocess.run([str(ROOT / "scripts/lab"), "acme", "--yes", "--json"], capture_output=True, text=True)
    if done.returncode:
        missing(f"no ACME server: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)["acme"]
    return found


class Secure(Site):
    """A site whose nginx serves `NAME.lab` and `www.NAME.lab`."""

    def __init__(self, root: Path, images: str, server: dict[str, Any], acme: dict[str, Any]) -> None:
        self.acme = acme
        self.certs = f"/srv/certs-{root.name}"
        super().__init__(root, images, server, compose=COMPOSE.replace("CERTS", self.certs))
        self.address = subprocess.run(
            ["docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", server["container"]],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        self.domains = [f"{self.name}.lab", f"www.{self.name}.lab"]
        (root / "nginx").mkdir()
        (root / "nginx/nginx.conf").write_text(NGINX_CONF)
        self.git("add", "-A")
        self.git("commit", "-qm", "nginx")
        self.head = (root / "hosts/there.yml").read_text().split("\ndeploy:")[0] + "\n"
        self.configure()
        for one in self.domains:
            self.lead(one, self.address)

    def configure(self, more: str = "", **changes: str) -> None:
        """Write the host file anew."""
        said = {
            "domains": ", ".join(self.domains), "image": f"{self.images}{CERTBOT}", "certs": self.certs,
            "server": self.acme["server"], "ca": self.acme["root"], "resolver": self.acme["resolver"],
        }  # fmt: skip
        text = self.head + SETTINGS.format(**{**said, **changes}) + more
        (self.root / "hosts/there.yml").write_text(text)

    def lead(self, name: str, *addresses: str) -> None:
        """Have a name lead there; without an address it is in no DNS."""
        what = "add-a" if addresses else "clear-a"
        self.manage(what, {"host": name, "addresses": list(addresses)})

    def manage(self, what: str, body: dict[str, Any]) -> None:
        """Tell the lab's name server."""
        urllib.request.urlopen(f"{self.acme['names']}/{what}", json.dumps(body).encode(), timeout=10).close()

    def another(self, port: int, *words: str) -> str:
        """One more program beside pebble in its container: the address of its ACME directory, once it answers."""
        subprocess.run(["docker", "exec", "-d", self.acme["container"], *words], check=True)
        asked = ["docker", "exec", self.acme["container"], "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"]
        end = time.monotonic() + 20
        while subprocess.run(asked, capture_output=True).returncode:
            assert time.monotonic() < end, f"nothing listens on {port}"
            time.sleep(0.1)
        return f"https://{self.acme['address']}:{port}/dir"

    def shown(self, name: str = "") -> Certificate:
        """The certificate that nginx shows."""
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        line = socket.create_connection((self.address, 443), timeout=10)
        with anybody.wrap_socket(line, server_hostname=name or self.domains[0]) as tls:
            return from_der(tls.getpeercert(binary_form=True) or b"")

    def get(self, path: str = "/color") -> str:
        """What a client that trusts the ACME server's CA gets."""
        careful = ssl.create_default_context(cafile=self.acme["root"])
        line = socket.create_connection((self.address, 443), timeout=10)
        with careful.wrap_socket(line, server_hostname=self.domains[0]) as tls:
            tls.sendall(f"GET {path} HTTP/1.0\r\nHost: {self.domains[0]}\r\n\r\n".encode())
            said = b""
            while got := tls.recv(65536):
                said += got
            return said.decode().partition("\r\n\r\n")[2].strip()

    def as_root(self, script: str) -> str:
        """What a shell text prints on the server, as root."""
        words = ["docker", "exec", self.server["container"], "bash", "-c", script]  # type: ignore[index]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def json(self, *words: str, code: int = 0, seconds: float = 200) -> dict[str, Any]:
        """The record of a task for this host."""
        argv = [str(INV), *words, "--host", "there", "--json"]
        done = subprocess.run(argv, cwd=self.root, capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}{done.stderr}"
        found: dict[str, Any] = json.loads(done.stdout)["hosts"][0]
        return found

    def on_disk(self, name: str = "") -> str:
        """The PEM file of a certificate on the server."""
        return self.as_root(f"cat {self.certs}/live/{name or self.domains[0]}/fullchain.pem")

    def down(self) -> None:
        """The project away, and what it had on the server."""
        script = f"""l=label=com.docker.compose.project={self.name}
docker ps -aq -f $l | xargs -r docker rm -fv >/dev/null; docker network ls -q -f $l | xargs -r docker network rm >/dev/null
rm -rf {self.certs} {self.folder}; crontab -u deploy -r 2>/dev/null; true"""
        self.as_root(script)
