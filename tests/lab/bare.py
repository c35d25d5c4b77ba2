"""A server of the lab without anything but systemd and sshd, and a project here that `inv` makes it ready for."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.lab.site import own_server

INV = str(Path(sys.executable).with_name("inv"))


class Bare:
    """`kind`: 13 or 12 of Debian, or `engine`, Debian 12 with an engine. The server is reached by its own address, as from
    outside: not through a port of this machine."""

    def __init__(self, folder: Path, name: str, kind: str, images: str = "") -> None:
        self.server = own_server(name, images, "--bare", kind)
        self.name, self.container = name, self.server["container"]
        self.root = folder / "survey"
        (self.root / "hosts").mkdir(parents=True)
        (self.root / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
        _, *host_key = Path(self.server["known_hosts"]).read_text().split()
        (folder / "known_hosts").write_text(f"prod {' '.join(host_key)}\n")
        self.config = folder / "config"
        self._find()
        self.host()

    def _find(self) -> None:
        """Where it is: by its own address, which may be another one when it was off."""
        at = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        self.ip = self._docker("inspect", "--format", at, self.container)
        self.config.write_text(
            f"Host prod\n HostName {self.ip}\n HostKeyAlias prod\n IdentityFile {self.server['key']}\n"
            f" IdentitiesOnly yes\n IdentityAgent none\n UserKnownHostsFile {self.config.parent}/known_hosts\n"
        )

    def host(self, *lines: str, user: str = "deploy") -> None:
        """The host file, with these lines under `provision:`."""
        section = "provision:\n" + "".join(f"  {line}\n" for line in lines) if lines else ""
        (self.root / "hosts/prod.yml").write_text(f"address: {user}@prod\npath: /srv/survey\n{section}")

    # -- inv

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """`inv …` in a process of its own, without a terminal."""
        environ = {**os.environ, "OPSLIB_SSH_CONFIG": str(self.config), **env}
        return subprocess.Popen([INV, *words], cwd=self.root, env=environ, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip

    def inv(self, *words: str, code: int = 0, **env: str) -> dict[str, Any]:
        """What `inv … --host prod --json` says of the host; what it told meanwhile is under `said`."""
        process = self.start(*words, "--host", "prod", "--json", **env)
        out, said = process.communicate(timeout=900)
        assert process.returncode == code, f"{out[-3000:]}\n{said[-5000:]}"
        found: dict[str, Any] = json.loads(out)["hosts"][0]
        return {**found, "said": said}

    def provision(self, *words: str, code: int = 0, **env: str) -> dict[str, Any]:
        """`inv host.provision`."""
        return self.inv("host.provision", *words, code=code, **env)

    def at_a_terminal(self, answer: str, *words: str) -> tuple[int, str]:
        """`inv …` where somebody types this line at the first question; the exit code, and all that was shown."""
        leader, follower = pty.openpty()
        environ = {**os.environ, "OPSLIB_SSH_CONFIG": str(self.config)}
        process = subprocess.Popen([INV, *words], cwd=self.root, env=environ, stdin=follower, stdout=follower,
                                   stderr=follower, start_new_session=True)  # fmt: skip
        os.close(follower)
        shown, typed = b"", False
        with suppress(OSError):  # the end of a terminal
            while data := os.read(leader, 4096):
                shown += data
                if b"Password for sudo on prod:" in shown and not typed:
                    time.sleep(0.5)  # until nothing is echoed
                    os.write(leader, f"{answer}\n".encode())
                    typed = True
        os.close(leader)
        return process.wait(60), shown.decode()

    def killed_in(self, part: str, seconds: float = 300) -> bool:
        """Provision, and kill it, -9, when its log says that this part has begun; whether it came to that."""
        process = self.start("host.provision", "--host", "prod", "--yes", "--json", "--wait", "60s")
        try:
            deadline = time.monotonic() + seconds
            while process.poll() is None and time.monotonic() < deadline:
                if f'"step":"{part}"' in self.inside("cat /root/.opslib/run.log 2>/dev/null || true"):
                    time.sleep(0.3)
                    process.send_signal(signal.SIGKILL)
                    break
                time.sleep(0.1)
            said = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode in (-signal.SIGKILL, 0), said
        return process.returncode != 0

    # -- the machine, seen from inside and from outside

    def inside(self, script: str, *, check: bool = True) -> str:
        """What a shell text of root's prints there, not over the line."""
        words = ["docker", "exec", "-i", self.container, "bash", "-c", script]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, f"{script}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def answers(self, port: int, patience: float = 2.0) -> bool:
        """Whether something answers there from outside: what is dropped never does."""
        try:
            with socket.create_connection((self.ip, port), timeout=patience):
                return True
        except OSError:
            return False

    def ssh(self, user: str, *command: str) -> subprocess.CompletedProcess[str]:
        """A login as anybody's."""
        words = [
            "ssh",
            "-F",
            str(self.config),
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=5",
            f"{user}@prod",
            *command,
        ]
        return subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def publish(self, image: str, *ports: int) -> None:
        """A container for each port that answers on it."""
        for port in ports:
            self.inside(f"docker rm -f p{port} >/dev/null 2>&1; docker run -d --name p{port} --restart unless-stopped "
                        f"-p {port}:8000 {image} httpd -f -p 8000 -h / >/dev/null")  # fmt: skip

    def lock_apt(self, seconds: int) -> None:
        """A real apt that holds its locks for so long, by the name of the one that does on many a fresh server."""
        apt = f"apt-get install --reinstall -y -o DPkg::Pre-Invoke::='sleep {seconds}' nftables"
        self.inside(f'setsid bash -c "exec -a unattended-upgrade {apt}" </dev/null >/dev/null 2>&1 & sleep 3')

    def reboot(self) -> None:
        """Off and on again."""
        self._docker("restart", "-t", "20", self.container)
        self.until(lambda: self.inside("systemctl is-active multi-user.target", check=False) == "active")
        self._find()

    def until(self, true: Callable[[], bool], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.3)

    def down(self) -> None:
        """Remove it."""
        subprocess.run([str(ROOT / "scripts/lab"), "server", self.name, "--down"], check=True, capture_output=True)

    def _docker(self, *words: str) -> str:
        return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()
