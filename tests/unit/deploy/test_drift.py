"""What differs from the live release: compared purely."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from opslib.compose.project import parse_project
from opslib.compose.stack import SeenVolume, Stack, parse_container
from opslib.deploy import drift
from opslib.deploy.files import There
from opslib.images.info import ImageInfo
from opslib.state.releases import Pin, Release

PROJECT = parse_project({
    "name": "p", "volumes": {"data": None, "unused": None},
    "services": {
        "web": {"image": "web:opslib-R1", "volumes": [
            {"type": "volume", "source": "data", "target": "/d"}, {"type": "bind", "source": "/r/uploads", "target": "/u"},
        ]},
        "job": {"image": "web:opslib-R1"},
    },
}, root="/r")  # fmt: skip
RELEASE = Release(
    id="R1", at="t", by="me", project="p", outcome="good", hashes={"web": "h"}, env_file=".env", env="e",
    images={"web": Pin("web", "w1", "web:opslib-R1"), "job": Pin("web", "w1", "web:opslib-R1")},
)  # fmt: skip


def container(service: str = "web", state: str = "running", **more: Any) -> Any:
    return parse_container({
        "Id": service, "Name": service, "Image": "w1",
        "Config": {"Image": more.get("image", "web:opslib-R1"), "Labels": {
            "com.docker.compose.service": service, "com.docker.compose.config-hash": more.get("hash", "h")}},
        "State": {"Status": state, "ExitCode": more.get("code", 0), "Health": {"Status": more.get("health", "none")}},
        "HostConfig": {"RestartPolicy": {"Name": "always" if service == "web" else "no"}},
    })  # fmt: skip


def of(*containers: Any) -> list[str]:
    return [f"{one.name} {one.what}" for one in drift.of_containers(RELEASE, PROJECT, Stack("p", containers))]


JOB = container("job", "exited")


@pytest.mark.parametrize(
    "containers, said",
    [
        ([container(), JOB], []),
        ([JOB], ["web has 0 of 1 containers"]),
        ([container(), container(), JOB], ["web has 2 of 1 containers"]),
        ([container(image="web:other"), JOB], ["web runs web:other, and the release has web:opslib-R1"]),
        ([container(hash="x"), JOB], ["web was recreated with other settings"]),
        ([container(state="exited", code=1), JOB], ["web ended with exit code 1"]),
        ([container(state="paused"), JOB], ["web is paused"]),
        ([container(health="unhealthy"), JOB], ["web is unhealthy"]),
        ([container(), container("job", "exited", code=2)], ["job ended with exit code 2"]),
        ([container(), JOB, container("old")], ["old runs, and the release has no such service"]),
    ],
)
def test_containers(containers: list[Any], said: list[str]) -> None:
    assert of(*containers) == said


def test_images() -> None:
    older = msgspec.structs.replace(RELEASE, id="R0", images={"web": Pin("web", "w0", "web:opslib-R0")})

    def found(**there: str) -> list[str]:
        images = {f"web:opslib-{name}": ImageInfo(id, (), id, 1, "amd64") for name, id in there.items()}
        return [f"{one.name} {one.what}" for one in drift.of_images([older, RELEASE], images)]

    assert found(R0="w0", R1="w1") == []
    assert found(R0="w0", R1="w2") == ["web:opslib-R1 is another image than that of release R1"]
    assert found(R1="w1") == ["web:opslib-R0 is gone; release R0 could not come back"]


def test_volumes() -> None:
    there = Stack("p", all_volumes=(SeenVolume("p_data", {}, "local"),))
    assert list(drift.of_volumes(PROJECT, there)) == []
    assert [one.name for one in drift.of_volumes(PROJECT, Stack("p"))] == ["p_data"]


def test_files_and_variables() -> None:
    recorded = {"same": "1", "edited": "1", "gone": "1", "uploads/photo": "1", "uploads/gone": "1"}
    present = {"same": There("1"), "edited": There("2"), "uploads/photo": There("2"), ".env": There("e")}
    assert [(one.name, one.what) for one in drift.of_files(recorded, present, PROJECT)] == [
        ("edited", "was changed"), ("gone", "is gone"),
    ]  # fmt: skip
    assert list(drift.of_env(RELEASE, present)) == []
    assert [one.what for one in drift.of_env(RELEASE, {})] == ["is gone"]
    assert [one.what for one in drift.of_env(RELEASE, {".env": There("f")})] == ["was changed"]
