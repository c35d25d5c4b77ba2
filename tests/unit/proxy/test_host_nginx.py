"""nginx on the machine: the ports that it reaches services at, and what is said where it could not be told."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.compose.project import Port, parse_project
from opslib.compose.stack import Stack, parse_container
from opslib.errors import BadSettings, OpsError
from opslib.proxy.host_nginx import HostNginx, included, published, wrong
from opslib.settings.model import Proxy

SPEC = Proxy(kind="host-nginx", folder="/etc/nginx/opslib", upstreams={"api": 8000}, command=("sudo", "-n", "nginx"))
DUMP = ["|# configuration file /etc/nginx/nginx.conf:", "|http {", "|  include /etc/nginx/opslib/*.conf;", "|}"]
GOOD = {"user": ["deploy"], "folder": ["there", "ours"], "code": ["0"], "dump": DUMP, "master": ["7"]}


def project(published: str = "8000-8002", **more: Any) -> Any:
    port = {"target": 8000, "published": published, "host_ip": "127.0.0.1", "protocol": "tcp", **more}
    return parse_project({"name": "p", "services": {"api": {"image": "i", "ports": [port]}}}, root="/r")


def container(name: str, port: str) -> Any:
    ports = {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}], "9/tcp": None} if port else {}
    return parse_container({
        "Id": name, "Name": f"/p-{name}", "Image": "i", "Config": {"Labels": {"com.docker.compose.service": "api"}},
        "State": {"Status": "running"}, "HostConfig": {}, "NetworkSettings": {"Ports": ports},
    })  # fmt: skip


def test_the_ports_that_lead_to_one_of_a_container() -> None:
    ports = [Port("", "8001-8002", 80, "tcp"), Port("::", "8001", 80, "tcp"), Port("10.0.0.5", "90", 80, "tcp"),
             Port("", "53", 80, "udp"), Port("", "", 80, "tcp"), Port("", "7", 81, "tcp"), Port("fd00::1", "91", 80, "tcp")]  # fmt: skip
    assert published(ports, 80) == ["10.0.0.5:90", "[fd00::1]:91", "127.0.0.1:8001", "127.0.0.1:8002"]


def test_between_deploys_it_asks_where_they_are_and_then_the_rest_of_the_range() -> None:
    proxy, stack = HostNginx(SPEC), Stack("p", (container("api-1", "8001"),))
    assert proxy.between(project(), stack)["api"].splitlines()[2:-1] == [
        "    zone opslib-api 256k;", "    server 127.0.0.1:8001;",
        "    server 127.0.0.1:8000 backup;", "    server 127.0.0.1:8002 backup;",
    ]  # fmt: skip
    assert proxy.between(project(), Stack("p"))["api"].count("backup") == 0, "any of them, where none is known"
    assert proxy.between(project("8000"), Stack("p", (container("api-1", "8000"),)))["api"].splitlines()[2:-1] == [
        "    server 127.0.0.1:8000;",
    ]  # fmt: skip
    assert proxy.addresses(stack, "api", stack.containers) == ["127.0.0.1:8001"]
    with pytest.raises(OpsError, match="p-api-2 publishes no port for 8000"):
        proxy.addresses(stack, "api", [container("api-2", "")])
    assert proxy.told(project(), stack, "h") == {
        "kind": "host-nginx", "name": "nginx", "folder": "/etc/nginx/opslib", "words": ["sudo", "-n", "nginx"],
    }  # fmt: skip


@pytest.mark.parametrize("more", [{"published": ""}, {"target": 80}, {"protocol": "udp"}])
def test_a_service_that_it_cannot_reach(more: dict[str, Any]) -> None:
    with pytest.raises(BadSettings, match="service api publishes no ports for 8000") as raised:
        HostNginx(SPEC).check(project(**more), "h")
    assert 'ports: ["127.0.0.1:8000-8003:8000"]' in str(raised.value.next)
    HostNginx(SPEC).check(project(), "h")
    with pytest.raises(BadSettings, match="names web"):
        HostNginx(Proxy(kind="host-nginx", folder="/f", upstreams={"web": 1})).check(project(), "h")


@pytest.mark.parametrize(
    ("seen", "what", "next"),
    [
        ({"folder": []}, "/etc/nginx/opslib on the server is not there", "sudo install -d -o deploy /etc/nginx/opslib"),
        ({"folder": ["there"]}, "may not be written to by deploy", "sudo install -d -o deploy /etc/nginx/opslib"),
        ({"code": ["1"], "said": ["|sudo: a password is required"]}, "sudo -n nginx -t on the server fails:\n    sudo: a password",
         "deploy ALL=(root) NOPASSWD: /usr/sbin/nginx"),
        ({"code": ["1"], "said": ["|nginx: [emerg] unknown directive", "|nginx: test failed"]}, "unknown directive",
         "until sudo -n nginx -t is content"),
        ({"dump": DUMP[:2] + DUMP[3:]}, "includes nothing from /etc/nginx/opslib", "`include /etc/nginx/opslib/*.conf;`"),
        ({"master": []}, "nginx does not run", "systemctl start nginx"),
    ],
)  # fmt: skip
def test_what_keeps_it_from_being_told(seen: dict[str, Any], what: str, next: str) -> None:
    with pytest.raises(OpsError) as raised:
        wrong({**GOOD, **seen}, SPEC, ("sudo", "-n", "nginx"), "h")
    assert what in raised.value.what
    assert next in str(raised.value.next)


def test_a_file_that_no_deploy_has_written_yet_is_no_fault() -> None:
    said = ['|nginx: [emerg] host not found in upstream "api" in /etc/nginx/nginx.conf:9', "|nginx: test failed"]
    broken = {**GOOD, "code": ["1"], "said": said, "dump": [], "master": []}
    wrong(broken, SPEC, ("nginx",), "h")
    wrong(GOOD, SPEC, ("nginx",), "h")
    with pytest.raises(OpsError, match="host not found"):
        wrong({**broken, "files": ["api"]}, SPEC, ("nginx",), "h")
    with pytest.raises(OpsError, match="host not found"):
        wrong({**broken, "said": [said[0].replace('"api"', '"other"')]}, SPEC, ("nginx",), "h")


def test_what_nginx_includes() -> None:
    main = "# configuration file /etc/nginx/nginx.conf:"
    assert included([main, "include opslib/*.conf;"], "/etc/nginx/opslib/")
    assert included([main, '  include "/etc/nginx/opslib/opslib-*.conf";'], "/etc/nginx/opslib")
    assert not included([main, "# include /etc/nginx/opslib/*.conf;"], "/etc/nginx/opslib")
    assert not included([main, "include /etc/nginx/opslibs/*.conf;"], "/etc/nginx/opslib")
