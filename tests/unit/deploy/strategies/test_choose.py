"""Which services are doubled, and why the others are not: decided without looking."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.compose.project import parse_project
from opslib.compose.stack import Stack, parse_container
from opslib.deploy.strategies.choose import alone, divided, held
from opslib.deploy.strategies.steps import _needs, early, gap, show, stop_first
from opslib.settings.model import Deploy, Proxy
from opslib.state.releases import Release

PROXY = Proxy(service="nginx", folder="nginx/up", upstreams={"api": 80})
SPEC = Deploy(strategy="rolling", proxy=PROXY, single=("beat",))


def container(service: str, state: str = "running", **more: Any) -> Any:
    return parse_container({
        "Id": f"id-{service}", "Name": f"/p-{service}-1", "Image": "i",
        "Config": {"Labels": {"com.docker.compose.service": service}, "StopTimeout": more.get("stops")},
        "State": {"Status": state}, "HostConfig": {}, "Mounts": more.get("mounts", []),
        "NetworkSettings": {"Ports": more.get("ports", {})},
    })  # fmt: skip


def why(entry: dict[str, Any], seen: Any = None, name: str = "api", words: Any = (), **others: Any) -> str | None:
    config = {"name": "p", "services": {name: {"image": "i", **entry}, **others},
              "networks": {"default": {}}}  # fmt: skip
    project = parse_project(config, root="/r")
    return alone(name, project, config, Stack("p", (seen or container(name),)), SPEC, words)


def test_what_can_be_doubled() -> None:
    assert why({}) is None
    assert why({"deploy": {"replicas": 3}, "tmpfs": ["/tmp"], "ports": [{"target": 80}]}) is None
    read_only = [{"type": "bind", "source": "/r/conf", "target": "/conf", "read_only": True},
                 {"type": "volume", "source": "data", "target": "/data", "read_only": True},
                 {"type": "tmpfs", "target": "/cache"}]  # fmt: skip
    assert why({"volumes": read_only, "networks": {"default": None}}) is None


def test_a_range_of_ports_has_room_for_old_and_new() -> None:
    ports = [{"target": 80, "published": "8080-8081"}]
    assert why({"ports": ports}) is None
    assert why({"ports": ports, "deploy": {"replicas": 2}}) == "it publishes port 8080-8081"
    assert why({"ports": [*ports, {"target": 81, "published": "90"}]}) == "it publishes port 90"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"ports": [{"target": 80, "published": "8080"}]}, "it publishes port 8080"),
        ({"container_name": "api"}, "its container has a fixed name"),
        ({"volumes": [{"type": "volume", "source": "data", "target": "/data"}]}, "it writes to data"),
        ({"volumes": [{"type": "bind", "source": "/r/up", "target": "/up"}]}, "it writes to /r/up"),
        ({"network_mode": "host"}, "its network_mode is host"),
        ({"network_mode": "service:vpn"}, "its network_mode is service:vpn"),
        ({"pid": "host"}, "its pid is host"),
        ({"volumes_from": ["db"]}, "it uses the volumes of another service"),
        ({"networks": {"default": {"ipv4_address": "172.30.0.9"}}}, "its address is fixed"),
        ({"deploy": {"replicas": 0}}, "it is no service that stays"),
    ],
)
def test_what_cannot(entry: dict[str, Any], reason: str) -> None:
    assert why(entry) == reason


def test_what_others_and_the_engine_say() -> None:
    assert why({}, container("api", "exited")) == "it does not run"
    assert why({}, words=["image", "networks"]) == "its networks change"
    assert why({}, name="beat") == "the host file says that there is only one"
    needs = {"image": "i", "depends_on": {"api": {"condition": "service_completed_successfully"}}}
    assert why({}, web=needs) == "it is no service that stays"
    assert why({}, side={"image": "i", "network_mode": "service:api"}) == "side shares its network or processes"
    assert why({}, side={"image": "i", "volumes_from": ["api:ro"]}) == "side uses its volumes"
    anonymous = [{"Type": "volume", "Name": "f00", "Destination": "/data", "RW": True}]
    assert why({}, container("api", mounts=anonymous)) == "it has data in /data"


def test_the_proxy_stays_where_only_what_it_asks_for_is_new() -> None:
    recreate = {"api": ["image"], "db": ["image"], "nginx": ["depends on api"]}
    reasons = {"api": None, "db": "it is a database", "nginx": "it publishes port 80"}
    found = divided(recreate, reasons, SPEC)
    assert (list(found.doubled), found.stopped, found.left) == (["api"], {"db": "it is a database"}, ("nginx",))
    assert found.as_json("rolling")["services"]["db"] == {"how": "stop first", "why": "it is a database"}
    for words in (["depends on api", "image"], ["depends on db"]):
        assert "nginx" in divided({**recreate, "nginx": words}, reasons, SPEC).stopped
    assert "nginx" in divided(recreate, reasons, Deploy(strategy="rolling")).stopped


def test_what_is_no_longer_wanted_goes_last_where_the_old_version_may_ask_for_it() -> None:
    plain, ported = container("old"), container("front", ports={"80/tcp": [{"HostIp": "", "HostPort": "80"}]})
    doubled, nothing = divided({"api": ["image"]}, {"api": None}, SPEC), divided({}, {}, SPEC)
    assert early([plain, ported], doubled) == [ported]
    assert early([plain, ported], nothing) == [plain, ported]


def test_what_a_plan_says() -> None:
    ways = divided({"db": ["image"]}, {"db": "it is a database"}, SPEC)
    assert stop_first(ways, "db", ["image"]) == "recreate db (image), the old one stops first: it is a database"
    stack = Stack("p", (container("db", stops=60),))
    last = Release(id="1", at="", by="", project="p", strategy="rolling", gap=4.2)
    assert gap("rolling", stack, ["db"], last) == "; the last switch took 4 s"
    for strategy, known in (("rolling", None), ("recreate", None), ("recreate", last)):
        assert "takes 60 s at most" in gap(strategy, stack, ["db"], known), "that of another strategy tells nothing"
    assert gap("recreate", stack, ["new"], None) == "", "what does not run answers nobody"


def test_what_is_waited_for_before_anything_is_doubled() -> None:
    services = {"db": {}, "api": {"depends_on": {"db": {}}}, "new": {"depends_on": {"api": {}}}}
    project = parse_project({"name": "p", "services": {name: {"image": "i", **one} for name, one in services.items()}})
    assert (_needs(project, "new"), _needs(project, "db")) == ({"api", "db"}, set())


def test_what_the_plan_says_of_services_that_no_proxy_is_told_of() -> None:
    memo: dict[str, Any] = {
        "roll": {"proxy": {"name": "nginx"}, "old": {"api": ["1"], "job": ["2"]}, "at once": False}, "hold": 0, "canary": None, "why": {"api": ["image"], "job": ["image"]},
            "new": {"api": 2, "job": 1}, "by name": ["job"], "remove": ["old"]}  # fmt: skip
    assert show(
        memo | {"roll": {**memo["roll"], "at once": True}, "hold": 600.0, "by name": [], "remove": []}
    ).endswith("nginx is told of all at once, the old ones behind it stay for 600 s")
    assert show(memo) == (
        "api (image): 2 beside 1, job (image): 1 beside 1, no proxy is told of job: Docker's name server gives a new "
        "container from its start, before it is healthy, nginx is told, remove old"
    )


def held_in(spec: Deploy, *running: str, **depends: list[str]) -> dict[str, str | None]:
    """The front cannot be doubled; nothing else would stand in the way of the rest."""
    services = {name: {"image": "i", "depends_on": {on: {"condition": "service_started"} for on in on_what}}
                for name, on_what in depends.items()}  # fmt: skip
    project = parse_project({"name": "p", "services": services})
    why = {name: "it publishes port 80" if name in ("nginx", "front") else None for name in services}
    recreate = [name for name in services if why[name] is None]
    return held(recreate, why, project, Stack("p", tuple(container(name) for name in running)), spec)


def test_what_a_service_that_stops_or_is_told_nothing_holds_on_to_is_not_doubled() -> None:
    everything = held_in(SPEC, "front", "mid", "api", front=["mid"], mid=["api"], api=[], other=[])
    assert everything["mid"] == "front, which stops too or is told nothing, depends on it"
    assert everything["api"] == "mid, which stops too or is told nothing, depends on it"
    assert everything["other"] is None
    assert held_in(SPEC, "nginx", nginx=["api"], api=[])["api"] is None, "the proxy is told"
    assert held_in(SPEC, "nginx", nginx=["web"], web=[])["web"] is not None, "and not of this one"
    assert held_in(Deploy(strategy="rolling"), "nginx", nginx=["api"], api=[])["api"] is not None
    assert held_in(SPEC, "api", front=["api"], api=[])["api"] is None, "it does not run yet"
