"""What a plan says of each service, in names."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.compose.project import parse_project
from opslib.deploy.diff import compose_differences, unchecked
from opslib.images.info import ImageInfo, parse_image
from opslib.settings.health import HealthSpec
from opslib.settings.model import Deploy, Host


def stack(**entry: Any) -> dict[str, Any]:
    return {"services": {"web": entry}, "volumes": {"data": {"name": entry.pop("named", "p_data")}}}


OLD: dict[str, Any] = {
    "image": "web:1",
    "environment": {"KEPT": "1", "GONE": "hunter1", "CHANGED": "hunter2"},
    "command": ["serve", "--password", "hunter3"],
    "ports": [{"target": 80, "published": "8080", "protocol": "tcp"}],
    "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
    "labels": {"opslib.files": "1"},
    "restart": "always",
}


@pytest.mark.parametrize(
    "change, said",
    [
        ({}, []),
        ({"image": "web:2", "labels": {"opslib.files": "2"}}, []),
        (
            {"environment": {"KEPT": "1", "CHANGED": "hunter4", "NEW": "hunter5"}},
            ["environment: +NEW -GONE ~CHANGED"],
        ),
        ({"command": ["serve", "--password", "hunter6"]}, ["command"]),
        ({"ports": [{"target": 80, "published": "81", "host_ip": "::1"}]}, ["ports: -8080:80 +::1:81:80"]),
        (
            {"volumes": [{"type": "volume", "source": "data", "target": "/d", "read_only": True}]},
            ["volumes: -data:/data +data:/d:ro"],
        ),
        ({"named": "other"}, ["volumes: what the top of the file says of them"]),
        ({"restart": "no", "user": "app"}, ["restart: always → no", "user: nothing → app"]),
        ({"labels": {"a": "b"}, "healthcheck": {"test": "x hunter7"}}, ["healthcheck", "labels: +a"]),
    ],
)
def test_a_service_in_names(change: dict[str, Any], said: list[str]) -> None:
    found = compose_differences(stack(**OLD), stack(**{**OLD, **change}), "web")
    assert found == said
    assert "hunter" not in str(found)


def test_services_that_nothing_watches() -> None:
    project = parse_project({"name": "p", "services": {
        "api": {"image": "a", "healthcheck": {"test": ["CMD", "x"]}},
        "off": {"image": "a", "healthcheck": {"disable": True}},
        "image": {"image": "a"}, "bare": {"image": "b"}, "asked": {"image": "b"}, "none": {"image": "b", "scale": 0},
        "job": {"image": "b"}, "after": {"image": "a", "depends_on": {"job": {"condition": "service_completed_successfully"}}},
    }})  # fmt: skip
    checked = parse_image({"Id": "x", "Config": {"Healthcheck": {"Test": ["CMD", "true"]}}})
    plain = ImageInfo("y", (), "y", 1, "amd64")
    images = {name: checked if one.image == "a" else plain for name, one in project.services.items()}
    host = Host(name="h", path="/r", deploy=Deploy(health={"asked": HealthSpec(url="http://localhost/")}))
    assert unchecked(project, images, host) == ["bare", "off"]
    assert not parse_image({"Id": "x", "Config": {"Healthcheck": {"Test": ["NONE"]}}}).healthcheck
