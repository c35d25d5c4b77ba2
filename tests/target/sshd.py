"""A throwaway OpenSSH server on a free loopback port, as the current user, with keys and settings of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def need_sshd() -> str:
    """The path of sshd; without one the test is skipped, or fails under OPSLIB_LAB=require."""
    if SSHD is None:
        if os.environ.get("OPSLIB_LAB") == "require":
            pytest.fail("no sshd here: install openssh-server")
        pytest.skip("no sshd here: install openssh-server")
    return SSHD


def new_key(path: Path, kind: str = "ed25519", passphrase: str = "", options: tuple[str, ...] = ()) -> Path:
    """Make a key pair at `path` and `path`.pub."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path), *options]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


def public(path: Path) -> str:
    """Type and base64 of a key pair's public half."""
    return " ".join(Path(f"{path}.pub").read_text().split()[:2])


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Sshd:
    """Runs from its construction until `stop`. `lines` are further lines of its sshd_config; it is started by
    `inside`, a command that takes another (`nsenter …`)."""

    def __init__(
        self,
        folder: Path,
        authorized: list[Path],
        *,
        host_keys: tuple[str, ...] = ("ed25519",),
        lines: str = "",
        inside: tuple[str, ...] = (),
    ) -> None:
        program = need_sshd()
        folder.mkdir(parents=True)
        self.folder, self.port, self.user = folder, free_port(), getpass.getuser()
        self.host_keys = {kind: new_key(folder / f"host_{kind}", kind) for kind in host_keys}
        (folder / "authorized_keys").write_text("".join(f"{public(x)}\n" for x in authorized))
        config = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            *(f"HostKey {x}" for x in self.host_keys.values()),
            f"AuthorizedKeysFile {folder}/authorized_keys",
            f"PidFile {folder}/pid",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "Subsystem sftp internal-sftp",
        ]
        # The first value counts in sshd_config, so what a test says comes first.
        (folder / "sshd_config").write_text("\n".join([*lines.splitlines(), *config]) + "\n")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where sshd confines itself before the login
        self._process = subprocess.Popen(
            [*inside, program, "-D", "-e", "-f", str(folder / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listening.wait(10) or self._process.poll() is not None:
            self.stop()
            raise RuntimeError("sshd did not start: " + "".join(self.log))

    @property
    def process_id(self) -> int:
        """Of the listener, whose children are the sessions."""
        return self._process.pid

    @property
    def address(self) -> str:
        return f"{self.user}@127.0.0.1:{self.port}"

    def known_line(self, kind: str = "ed25519", name: str = "") -> str:
        """A line for known_hosts."""
        return f"{name or f'[127.0.0.1]:{self.port}'} {public(self.host_keys[kind])}\n"

    def stop(self) -> None:
        """End the listener and wait for it; sessions end by themselves with their clients."""
        self._process.terminate()
        self._process.wait(10)
        self._reader.join(5)

    def _read(self) -> None:
        for line in self._process.stderr or ():
            self.log.append(line)
            if "Server listening" in line:
                self._listening.set()
        self._listening.set()
