"""Servers: containers with sshd and a Docker engine of their own, reached over SSH on a loopback port."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from . import engine, images, transfer
from .shell import LABEL, LabError, attempt, run, say, state_dir

SERVER_LABEL = "opslib.lab.server"
FIRST_PORT = 2201
USERS = ("deploy", "sudoer", "plain")
_OPEN = [
    "--security-opt",
    "seccomp=unconfined",
    "--security-opt",
    "apparmor=unconfined",
    "--security-opt",
    "systempaths=unconfined",
]
# From most to least: what an engine inside a container needs, as far as the engine outside may grant it.
_PRIVILEGES = (["--privileged"], ["--cap-add=ALL", *_OPEN], ["--cap-add=ALL", "--cap-drop=SYS_RESOURCE", *_OPEN])


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach one server. `key` and `known_hosts` are paths of files."""

    name: str
    address: str
    port: int
    user: str
    key: str
    known_hosts: str
    container: str
    store: str
    state: str
    recipe: str  # of the image that it was made from
    bare: str  # what kind of a bare machine it is; "" for one with everything

    def facts(self) -> dict[str, object]:
        return {name: value for name, value in asdict(self).items() if name not in ("recipe", "bare")}


def listed() -> list[Server]:
    """Every server of the lab, running or not."""
    docker = engine.client()
    ids = run([docker, "ps", "-aq", "--filter", f"label={SERVER_LABEL}"]).split()
    if not ids:
        return []
    found = []
    for container in json.loads(run([docker, "inspect", *ids])):
        labels = container["Config"]["Labels"]
        name, bare = labels[SERVER_LABEL], labels.get(f"{SERVER_LABEL}.bare", "")
        found.append(
            Server(
                name=name,
                address="127.0.0.1",
                port=int(labels[f"{SERVER_LABEL}.port"]),
                user="root" if bare else USERS[0],
                key=str(state_dir("ssh") / "id_ed25519"),
                known_hosts=str(_folder(name) / "known_hosts"),
                container=container["Name"].lstrip("/"),
                store=labels[f"{SERVER_LABEL}.store"],
                state=container["State"]["Status"],
                recipe=labels.get(images.RECIPE_LABEL, ""),
                bare=bare,
            )
        )
    return sorted(found, key=lambda server: server.name)


def find(name: str) -> Server | None:
    return next((server for server in listed() if server.name == name), None)


def ensure(
    name: str, port: int | None = None, store: str = "classic", load: Iterable[str] = (), bare: str = ""
) -> Server:
    """Create, start or keep a server, wait until its sshd and engine answer, and give it images. `bare`: which kind of
    a machine without anything, where one is to be made."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", name):
        raise LabError(f"a server's name is letters, digits and dashes, not {name!r}", 2)
    server = find(name)
    if server and (server.store != store or port not in (None, server.port)):
        raise LabError(f"server {name} has port {server.port} and the {server.store} store; `--down` it first", 2)
    if server is None:
        _create(name, port or _free_port(), store, bare)
    elif server.state == "paused":
        run([engine.client(), "unpause", server.container])
    elif server.state != "running":
        say(f"start server {name}")
        run([engine.client(), "start", server.container])
    server = find(name)
    assert server is not None
    if server.recipe != images.present().get(_image(server.bare).ref):
        say(f"server {name} is of an older image; `scripts/lab server {name} --down` and again for the new one")
    _wait(server)
    _introduce(server)
    transfer.load(server.container, [images.named(ref) for ref in load], _folder(name) / "images.json")
    return server


def remove(name: str) -> None:
    server = find(name)
    if server is None:
        raise LabError(f"there is no server {name}")
    say(f"remove server {name}")
    run([engine.client(), "rm", "-f", "-v", server.container])
    run([engine.client(), "volume", "rm", "-f", f"{server.container}-docker"])
    for path in _folder(name).iterdir():
        path.unlink()
    _folder(name).rmdir()


def _folder(name: str) -> Path:
    return state_dir("servers", name)


def _free_port() -> int:
    taken = {server.port for server in listed()}
    for port in range(FIRST_PORT, FIRST_PORT + 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            return port
    raise LabError("no free port for a server")


def _image(bare: str) -> images.Image:
    return images.BARE[bare] if bare else images.SERVER


def _create(name: str, port: int, store: str, bare: str) -> None:
    docker, container = engine.client(), f"opslib-lab-{name}"
    say(f"create server {name} on 127.0.0.1:{port}, about 5 s")
    run([docker, "volume", "create", "--label", LABEL, f"{container}-docker"])
    argv = [
        "--name",
        container,
        "--hostname",
        name,
        *(["-e", "container=docker", "--tmpfs", "/run", "--tmpfs", "/run/lock"] if bare else ["--init"]),
        "--label",
        f"{SERVER_LABEL}.bare={bare}",
        "--label",
        LABEL,
        "--label",
        f"{SERVER_LABEL}={name}",
        "--label",
        f"{SERVER_LABEL}.port={port}",
        "--label",
        f"{SERVER_LABEL}.store={store}",
        "-e",
        f"STORE={store}",
        "--cgroupns=host",
        "-v",
        "/sys/fs/cgroup:/sys/fs/cgroup:rw",
        "-v",
        f"{container}-docker:/var/lib/docker",
        "-p",
        f"127.0.0.1:{port}:22",
        _image(bare).ref,
    ]
    for privileges in _PRIVILEGES:
        done = attempt([docker, "run", "-d", *privileges, *argv], limit=120)
        if done.returncode == 0:
            return
        attempt([docker, "rm", "-f", container])
    raise LabError(f"the engine refuses to run a server: {done.stderr.strip()}")


def _wait(server: Server) -> None:
    """Until the engine inside and sshd answer; LabError with the server's last lines after 60 s."""
    give_up = time.monotonic() + 60
    asked = "until docker info >/dev/null 2>&1; do sleep 0.2; done"
    if server.bare:
        asked = "until systemctl is-active -q multi-user.target; do sleep 0.2; done"
    done = attempt([engine.client(), "exec", server.container, "bash", "-c", asked], limit=60)
    while done.returncode == 0 and time.monotonic() < give_up:
        try:
            with socket.create_connection((server.address, server.port), timeout=5) as line:
                line.settimeout(5)
                if line.recv(8).startswith(b"SSH-2.0"):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    last = attempt([engine.client(), "logs", "--tail", "5", server.container])
    raise LabError(f"server {server.name} did not come up:\n{last.stderr.strip()}")


def _introduce(server: Server) -> None:
    """Let the lab's key in for every user, and note the host key, read from inside rather than over the line."""
    docker = engine.client()
    public = _key().with_suffix(".pub").read_text()
    script = "".join(
        f'printf %s "$1" >/home/{user}/.ssh/authorized_keys; chown {user}: /home/{user}/.ssh/authorized_keys;'
        for user in USERS
    )
    if server.bare:
        script = 'mkdir -p -m 700 /root/.ssh; printf %s "$1" >/root/.ssh/authorized_keys;'
    host_key = run(
        [
            docker,
            "exec",
            server.container,
            "bash",
            "-c",
            f"{script} cat /etc/ssh/ssh_host_ed25519_key.pub",
            "bash",
            public,
        ]
    )
    kind, key = host_key.split()[:2]
    Path(server.known_hosts).write_text(f"[{server.address}]:{server.port} {kind} {key}\n")


def _key() -> Path:
    """One key pair for all servers, made in a container because this machine may have no ssh-keygen."""
    path = state_dir("ssh") / "id_ed25519"
    if not path.exists():
        say(f"make the lab's SSH key: {path}")
        script = "ssh-keygen -q -t ed25519 -N '' -C opslib-lab -f /tmp/key && cat /tmp/key.pub /tmp/key"
        made = run([engine.client(), "run", "--rm", "--label", LABEL, images.SERVER.ref, "bash", "-c", script])
        public, private = made.split("\n", 1)
        path.with_suffix(".pub").write_text(public + "\n")
        path.touch(mode=0o600)
        path.write_text(private)
    return path
