"""Containers as the engine describes them, for the tests beside this file."""

from __future__ import annotations

from typing import Any

from opslib.compose.stack import Container, parse_container


def inspected(service: str = "api", **changes: Any) -> dict[str, Any]:
    state = {
        "Status": "running", "ExitCode": 0, "OOMKilled": False, "StartedAt": "2026-11-22T02:00:00.5Z",
        **changes.pop("state", {}),
    }  # fmt: skip
    labels = {
        "com.docker.compose.project": "shop", "com.docker.compose.service": service,
        "com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False",
        "com.docker.compose.config-hash": "abc", "com.docker.compose.project.working_dir": "/srv/app",
        **changes.pop("labels", {}),
    }  # fmt: skip
    return {
        "Id": changes.pop("id", f"id-{service}"),
        "Name": f"/shop-{service}-1",
        "Image": "sha256:1",
        "RestartCount": changes.pop("restarts", 0),
        "State": state,
        "Config": {
            "Image": "shop-api:1", "Env": ["TOKEN=hunter2", "A=b=c"], "Labels": labels, "User": "app",
            "Entrypoint": None, "Cmd": ["serve"], **changes.pop("config", {}),
        },
        "HostConfig": {
            "RestartPolicy": {"Name": changes.pop("restart", "unless-stopped")},
            "NetworkMode": changes.pop("network_mode", "shop_default"),
        },
        "Mounts": [
            {"Type": "volume", "Name": "shop_data", "Source": "/v/shop_data", "Destination": "/data", "RW": True},
            {"Type": "bind", "Source": "/srv/x", "Destination": "/x", "RW": False},
        ],
        "NetworkSettings": {
            "Ports": changes.pop("ports", {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "9/udp": None}),
            "Networks": changes.pop("networks", {"shop_default": {"IPAddress": "172.18.0.2"}}),
        },
        **changes,
    }  # fmt: skip


def container(service: str = "api", **changes: Any) -> Container:
    return parse_container(inspected(service, **changes))
