"""What nginx includes, and where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.compose.project import parse_project
from opslib.compose.stack import Stack, parse_container
from opslib.errors import BadSettings, OpsError
from opslib.proxy import nginx
from opslib.settings.model import Host, Proxy

SPEC = Proxy(service="web", folder="nginx/up/", upstreams={"api": 8000, "images": 80})


def project(*mounts: str) -> Any:
    volumes = [{"type": "bind", "source": source, "target": target}
               for source, target in (one.split(":") for one in mounts)]  # fmt: skip
    services = {"web": {"image": "i", "volumes": volumes}, "api": {"image": "i"}, "images": {"image": "i"}}
    return parse_project({"name": "p", "services": services}, root="/srv/a b")


def container(service: str, networks: dict[str, str], **more: Any) -> Any:
    return parse_container({
        "Id": service, "Name": f"/p-{service}-1", "Image": "i",
        "Config": {"Labels": {"com.docker.compose.service": service}}, "State": {"Status": more.get("state", "running")},
        "HostConfig": {}, "Mounts": more.get("mounts", []),
        "NetworkSettings": {"Networks": {name: {"IPAddress": at} for name, at in networks.items()}},
    })  # fmt: skip


def test_the_upstream_of_a_service() -> None:
    assert nginx.block("api", ["172.18.0.5:80", "172.18.0.6:80"]).splitlines()[1:] == [
        "upstream api {", "    server 172.18.0.5:80;", "    server 172.18.0.6:80;", "}",
    ]  # fmt: skip
    assert "server api:8000;" in nginx.between("api", 8000)
    assert nginx.between("api", 80) == "", "its name alone means that"
    assert list(nginx.texts(SPEC)) == ["api", "images"]


def test_addresses_are_those_that_nginx_reaches() -> None:
    web = container("web", {"front": "172.18.0.2", "six": "fd00::2"})
    api = container("api", {"back": "172.19.0.9", "front": "172.18.0.5"})
    six = container("api", {"six": "fd00::5"})
    assert nginx.addresses([api, six], 8000, web) == ["172.18.0.5:8000", "[fd00::5]:8000"]
    with pytest.raises(OpsError, match="web shares no network with p-api-1"):
        nginx.addresses([container("api", {"back": "172.19.0.9"})], 80, web)
    assert nginx.running(Stack("p", (container("web", {}, state="exited"),)), SPEC) is None


@pytest.mark.parametrize(
    ("mount", "inside"),
    [
        ("/srv/a b/nginx/up:/etc/nginx/up", "/etc/nginx/up"),
        ("/srv/a b/nginx:/conf/", "/conf/up"),
        ("/srv/a b/.opslib/releases/R-1/compose/nginx/up:/up", "/up"),
    ],
)
def test_the_folder_that_it_includes_from(mount: str, inside: str) -> None:
    found = project("/srv/a b/nginx/up.conf:/etc/nginx/nginx.conf", mount)
    assert nginx.included(found, SPEC, "h") == inside
    source, target = mount.split(":")
    mounts = [{"Type": "bind", "Source": source, "Destination": target.rstrip("/"), "RW": False}]
    wanted = "/srv/a b/nginx/up" if source == "/srv/a b/nginx" else source
    assert nginx.folder_of(container("web", {}, mounts=mounts), inside) == wanted


def test_what_the_compose_files_lack_is_said_with_the_lines_to_add() -> None:
    with pytest.raises(BadSettings, match="does not mount nginx/up") as raised:
        nginx.included(project("/srv/a b/nginx/upper:/up"), SPEC, "h")
    assert "include /etc/nginx/up/*.conf;" in str(raised.value.next)
    bare = parse_project({"name": "p", "services": {"web": {"image": "i"}, "api": {"image": "i"}}}, root="/r")
    with pytest.raises(BadSettings, match="names images"):
        nginx.included(bare, SPEC, "h")


def test_its_files_are_no_files_of_the_project() -> None:
    assert nginx.is_ours("nginx/up/opslib-api.conf", SPEC)
    assert not nginx.is_ours("nginx/up/opslib-other.conf", SPEC)
    assert not nginx.is_ours("nginx/opslib-api.conf", SPEC)
    assert not nginx.is_ours("nginx/up/opslib-api.conf", None)


def test_a_new_configuration_is_tried_in_a_container_of_its_own() -> None:
    host = Host(name="h", path="/srv/a b", docker=("sudo", "-n", "docker"))
    assert nginx.try_command(host, project(), SPEC, "p-nginx-1").masked() == (
        "sudo -n docker compose --project-name p --project-directory '/srv/a b' --ansi never run --rm --no-deps --no-TTY "
        "--name p-nginx-1 --entrypoint nginx -- web -t"
    )
