"""Connections to real, throwaway sshds on the loopback: every way in, and every way of being kept out."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from paramiko import Transport

from opslib.command import command
from opslib.errors import (
    CannotConnect,
    HostKeyChanged,
    HostKeyUnknown,
    HostLost,
    NameNotFound,
    NoKeyAccepted,
    OpsError,
    Refused,
    TimedOut,
)
from opslib.host.trust import inspect, trust
from opslib.settings.model import Host
from opslib.settings.units import Address, address
from opslib.target import ssh_keys
from opslib.target.connect import connect as connect_to
from opslib.target.connection import SshConnection, needs_person, open_connection
from opslib.target.known_hosts import fingerprint, lookup
from opslib.target.lock import locked
from opslib.target.ssh_config import CONFIG_VARIABLE, of_host, resolve

from .sshd import Sshd, free_port, new_key, public

Start = Callable[..., Sshd]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers that take the test's own key, and stops them."""
    running: list[Sshd] = []

    def begin(authorized: list[Path] | None = None, **settings: Any) -> Sshd:
        server = Sshd(
            tmp_path / f"sshd{len(running)}", [tmp_path / "id"] if authorized is None else authorized, **settings
        )
        running.append(server)
        return server

    yield begin
    for server in running:
        server.stop()


@pytest.fixture
def known(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, known: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh_config of the test's own: one key, one known_hosts file, no agent."""
    new_key(tmp_path / "id")
    file = tmp_path / "ssh_config"
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    file.write_text(
        f"UserKnownHostsFile {known}\nGlobalKnownHostsFile none\nIdentityFile {tmp_path}/id\nHashKnownHosts no\n"
    )
    ssh_keys._unlocked.clear()
    return file


def connect(address: str, **options: Any) -> SshConnection:
    return open_connection(resolve(address), **{"host_name": "prod", "prompt": None, **options})


def says(connection: SshConnection, command: str) -> str:
    with connection.transport.open_session(timeout=10) as channel:
        channel.exec_command(command)
        out = b"".join(iter(lambda: channel.recv(4096), b""))
        assert channel.recv_exit_status() == 0
    return out.decode()


def signal_sessions(server: Sshd, number: int = signal.SIGKILL) -> None:
    """Send each session's process of the server a signal; by default it ends. The listener stays."""
    parents = [str(server.process_id)]
    for pid in (path.name for path in Path("/proc").iterdir() if path.name.isdigit()):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] in parents:
                os.kill(int(pid), number)


# -- host keys


def test_a_known_host(start: Start, known: Path) -> None:
    server = start()
    known.write_text(server.known_line())
    with connect(server.address) as connection:
        assert says(connection, "echo here") == "here\n"
        transport: Transport = connection.transport
        assert transport.local_cipher == transport.remote_cipher == "aes128-gcm@openssh.com"
        assert transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert transport.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert not transport.is_active()


def test_an_unknown_host_is_refused_before_the_login(start: Start, known: Path, config: Path) -> None:
    server = start()
    with config.open("a") as text:
        text.write("StrictHostKeyChecking no\n")
    known.write_text("[127.0.0.1]:1 ssh-ed25519 AAAA\n")
    with pytest.raises(HostKeyUnknown) as error:
        connect(server.address)
    said = subprocess.run(
        ["ssh-keygen", "-lf", str(server.host_keys["ed25519"])], capture_output=True, text=True
    ).stdout.split()[1]
    assert said in error.value.what
    assert f"127.0.0.1 port {server.port}" in error.value.what
    assert "whatever StrictHostKeyChecking says" in error.value.what
    assert "`inv host.trust --host prod`" in str(error.value.next)
    assert error.value.host == "prod"
    assert not any("Accepted" in line for line in server.log)
    assert "AAAA" in known.read_text()
    assert len(known.read_text().splitlines()) == 1


def test_a_changed_key_names_both_and_the_line(start: Start, known: Path, tmp_path: Path) -> None:
    server = start()
    other = new_key(tmp_path / "other")
    known.write_text(f"# mine\n[127.0.0.1]:{server.port} {public(other)}\n")
    with pytest.raises(HostKeyChanged) as error:
        connect(server.address)
    listed = lookup([known], "127.0.0.1", server.port).keys[0]
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(server.host_keys["ed25519"])], capture_output=True, text=True
    ).stdout.split()[1]
    assert shown in error.value.what
    assert listed.fingerprint in error.value.what
    assert f"{known}:2" in error.value.what
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}' -f {known}" in str(error.value.next)


def test_a_revoked_key(start: Start, known: Path) -> None:
    server = start()
    known.write_text(server.known_line() + "@revoked " + server.known_line(name="*"))
    with pytest.raises(HostKeyChanged, match=f"{known}:2 revokes"):
        connect(server.address)


def test_hashed_names_and_lines_of_every_kind(start: Start, known: Path) -> None:
    server = start()
    known.write_text(server.known_line())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    hashed = known.read_text()
    known.write_text("@cert-authority * ssh-ed25519 AAAA\n127.0.0.1 ssh-ed25519 not*base64\n" + hashed)
    connect(server.address).close()


def test_the_key_type_that_is_known_is_asked_for(start: Start, known: Path) -> None:
    server = start(host_keys=("ed25519", "rsa", "ecdsa"))
    for kind, name in (("rsa", "ssh-rsa"), ("ecdsa", "ecdsa-sha2-nistp256"), ("ed25519", "ssh-ed25519")):
        known.write_text(server.known_line(kind))
        with connect(server.address) as connection:
            assert connection.transport.get_remote_server_key().get_name() == name


def test_only_an_authority_is_known(start: Start, known: Path) -> None:
    server = start()
    known.write_text("@cert-authority " + server.known_line())
    with pytest.raises(HostKeyUnknown, match=f"{known}:1 is a @cert-authority, which opslib does not support"):
        connect(server.address)


# -- trust


@pytest.mark.parametrize("hashed", ["yes", "no"])
def test_trust_writes_what_ssh_and_we_then_take(start: Start, known: Path, config: Path, hashed: str) -> None:
    server = start()
    config.write_text(config.read_text().replace("HashKnownHosts no", f"HashKnownHosts {hashed}"))
    settings = resolve(server.address)
    key = inspect(settings, host_name="prod")
    assert (key.known, key.changed, key.hop, key.key_type) == (False, False, False, "ssh-ed25519")
    assert not known.exists()
    assert trust(key) == known
    assert inspect(settings, host_name="prod").known
    trust(inspect(settings, host_name="prod"))  # known already: nothing is added
    assert len(known.read_text().splitlines()) == 1
    connect(server.address).close()
    ssh = ["ssh", "-F", str(config), "-o", "BatchMode=yes", "-p", str(server.port), "127.0.0.1", "true"]
    subprocess.run(ssh, check=True, stdin=subprocess.DEVNULL)


def test_trust_refuses_a_changed_key(start: Start, known: Path, tmp_path: Path) -> None:
    server = start()
    line = f"[127.0.0.1]:{server.port} {public(new_key(tmp_path / 'other'))}\n"
    known.write_text(line)
    key = inspect(resolve(server.address), host_name="prod")
    assert key.changed
    assert [x.place for x in key.listed] == [f"{known}:1"]
    with pytest.raises(HostKeyChanged):
        trust(key)
    assert known.read_text() == line


def test_trust_without_a_file(start: Start, config: Path, known: Path) -> None:
    server = start()
    config.write_text(config.read_text().replace(str(known), "none", 1))
    with pytest.raises(OpsError, match="UserKnownHostsFile none"):
        trust(inspect(resolve(server.address), host_name="prod"))


# -- ways


def test_an_alias_from_an_included_file(start: Start, known: Path, config: Path, tmp_path: Path) -> None:
    server = start()
    known.write_text(server.known_line(name="shop"))
    (tmp_path / "more").write_text(f"Host shop\n  HostName 127.0.0.1\n  Port {server.port}\n  HostKeyAlias shop\n")
    config.write_text(f"Include {tmp_path}/more\n" + config.read_text())
    with connect("shop") as connection:
        assert says(connection, 'echo "${SSH_CONNECTION##* }"') == f"{server.port}\n"


def test_through_hops(start: Start, known: Path, config: Path) -> None:
    first, second, goal = start(), start(), start()
    with config.open("a") as text:
        text.write(
            f"Host goal\n  HostName 127.0.0.1\n  Port {goal.port}\n  ProxyJump {first.address},{second.address}\n"
        )
    for hop, servers in ((first, []), (second, [first]), (goal, [first, second])):
        known.write_text("".join(x.known_line() for x in servers))
        with pytest.raises(HostKeyUnknown) as error:
            connect("goal")
        assert f"127.0.0.1 port {hop.port}" in error.value.what
        assert ("the hop" in error.value.what) is (hop is not goal)
        assert error.value.host == "prod"
    known.write_text("".join(x.known_line() for x in (first, second, goal)))
    with connect("goal") as connection:
        assert says(connection, 'echo "${SSH_CONNECTION##* }"') == f"{goal.port}\n"
        hop = connection.gateway
        assert hop.gateway.transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert not hop.transport.is_active()
    assert not hop.gateway.transport.is_active()


def test_each_hop_has_its_own_user_key_and_port(start: Start, known: Path, config: Path, tmp_path: Path) -> None:
    """And its own known_hosts file; the goal's key alone would open no hop."""
    keys = [new_key(tmp_path / name) for name in ("one", "two", "three")]
    servers = [start([key]) for key in keys]
    lines = []
    for name, key, server in zip(("first", "second", "goal"), keys, servers, strict=True):
        (tmp_path / f"known-{name}").write_text(server.known_line(name=name))
        lines += [f"Host {name}", "HostName 127.0.0.1", f"Port {server.port}", f"HostKeyAlias {name}",
                  f"IdentityFile {key}", "IdentitiesOnly yes", f"UserKnownHostsFile {tmp_path}/known-{name}"]  # fmt: skip
    config.write_text("\n".join(lines) + "\n" + config.read_text().replace(f"IdentityFile {tmp_path}/id\n", ""))
    host = Host(name="prod", path=".", address=Address("goal"), jump=(Address("first"), Address("second")))
    with open_connection(of_host(host), host_name="prod", prompt=None) as connection:
        assert says(connection, 'echo "${SSH_CONNECTION##* }"') == f"{servers[2].port}\n"
    asked = [sum("Accepted publickey" in line for line in server.log) for server in servers]
    assert asked == [1, 1, 1]


def test_a_hop_that_does_not_know_us(start: Start, known: Path, config: Path) -> None:
    hop, goal = start([]), start()
    known.write_text(hop.known_line() + goal.known_line())
    with pytest.raises(
        NoKeyAccepted, match=f"^prod: the hop 127.0.0.1 port {hop.port} let .* in with none of our keys"
    ) as error:
        open_connection(resolve(goal.address, [hop.address]), host_name="prod", prompt=None)
    assert error.value.hop
    with pytest.raises(NoKeyAccepted, match=f"the hop 127.0.0.1 port {hop.port} let nobody in with none"):
        open_connection(resolve(goal.address, [f"nobody@127.0.0.1:{hop.port}"]), host_name="prod", prompt=None)


@pytest.mark.parametrize("place", [0, 1])
def test_a_hop_with_another_key(start: Start, known: Path, tmp_path: Path, place: int) -> None:
    servers = [start(), start(), start()]
    lines = [server.known_line() for server in servers]
    lines[place] = f"[127.0.0.1]:{servers[place].port} {public(new_key(tmp_path / 'other'))}\n"
    known.write_text("".join(lines))
    with pytest.raises(HostKeyChanged, match=f"the hop 127.0.0.1 port {servers[place].port} shows the host key"):
        open_connection(
            resolve(servers[2].address, [server.address for server in servers[:2]]), host_name="prod", prompt=None
        )
    assert not any("Accepted" in line for line in servers[place].log)


def test_a_hop_in_the_middle_that_forwards_nothing(start: Start, known: Path) -> None:
    first, second, goal = start(lines="PermitOpen 127.0.0.1:1"), start(), start()
    known.write_text("".join(server.known_line() for server in (first, second, goal)))
    with pytest.raises(CannotConnect) as error:
        open_connection(resolve(goal.address, [first.address, second.address]), host_name="prod", prompt=None)
    assert (
        f"no way to the hop 127.0.0.1 port {second.port}: the hop 127.0.0.1 port {first.port} may not"
        in error.value.what
    )


def test_a_hop_that_is_not_there(start: Start, known: Path) -> None:
    goal, port = start(), free_port()
    known.write_text(goal.known_line())
    with pytest.raises(Refused, match=f"the hop 127.0.0.1 port {port} refused the connection"):
        open_connection(resolve(goal.address, [f"u@127.0.0.1:{port}"]), host_name="prod", prompt=None)


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_line_names_the_hop_that_let_go(
    start: Start, known: Path, config: Path, tmp_path: Path, lost: int
) -> None:
    """Whatever ran is of unknown outcome then; where the machine itself let go no hop is blamed."""
    servers = [start(), start(), start()]
    known.write_text("".join(server.known_line() for server in servers))
    hops = tuple(address(server.address) for server in servers[:2])
    target = connect_to(Host(name="prod", path=str(tmp_path), address=address(servers[2].address), jump=hops))
    process = target.start(command("sleep", "100"))
    signal_sessions(servers[lost])
    with pytest.raises(HostLost) as error:
        target.finish(process)
    named = [
        port
        for port in (servers[0].port, servers[1].port)
        if f"the hop 127.0.0.1 port {port} let go" in error.value.what
    ]
    assert named == ([servers[lost].port] if lost < 2 else [])
    assert "look at the host" in str(error.value.next)
    target.reconnect()
    assert target.run(command("echo", "back")).text == "back"
    target.close()


@pytest.mark.full
def test_a_hop_that_says_nothing_any_more_is_named(start: Start, known: Path, tmp_path: Path) -> None:
    """Its kernel still answers, so only the keeper's heartbeats tell."""
    hop, server = start(), start()
    known.write_text(hop.known_line() + server.known_line())
    jump = (address(hop.address),)
    target = connect_to(Host(name="prod", path=str(tmp_path / "x"), address=address(server.address), jump=jump))

    def work() -> None:
        with locked(target, run="r1", holder="a"):
            process = target.start(command("sleep", "100"))
            signal_sessions(hop, signal.SIGSTOP)
            target.finish(process)

    with pytest.raises(HostLost) as error:
        work()
    assert error.value.what.endswith(f"nothing was heard any more by way of the hop 127.0.0.1 port {hop.port}")
    assert error.value.host == "prod"
    signal_sessions(hop)
    target.close()


def test_trust_goes_hop_by_hop(start: Start, config: Path) -> None:
    hop, goal = start(), start()
    with config.open("a") as text:
        text.write(f"Host goal\n  HostName 127.0.0.1\n  Port {goal.port}\n  ProxyJump {hop.address}\n")
    seen = []
    while not (key := inspect(resolve("goal"), host_name="prod")).known:
        seen.append((key.settings.port, key.hop))
        trust(key)
    assert seen == [(hop.port, True), (goal.port, False)]
    connect("goal").close()


def test_a_hop_that_cannot_go_on(start: Start, known: Path, config: Path) -> None:
    open_hop, closed_hop = start(), start(lines="AllowTcpForwarding no")
    known.write_text(open_hop.known_line() + closed_hop.known_line())
    with config.open("a") as text:
        text.write(f"Host a\n  ProxyJump {open_hop.address}\nHost b\n  ProxyJump {closed_hop.address}\n")
        text.write(f"Host a b\n  HostName 127.0.0.1\n  Port {free_port()}\n")
    with pytest.raises(CannotConnect, match=f"the hop 127.0.0.1 port {open_hop.port} cannot reach it"):
        connect("a")
    with pytest.raises(CannotConnect, match=f"the hop 127.0.0.1 port {closed_hop.port} may not forward"):
        connect("b")


def test_a_proxy_command(start: Start, known: Path, config: Path) -> None:
    server = start()
    known.write_text(server.known_line(name="[behind]:4"))
    with config.open("a") as text:
        text.write(
            f"Host behind\n  Port 4\n  ProxyCommand ssh -F {config} -p {server.port} -W 127.0.0.1:{server.port} "
        )
        text.write("127.0.0.1\nHost broken\n  ProxyCommand sh -c 'echo it is off >&2; exit 3'\n")
    known.write_text(known.read_text() + server.known_line())
    with connect("behind") as connection:
        assert says(connection, "echo here") == "here\n"
        process = connection._proxy
    assert process.poll() is not None
    with pytest.raises(CannotConnect, match="the ProxyCommand to broken port 22 failed: it is off"):
        connect("broken")


# -- keys


def test_no_key_accepted(start: Start, known: Path, tmp_path: Path) -> None:
    server = start([])
    known.write_text(server.known_line())
    with pytest.raises(NoKeyAccepted) as error:
        connect(server.address)
    assert f"{tmp_path}/id (not accepted)" in error.value.what
    assert f"port {server.port} let {server.user} in with none of our keys" in error.value.what
    assert "ssh-copy-id" in str(error.value.next) and not error.value.hop


def test_no_key_at_all(start: Start, known: Path, tmp_path: Path) -> None:
    server = start()
    known.write_text(server.known_line())
    (tmp_path / "id").unlink()
    (tmp_path / "id.pub").unlink()
    with pytest.raises(NoKeyAccepted, match="there is no key for"):
        connect(server.address)


def test_a_server_that_takes_no_keys(start: Start, known: Path) -> None:
    server = start(lines="PubkeyAuthentication no\nPasswordAuthentication yes")
    known.write_text(server.known_line())
    with pytest.raises(NoKeyAccepted, match="the server takes no keys, it wants password"):
        connect(server.address)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("ed25519", ()), ("rsa", ()), ("ecdsa", ()), ("rsa", ("-m", "PEM")), ("ecdsa", ("-m", "PKCS8"))],
)
@pytest.mark.parametrize("passphrase", ["", "päss word"])
def test_key_files_of_every_kind(
    start: Start, known: Path, config: Path, tmp_path: Path, kind: str, options: tuple[str, ...], passphrase: str
) -> None:
    path = new_key(tmp_path / "special", kind, passphrase, options)
    server = start([path])
    known.write_text(server.known_line())
    config.write_text(config.read_text().replace(f"{tmp_path}/id", str(path)))
    connect(server.address, prompt=lambda question: passphrase).close()


def test_a_passphrase_is_asked_for_once(start: Start, known: Path, config: Path, tmp_path: Path) -> None:
    path = new_key(tmp_path / "locked", passphrase="secret words")
    server = start([path])
    known.write_text(server.known_line())
    config.write_text(config.read_text() + f"IdentityFile {path}\n")
    with pytest.raises(NoKeyAccepted) as error:
        connect(server.address)
    assert f"{path} (has a passphrase, and nobody gave it)" in error.value.what
    assert f"{tmp_path}/id (not accepted)" in error.value.what
    assert f"ssh-add {path}" in str(error.value.next)
    answers = ["wrong", "secret words"]
    asked: list[str] = []

    def prompt(question: str) -> str:
        asked.append(question)
        return answers.pop(0)

    connect(server.address, prompt=prompt).close()
    connect(server.address, prompt=prompt).close()
    connect(server.address).close()  # nobody to ask, but it is remembered
    assert asked == [f"Passphrase of {path} (for prod): "] * 2
    with pytest.raises(NoKeyAccepted):
        connect(server.address, unattended=True)


def test_nobody_is_asked_when_another_key_will_do(start: Start, known: Path, config: Path, tmp_path: Path) -> None:
    path = new_key(tmp_path / "locked", passphrase="secret words")
    server = start([path, tmp_path / "id"])
    known.write_text(server.known_line())
    config.write_text(f"IdentityFile {path}\n" + config.read_text())
    connect(server.address, prompt=lambda question: pytest.fail(question)).close()


def test_no_passphrase_after_all(start: Start, known: Path, config: Path, tmp_path: Path) -> None:
    path = new_key(tmp_path / "locked", passphrase="secret words")
    server = start([path])
    known.write_text(server.known_line())
    config.write_text(config.read_text().replace(f"{tmp_path}/id", str(path)))
    for answer, times in (("", 1), ("wrong", 3)):
        asked: list[str] = []

        def prompt(question: str, asked: list[str] = asked, answer: str = answer) -> str:
            asked.append(question)
            return answer

        with pytest.raises(NoKeyAccepted) as error:
            connect(server.address, prompt=prompt)
        assert len(asked) == times
        assert "wrong" not in error.value.text()


def test_a_slow_typist_is_connected_anew(start: Start, known: Path, config: Path, tmp_path: Path) -> None:
    path = new_key(tmp_path / "locked", passphrase="secret words")
    server = start([path], lines="LoginGraceTime 1")
    known.write_text(server.known_line())
    config.write_text(config.read_text().replace(f"{tmp_path}/id", str(path)))
    before = set(threading.enumerate())

    def prompt(question: str) -> str:
        for thread in set(threading.enumerate()) - before:
            if isinstance(thread, Transport):
                thread.join(30)  # it ends when the server hangs up
                assert not thread.is_alive()
        return "secret words"

    connect(server.address, prompt=prompt).close()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.readline()  # it listens before it says where
    yield path
    process.terminate()
    process.wait(5)
    process.stdout.close()


def add(agent: Path, key: Path) -> None:
    environment = {**os.environ, "SSH_AUTH_SOCK": str(agent)}
    subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True, stdin=subprocess.DEVNULL)


def test_keys_of_an_agent(
    start: Start, known: Path, config: Path, tmp_path: Path, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new_key(tmp_path / "held", "rsa")
    server = start([path])
    known.write_text(server.known_line())
    add(agent, path)
    path.unlink()
    with pytest.raises(NoKeyAccepted):
        connect(server.address)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    connect(server.address).close()
    monkeypatch.delenv("SSH_AUTH_SOCK")
    plain = config.read_text()
    config.write_text(plain + f"IdentityAgent {agent}\n")
    connect(server.address).close()
    config.write_text(plain + f"IdentityAgent {agent}\nIdentitiesOnly yes\n")
    with pytest.raises(NoKeyAccepted):
        connect(server.address)
    config.write_text(plain + f"IdentityAgent {agent}\nIdentitiesOnly yes\nIdentityFile {path}\n")  # only .pub is there
    connect(server.address).close()
    config.write_text(plain + f"IdentityAgent {tmp_path}/gone\n")
    with pytest.raises(NoKeyAccepted):
        connect(server.address)


def test_an_agent_full_of_other_keys(start: Start, known: Path, config: Path, tmp_path: Path, agent: Path) -> None:
    for number in range(7):
        add(agent, new_key(tmp_path / f"other{number}"))
    server = start()
    known.write_text(server.known_line())
    config.write_text(config.read_text() + f"IdentityAgent {agent}\n")
    connect(server.address).close()  # the key of ssh_config comes before them
    (tmp_path / "id").unlink()
    with pytest.raises(NoKeyAccepted) as error:
        connect(server.address)
    assert "the server hung up after 6 keys" in error.value.what
    assert "IdentitiesOnly yes" in str(error.value.next)


def test_what_needs_a_person(start: Start, known: Path, config: Path, tmp_path: Path, agent: Path) -> None:
    locked, held = new_key(tmp_path / "locked", passphrase="secret words"), new_key(tmp_path / "held")
    server = start([tmp_path / "id", locked, held])
    known.write_text(server.known_line())
    plain = config.read_text()
    assert needs_person(resolve(server.address), host_name="prod") is None
    config.write_text(plain.replace(f"{tmp_path}/id", str(locked)))
    connect(server.address, prompt=lambda question: "secret words").close()
    assert f"{locked} (has a passphrase" in str(needs_person(resolve(server.address), host_name="prod"))
    add(agent, held)
    held.unlink()
    config.write_text(plain.replace(f"{tmp_path}/id", str(held)) + f"IdentityAgent {agent}\n")
    connect(server.address).close()
    assert "cron has none" in str(needs_person(resolve(server.address), host_name="prod"))
    known.write_text("")
    with pytest.raises(HostKeyUnknown):
        needs_person(resolve(server.address), host_name="prod")


# -- no line


def test_refused() -> None:
    port = free_port()
    with pytest.raises(Refused, match=f"127.0.0.1 port {port} refused the connection") as error:
        connect(f"u@127.0.0.1:{port}")
    assert f"-p {port} u@127.0.0.1" in str(error.value.next)
    assert error.value.exit_code == 1


@pytest.mark.parametrize("name", ["no-such-host.invalid", "x" * 64 + ".invalid"])
def test_name_not_found(name: str) -> None:
    with pytest.raises(NameNotFound, match="does not resolve"):
        connect(name)


def test_an_address_without_a_route() -> None:
    with pytest.raises(CannotConnect) as error:
        connect("255.255.255.255")
    assert error.value.host == "prod"


@pytest.mark.parametrize("backlog", ["taken", "full"])
def test_a_port_that_says_nothing(config: Path, backlog: str) -> None:
    config.write_text("ConnectTimeout 1\n" + config.read_text())
    with socket.socket() as mute, socket.socket() as first, socket.socket() as second:
        mute.bind(("127.0.0.1", 0))
        mute.listen(0)
        if backlog == "full":  # the kernel then drops what more comes
            first.connect(mute.getsockname())
            second.setblocking(False)
            second.connect_ex(mute.getsockname())
        with pytest.raises(TimedOut, match=r"no answer from .* within 1 s"):
            connect(f"u@127.0.0.1:{mute.getsockname()[1]}")


def test_a_port_of_something_else() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()

        def speak() -> None:
            line, _ = other.accept()
            with line, contextlib.suppress(ConnectionError):
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 120)
                while line.recv(4096):
                    pass

        speaker = threading.Thread(target=speak)
        speaker.start()
        with pytest.raises(CannotConnect, match="no SSH session came about"):
            connect(f"u@127.0.0.1:{other.getsockname()[1]}")
        speaker.join(10)


def test_thirty_connections_at_once(start: Start, known: Path) -> None:
    server = start(lines="MaxStartups 10:30:100")
    known.write_text(server.known_line())

    def one(number: int) -> str:
        with connect(server.address) as connection:
            return says(connection, f"echo {number}")

    with ThreadPoolExecutor(30) as pool:
        assert list(pool.map(one, range(30))) == [f"{number}\n" for number in range(30)]


def test_a_busy_server_is_tried_again(start: Start, known: Path) -> None:
    server = start(lines="MaxStartups 1\nLoginGraceTime 2")
    known.write_text(server.known_line())
    with socket.create_connection(("127.0.0.1", server.port)) as stalled:
        assert stalled.recv(100).startswith(b"SSH-")  # takes the only place until sshd throws it out
        connect(server.address).close()


def test_the_server_may_renew_the_keys_while_data_flow(start: Start, known: Path) -> None:
    server = start(lines="RekeyLimit 1M")
    known.write_text(server.known_line())
    size = 24 * 1024 * 1024
    with connect(server.address) as connection, connection.transport.open_session() as channel:
        channel.settimeout(30)
        channel.exec_command("cat")
        sender = threading.Thread(target=lambda: (channel.sendall(b"x" * size), channel.shutdown_write()))
        sender.start()
        got = 0
        while data := channel.recv(1 << 20):
            got += len(data)
        sender.join(30)
        assert got == size


def test_fingerprints_are_those_of_ssh_keygen(start: Start) -> None:
    server = start()
    key = inspect(resolve(server.address), host_name="prod")
    said = subprocess.run(
        ["ssh-keygen", "-lf", str(server.host_keys["ed25519"])], capture_output=True, text=True
    ).stdout
    assert key.fingerprint == fingerprint(key.blob) == said.split()[1]
