"""What a machine says of its engine, and the error that fits when it has none."""

from __future__ import annotations

import json

import pytest

from opslib.compose.engine import Engine, engine_from, look_command
from opslib.compose.script import sections
from opslib.errors import DockerNotAllowed, NoDocker, OpsError
from opslib.settings.model import Host

INFO = {
    "ServerVersion": "26.1.5", "Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]],
    "Architecture": "x86_64", "DockerRootDir": "/var/lib/docker",
}  # fmt: skip
DISK = "Filesystem 1-blocks Used Available Capacity Mounted on\n/dev/vda 100 40 60 40% /"


def text(info: object = INFO, said: str = "", compose: str = "2.26.1", disk: str = DISK) -> str:
    lines = json.dumps(info) if info is not None else ""
    return f"# info\n{lines}\n# said\n {said}\n# compose\n{compose}\n# disk\n{disk}\n# user\ndeploy\n"


def test_engine() -> None:
    assert engine_from(text()) == Engine("26.1.5", "2.26.1", "amd64", "overlay2", "/var/lib/docker", 60)


def test_containerd_store_is_told_by_its_driver_type() -> None:
    info = {**INFO, "Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
    assert engine_from(text(info)).store == "containerd"


@pytest.mark.parametrize("info", [None, {"ServerErrors": []}])
@pytest.mark.parametrize(
    "said, kind, what, todo",
    [
        ("bash: line 1: docker: command not found", NoDocker, "not installed", "apt-get install docker.io"),
        ("permission denied while trying to connect to the Docker daemon socket", DockerNotAllowed, "user deploy",
         "usermod -aG docker deploy"),
        ("sudo: a password is required", DockerNotAllowed, "user deploy", "sudoers.d/docker-deploy"),
        ("bash: line 1: sudo: command not found", DockerNotAllowed, "sudo is not installed", "docker: [docker]"),
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", NoDocker, "does not run",
         "systemctl enable --now docker"),
        ("something new", NoDocker, "something new", "docker info"),
    ],
)  # fmt: skip
def test_no_engine(info: object, said: str, kind: type[OpsError], what: str, todo: str) -> None:
    with pytest.raises(kind) as caught:
        engine_from(text(info, said))
    assert type(caught.value) is kind
    assert what in caught.value.what
    assert todo in (caught.value.next or "")


def test_errors_inside_the_answer_count_too() -> None:
    with pytest.raises(DockerNotAllowed):
        engine_from(text({"ServerErrors": ["permission denied while trying to connect"]}))


@pytest.mark.parametrize("compose, what", [("", "missing"), ("1.29.2", "1.29.2 is too old")])
def test_compose_must_be_2(compose: str, what: str) -> None:
    with pytest.raises(OpsError, match=what):
        engine_from(text(compose=compose))
    assert engine_from(text(compose="v5.0.1")).compose_version == "5.0.1"


def test_look_calls_docker_as_the_host_says() -> None:
    argv = look_command(Host(name="p", path="x", docker=("sudo", "-n", "docker"))).stages[0].argv
    assert argv[3:] == ("opslib", "3", "sudo", "-n", "docker")


def test_sections_of_the_same_name_are_joined() -> None:
    assert sections("noise\n# a\n1\n\n# b\n 2\n# a\n3") == {"a": ["1", "3"], "b": [" 2"]}
