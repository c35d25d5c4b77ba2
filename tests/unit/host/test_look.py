import shutil
import socket
import subprocess

import pytest

from opslib.host.containers import Published, published_of
from opslib.host.look import PROGRAMS, Disk, look_command, machine_from
from opslib.host.sockets import Socket, sockets_of
from opslib.settings.model import Host
from opslib.target.local import Local

from .seen import TEXT, seen


def test_what_was_printed_as_a_value():
    found = seen()
    assert (found.user, found.groups, found.sudo, found.sees_all) == (
        "deploy",
        ("deploy", "docker", "sudo"),
        "free",
        True,
    )
    assert (found.os["PRETTY_NAME"], found.os["ID"]) == ("Debian GNU/Linux 12 (bookworm)", "debian")
    assert (found.kernel, found.arch, found.cpus, found.load) == ("6.1.0-28-amd64", "x86_64", 4, 0.25)
    assert (found.memory, found.available, found.swap) == (8_192_000_000, 6_144_000_000, 2_048_000_000)
    assert found.disks == (
        Disk("/srv/a disk", 100_000_000_000, 50_000_000_000, 6_000_000, 5_000_000),
        Disk("/var/lib/docker", 200_000_000_000, 90_000_000_000, 0, 0),
        Disk("/", 40_000_000_000, 20_000_000_000, 2_000_000, 1_500_000),
    )
    assert (found.root.there, found.store.there, found.store.path) == (True, False, "/srv/a b/backups")
    assert found.units == {"certbot.timer": "active"}
    assert (found.updates, found.security, found.unattended, found.apt_read) == (3, 0, True, 99_990_000)
    assert [one.name for one in found.containers] == ["survey-api-1", "survey-nginx-1"]
    assert found.real_folders == {"/srv/link": "/srv/a b"}
    assert found.held == {}


def test_who_holds_a_lock():
    assert seen(("file 77", "held 77 912 apt-get\nfile 77")).held == {
        "/var/lib/dpkg/lock-frontend": "apt-get (process 912)"
    }


def test_a_look_of_which_much_is_missing():
    """No systemd, no apt, no ss, nothing of Docker, no df that knows --output."""
    found = seen(
        ("# units\nId=certbot.timer\nLoadState=loaded\nActiveState=active\nId=ufw.service\nLoadState=not-found\n"
         "ActiveState=inactive\n# failed\n", ""),
        ("there\nunattended\nupgrade='1'\nlists='1'\nread 99990000\n", ""),
        ("# updates\n3 0\n", ""),
        (" PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n ID=debian\n VERSION_ID=\"12\"\n", ""),
    )  # fmt: skip
    assert (found.units, found.apt, found.updates, dict(found.os)) == (None, False, None, {})
    head, _ = TEXT.split("# disks\n")
    assert machine_from(f"{head}# disks\n# end\n").disks == ()


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("", []),
        ("6379/tcp", []),
        ("0.0.0.0:80->80/tcp, [::]:80->80/tcp", [("0.0.0.0", 80, "tcp"), ("::", 80, "tcp")]),
        (":::53->53/udp", [("::", 53, "udp")]),  # Docker 20.10
        ("127.0.0.1:7000-7001->70-71/tcp", [("127.0.0.1", 7000, "tcp"), ("127.0.0.1", 7001, "tcp")]),
        ("[2001:db8::1]:443->443/tcp, 9000/tcp", [("2001:db8::1", 443, "tcp")]),
    ],
)
def test_published_ports(text, ports):
    assert list(published_of(text)) == [Published(*port) for port in ports]


def test_sockets_without_ss():
    lines = ["tcp 0100007F:1F40", "tcp 00000000:0016", "tcp6 00000000000000000000000000000000:0050",
             "tcp6 0000000000000000FFFF00000100007F:1F90"]  # fmt: skip
    assert list(sockets_of({"kernel-sockets": lines})) == [
        Socket("tcp", "127.0.0.1", 8000, ""), Socket("tcp", "0.0.0.0", 22, ""), Socket("tcp", "::", 80, ""),
        Socket("tcp", "127.0.0.1", 8080, ""),
    ]  # fmt: skip


def test_sockets_of_ss():
    found = {(one.protocol, one.port, one.address): one.program for one in seen().sockets}
    assert found == {
        ("tcp", 22, "0.0.0.0"): "sshd", ("tcp", 22, "::"): "sshd", ("tcp", 8000, "127.0.0.1"): "docker-proxy",
        ("udp", 53, "127.0.0.53"): "systemd-resolve", ("tcp", 80, "::"): "docker-proxy",
    }  # fmt: skip


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A PATH with nothing but bash and what opslib needs of a server: no ss, no apt, no systemctl, no Docker."""
    for name in ("bash", *PROGRAMS):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    return tmp_path / "bin"


def look(host, path=None):
    (stage,) = look_command(host, "tools:1").stages
    env = {"HOME": "/", "PATH": str(path)} if path else None
    done = subprocess.run(stage.argv, capture_output=True, text=True, check=True, env=env, timeout=60)
    assert done.stderr == ""
    return machine_from(done.stdout)


def test_the_look_with_nothing_but_what_a_server_needs(bare, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = look(Host(name="x", path=str(tmp_path / "not 'there' yet")), bare)
        port = server.getsockname()[1]
        assert (port, "127.0.0.1") in {(one.port, one.address) for one in found.sockets}
    assert found.missing == ()
    assert found.root.path == f"{tmp_path}/not 'there' yet"
    assert (found.root.there, found.root.writable, found.root.nearest) == (False, True, str(tmp_path))
    assert (found.apt, found.updates, found.containers) == (False, None, ())
    assert found.root.disk is not None
    assert not (tmp_path / "not 'there' yet").exists()


def test_what_is_missing_is_named(bare, tmp_path):
    (bare / "flock").unlink()
    (bare / "tar").unlink()
    assert look(Host(name="x", path=str(tmp_path)), bare).missing == ("flock", "tar")


def test_what_an_earlier_run_has_left(bare, tmp_path):
    state = tmp_path / ".opslib"
    state.mkdir()
    host = Host(name="x", path=str(tmp_path))
    (state / "run.log").write_text('{"run":"r1"}\n{"step":"up","memo":null}\n')
    (state / "lock").write_text("r1\nanna@desk: deploy, since noon\n")
    (state / "frozen").write_text("# not\nJSON")
    found = look(host, bare)
    assert (found.log, found.holder, found.held, found.frozen) == (
        "begun",
        "anna@desk: deploy, since noon",
        {},
        "# not\nJSON",
    )
    with subprocess.Popen(
        ["flock", str(state / "lock"), "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.read(1)
        assert [path for path in look(host, bare).held if path.endswith("lock")] == [f"{state}/lock"]
        holder.terminate()
    (state / "run.log").write_text('{"run":"r1"}\n{"step":"hold","memo":null}\n{"stays":"hold"}\n')
    assert look(host, bare).log == "stays"


def test_the_look_is_one_command_on_a_target(tmp_path):
    target = Local(Host(name="local", path=str(tmp_path)))
    found = machine_from(target.run(look_command(target.host, "tools:1")).text)
    assert target.round_trips == 1
    assert found.cpus > 0
    assert found.memory > found.available > 0
