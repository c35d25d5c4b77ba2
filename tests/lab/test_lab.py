"""The lab itself: what it promises to the demo and to the other tests (docs/lab.md)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

LAB = Path(__file__).resolve().parents[2] / "scripts" / "lab"
NAME = "test-lab"


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LAB, *words], capture_output=True, text=True)


def facts(*words: str) -> dict[str, Any]:
    done = lab(*words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, Any]]:
    if facts("status")["engine"] is None:
        reason = "no Docker engine answers; `scripts/lab up` brings one"
        if os.environ.get("OPSLIB_LAB") == "require":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield described(facts("server", NAME, "--images", "busybox"))
    finally:
        lab("server", NAME, "--down")


def described(found: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in found["servers"] if one["name"] == NAME)


def over_ssh(server: dict[str, Any], command: str, user: str = "", timeout: float = 15) -> tuple[int, str]:
    """Exit code and output of a command, by a client that accepts the noted host key only."""
    client = paramiko.SSHClient()
    client.load_host_keys(server["known_hosts"])
    with client:
        client.connect(
            server["address"], server["port"], user or server["user"], key_filename=server["key"],
            allow_agent=False, look_for_keys=False, timeout=timeout, banner_timeout=timeout, auth_timeout=timeout,
        )  # fmt: skip
        _, out, err = client.exec_command(command)
        text = out.read().decode() + err.read().decode()
        return out.channel.recv_exit_status(), text


def test_server_is_reached_as_a_user_without_root_who_may_use_docker(server: dict[str, Any]) -> None:
    assert over_ssh(server, "id -un; sudo -n true 2>/dev/null || echo no root") == (0, "deploy\nno root\n")
    code, said = over_ssh(server, "docker run --rm --network none opslib-lab/busybox:1 echo inside")
    assert (code, said) == (0, "inside\n")


def test_other_users_may_use_docker_by_sudo_alone_or_not_at_all(server: dict[str, Any]) -> None:
    assert over_ssh(server, "sudo -n docker ps -q", "sudoer")[0] == 0
    for user in ("sudoer", "plain"):
        code, said = over_ssh(server, "docker ps", user)
        assert code != 0
        assert "permission denied" in said


def test_a_second_time_changes_nothing(server: dict[str, Any]) -> None:
    before = over_ssh(server, "docker image inspect --format {{.Id}} opslib-lab/busybox:1")
    again = lab("server", NAME, "--images", "busybox", "--json")
    assert (again.returncode, again.stderr) == (0, "")
    assert described(json.loads(again.stdout)) == server
    assert over_ssh(server, "docker image inspect --format {{.Id}} opslib-lab/busybox:1") == before


def test_a_cut_line_swallows_everything_until_it_is_healed(server: dict[str, Any]) -> None:
    assert lab("fault", NAME, "cut").returncode == 0
    try:
        with pytest.raises((paramiko.SSHException, socket.timeout, OSError)):
            over_ssh(server, "true", timeout=3)
    finally:
        assert lab("fault", NAME, "heal").returncode == 0
    assert over_ssh(server, "echo back") == (0, "back\n")


def test_a_killed_server_comes_back_with_its_host_key_and_images(server: dict[str, Any]) -> None:
    known = Path(server["known_hosts"]).read_text()
    assert lab("fault", NAME, "kill").returncode == 0
    with pytest.raises((paramiko.SSHException, OSError)):
        over_ssh(server, "true", timeout=3)
    started = lab("fault", NAME, "start")
    assert started.returncode == 0, started.stderr
    assert Path(server["known_hosts"]).read_text() == known
    assert over_ssh(server, "docker image inspect --format ok opslib-lab/busybox:1") == (0, "ok\n")


def test_mistakes_are_one_line_each(server: dict[str, Any]) -> None:
    for words, code in (
        (("server", NAME, "--port", "1"), 2),
        (("server", NAME, "--images", "no-such-image"), 2),
        (("server", "a b"), 2),
        (("fault", "no-such-server", "cut"), 1),
    ):
        done = lab(*words)
        assert done.returncode == code
        assert done.stderr.startswith("lab: ")
        assert len(done.stderr.splitlines()) == 1
