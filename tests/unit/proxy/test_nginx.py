"""What nginx includes, and where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.compose.project import parse_project
from opslib.compose.stack import Stack, parse_container
from opslib.errors import BadSettings, OpsError
from opslib.proxy import nginx
from opslib.proxy.mount import wanted
from opslib.proxy.servers import Server
from opslib.settings.model import Host, Proxy

SPEC = Proxy(service="web", folder="nginx/up/", upstreams={"api": 8000, "images": 80})
NGINX = nginx.Nginx(SPEC)


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
    assert nginx.block("api", [Server("172.18.0.5:80"), Server("172.18.0.6:80")]).splitlines()[1:] == [
        "upstream api {", "    server 172.18.0.5:80;", "    server 172.18.0.6:80;", "}",
    ]  # fmt: skip
    assert nginx.block("api", [Server("172.18.0.5:80", 9), Server("172.18.0.6:80")]).splitlines()[2:-1] == [
        "    zone opslib-api 256k;", "    server 172.18.0.5:80 weight=9;", "    server 172.18.0.6:80;",
    ]  # fmt: skip
    between = NGINX.between(project(), Stack("p"))
    assert "server api:8000;" in between["api"]
    assert (list(between), between["images"]) == (["api", "images"], ""), "its name alone means port 80"


def test_addresses_are_those_that_nginx_reaches() -> None:
    web = container("web", {"front": "172.18.0.2", "six": "fd00::2"})
    api = container("api", {"back": "172.19.0.9", "front": "172.18.0.5"})
    six = container("api", {"six": "fd00::5"})
    stack = Stack("p", (web,))
    assert NGINX.addresses(stack, "api", [api, six]) == ["172.18.0.5:8000", "[fd00::5]:8000"]
    with pytest.raises(OpsError, match="web shares no network with p-api-1"):
        NGINX.addresses(stack, "api", [container("api", {"back": "172.19.0.9"})])
    with pytest.raises(OpsError, match="web does not run any more"):
        NGINX.addresses(Stack("p", (container("web", {}, state="exited"),)), "api", [api])


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
    NGINX.check(found, "h")
    source, target = mount.split(":")
    mounts = [{"Type": "bind", "Source": source, "Destination": target.rstrip("/"), "RW": False}]
    folder = "/srv/a b/nginx/up" if source == "/srv/a b/nginx" else source
    told = NGINX.told(found, Stack("p", (container("web", {}, mounts=mounts),)), "h")
    assert told == {"kind": "nginx", "name": "web", "folder": folder, "words": ["web"]}
    assert wanted(found, SPEC, inside) == folder
    assert NGINX.told(found, Stack("p", (container("web", {}, state="exited"),)), "h") is None


def test_what_the_compose_files_lack_is_said_with_the_lines_to_add() -> None:
    with pytest.raises(BadSettings, match="does not mount nginx/up") as raised:
        NGINX.check(project("/srv/a b/nginx/upper:/up"), "h")
    assert "include /etc/nginx/up/*.conf;" in str(raised.value.next)
    bare = parse_project({"name": "p", "services": {"web": {"image": "i"}, "api": {"image": "i"}}}, root="/r")
    with pytest.raises(BadSettings, match="names images"):
        NGINX.check(bare, "h")


def test_its_files_are_no_files_of_the_project() -> None:
    assert NGINX.is_ours("nginx/up/opslib-api.conf")
    assert not NGINX.is_ours("nginx/up/opslib-other.conf")
    assert not NGINX.is_ours("nginx/opslib-api.conf")


def test_a_new_configuration_is_tried_in_a_container_of_its_own() -> None:
    host = Host(name="h", path="/srv/a b", docker=("sudo", "-n", "docker"))
    assert nginx.try_command(host, project(), SPEC, "p-nginx-1").masked() == (
        "sudo -n docker compose --project-name p --project-directory '/srv/a b' --ansi never run --rm --no-deps --no-TTY "
        "--name p-nginx-1 --entrypoint nginx -- web -t"
    )
