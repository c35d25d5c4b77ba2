"""Pins, what is recreated, ports, releases: decided without looking."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from opslib.compose.project import Port, parse_project
from opslib.compose.stack import Stack, parse_container
from opslib.deploy import pins, preflight
from opslib.deploy.changes import Changes, orphans, to_recreate
from opslib.deploy.env import EnvKeys
from opslib.deploy.history import behind
from opslib.deploy.logs import logs_command, unknown
from opslib.deploy.ps import rows
from opslib.deploy.render import pinned
from opslib.deploy.rollback import migrations_between
from opslib.errors import BadSettings, OpsError
from opslib.images.info import ImageInfo
from opslib.settings.model import Host
from opslib.state import releases
from opslib.state.releases import Pin, Release

CONFIG: dict[str, Any] = {
    "name": "p",
    "services": {"web": {"image": "web"}, "worker": {"image": "web"}, "db": {"image": "pg:15"}},
}
PROJECT = parse_project(CONFIG, root="/r")


def image(id: str) -> ImageInfo:
    return ImageInfo(id, (id,), id, 10, "amd64")


def release(**fields: Any) -> Release:
    given = {"id": "R1", "at": "t", "by": "me", "project": "p", "outcome": "good", **fields}
    return Release(**given)


LAST = release(
    images={"web": Pin("web", "w1", "web:opslib-R1"), "db": Pin("pg:15", "d1", "pg:opslib-R0")}, builds={"web": "key1"}
)
THERE = {"web:opslib-R1": image("w1"), "pg:opslib-R0": image("d1"), "pg:15": image("d1"), "web": image("other")}


def test_nothing_new_keeps_the_tags() -> None:
    found = pins.choose(PROJECT, THERE, LAST, {"web": "key1"}, {"web": "web"}, "R2")
    assert {name: pin.tag for name, pin in found.pins.items()} == {"web": "web:opslib-R1", "pg:15": "pg:opslib-R0"}
    assert not found.unknown


def test_a_build_is_needed() -> None:
    gone = {ref: one for ref, one in THERE.items() if ref != "web:opslib-R1"}
    for there, last, keys, again in (
        (THERE, LAST, {"web": "key2"}, False), (THERE, LAST, {"web": "key1"}, True),
        (THERE, None, {"web": "key1"}, False),
        (gone, LAST, {"web": "key1"}, False), (THERE, LAST, {"web": ""}, False),
    ):  # fmt: skip
        found = pins.choose(PROJECT, there, last, keys, {"web": "web"}, "R2", again=again)
        assert found.build == {"web": "web"}


def test_a_pulled_image_that_was_replaced_gets_a_new_tag() -> None:
    found = pins.choose(PROJECT, {**THERE, "pg:15": image("d2")}, LAST, {"web": "key1"}, {"web": "web"}, "R2")
    assert found.pins["pg:15"] == Pin("pg:15", "d2", "pg:opslib-R2", ("d2",))


def test_an_image_that_is_nowhere_is_fetched() -> None:
    found = pins.choose(PROJECT, {}, None, {"web": "k"}, {"web": "web"}, "R2")
    assert (found.fetch, found.unknown) == (("pg:15",), {"web", "pg:15"})


def container(service: str, state: str = "running", **more: Any) -> Any:
    return parse_container({
        "Id": more.get("id", service), "Name": f"/p-{service}-1", "Image": "w1",
        "Config": {"Image": more.get("image", "x"), "Labels": {
            "com.docker.compose.service": service, "com.docker.compose.config-hash": more.get("hash", "h")}},
        "State": {"Status": state, "ExitCode": more.get("code", 0), "Health": {"Status": more.get("health", "none")},
                  "StartedAt": "2026-11-22T10:00:00.5Z"},
        "HostConfig": {"RestartPolicy": {"Name": more.get("restart", "always")}},
    })  # fmt: skip


OLD = pinned(CONFIG, {"web": "web:1", "worker": "web:1", "db": "pg:1"}, {})
HASHED = msgspec.structs.replace(LAST, hashes={"web": "h", "worker": "h", "db": "h"})


def recreate(*containers: Any, new: Any = OLD, **options: Any) -> dict[str, list[str]]:
    return to_recreate(PROJECT, Stack("p", containers), new, OLD, HASHED, options.pop("unknown", ()), **options)


def test_what_runs_as_released_is_left_alone() -> None:
    assert recreate(container("web"), container("worker"), container("db")) == {}


@pytest.mark.parametrize(
    "seen, why",
    [
        (container("web", "exited", code=1), "it is exited"),
        (container("web", "exited"), "it is exited"),
        (container("web", health="unhealthy"), "it is unhealthy"),
        (container("web", hash="by hand"), "recreated by somebody else since"),
        (container("web", "paused"), "it is paused"),
        (None, "0 of 1 containers are there"),
    ],
)
def test_what_does_not_is_recreated(seen: Any, why: str) -> None:
    containers = [one for one in (seen, container("worker"), container("db")) if one is not None]
    assert recreate(*containers) == {"web": [why]}


def test_a_job_that_has_ended_well_is_left_alone() -> None:
    assert recreate(container("web", "exited", restart="no"), container("worker"), container("db")) == {}


def test_an_image_that_is_to_be_built() -> None:
    all_of_it = container("web"), container("worker"), container("db")
    assert set(recreate(*all_of_it, unknown={"web"})) == {"web", "worker"}
    assert set(recreate(*all_of_it, everything=True)) == {"web", "worker", "db"}


def test_orphans() -> None:
    assert [one.service for one in orphans(PROJECT, [container("web"), container("gone")])] == ["gone"]


def test_changes_say_names_only() -> None:
    found = Changes({"web": ["image", "environment A"]}, env=EnvKeys(("A",), (), ()), build={"web": 5}).as_json()
    assert found["recreate"] == {"web": "image; environment A"}
    assert found["env"] == {"added": ["A"], "changed": [], "removed": []}
    assert not Changes({})
    assert Changes({}, env=EnvKeys())


LISTENS = """# sockets
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0000
   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 4243 1 0000
  sl  local_address                         remote_address                        st tx_queue rx_queue tr
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 77 1 0
# containers
other-web-1 other 0.0.0.0:8081->80/tcp, :::8081->80/tcp
p-web-1 p 127.0.0.1:8082->80/tcp
alone  0.0.0.0:9000-9002->9000-9002/tcp
"""


@pytest.mark.parametrize(
    "ip, port, who",
    [
        ("", "8080", "4242"), ("127.0.0.1", "8080", "4242"), ("10.0.0.1", "8080", None), ("", "8081", "other-web-1"),
        ("", "8082", None), ("", "80", "77"), ("", "9001", "alone"), ("", "8083", None), ("", "", None),
        ("", "8000-8100", None),
    ],
)  # fmt: skip
def test_ports(ip: str, port: str, who: str | None) -> None:
    listeners = preflight.parse_listeners(LISTENS)
    found = preflight.conflict(Port(ip, port, 80, "tcp"), listeners, "p")
    assert (found.container or found.inode if found else None) == who


def test_a_full_disk() -> None:
    preflight.refuse_full_disk(10**9, 10**8, "h")
    with pytest.raises(OpsError, match=r"100 MB free.* about 1268 MB"):
        preflight.refuse_full_disk(10**8, 10**9, "h")


def many(*outcomes: str) -> list[Release]:
    return [release(id=f"R{at}", outcome=outcome, images={"web": Pin("web", f"i{at}", f"web:opslib-R{at}")})
            for at, outcome in enumerate(outcomes)]  # fmt: skip


def test_which_releases_go() -> None:
    known = many("good", "failed", "good", "failed", "good", "good", "failed")
    gone = releases.outdated(known, 2)
    assert [one.id for one in gone] == ["R0", "R1", "R2", "R3"]
    assert releases.unused_tags(gone, known[4:]) == [f"web:opslib-R{at}" for at in range(4)]
    carried = [msgspec.structs.replace(known[4], images=known[0].images)]
    assert "web:opslib-R0" not in releases.unused_tags(gone, carried)
    assert releases.outdated(many("good", "failed"), 5) == []
    assert releases.outdated(many("failed", "failed"), 1) == []


def test_which_backup_sets_releases_point_to() -> None:
    outcomes = ("good", "failed", "pending")
    known = [release(id=one, outcome=one, backup=f"set-{one}") for one in outcomes]
    assert releases.backups([*known, release(id="without", outcome="good")]) == {"set-good", "set-pending"}


def test_which_release_is_meant() -> None:
    known = many("good", "failed", "good")
    assert releases.current(known).id == "R2"  # type: ignore[union-attr]
    assert releases.previous(known, "h").id == "R0"
    assert releases.find(known, "R0", "h").id == "R0"
    for wanted, why in (("R1", "never ran well"), ("R", "may be"), ("x", "is no release"), ("", "is no release")):
        with pytest.raises(BadSettings, match=why):
            releases.find(known, wanted, "h")
    with pytest.raises(BadSettings, match="no earlier"):
        releases.previous(many("failed", "good"), "h")


def test_logs_commands() -> None:
    host = Host(name="h", path="/r", docker=("sudo", "-n", "docker"))
    assert logs_command(host, "p", "we b", follow=True, since="2d", tail=5).masked() == (
        "sudo -n docker compose --project-name p --ansi never logs --no-color --follow --since 48h --tail 5 -- 'we b'"
    )
    assert "did you mean 'worker'" in unknown("wroker", ["web", "worker"], "h").what


def test_ps() -> None:
    stack = Stack("p", (container("web", image="web:opslib-R1"), container("db", "exited", code=3, image="pg:15")))
    found = {row["service"]: row for row in rows(stack, HASHED, 1795341650.5 + 10)}
    assert (found["web"]["image"], found["web"]["release"], found["web"]["state"]) == ("web", "R1", "running")
    assert found["web"]["uptime"] is not None
    assert (found["db"]["state"], found["db"]["release"], found["db"]["uptime"]) == ("exited (3)", None, None)


def test_which_migrations_a_rollback_goes_over() -> None:
    moved, same, blind = ({"before": "a", "after": after} for after in ("b", "a", None))
    one = release(id="R1", revision="a")
    two = release(id="R2", revision="b", migration=moved)
    three = release(id="R3", revision="b", migration=same)
    back = release(id="R4", revision="b", restored="R1", rollback_of="R3")
    known = [one, two, three, back]

    def crossed(old: Release, current: Release) -> list[str]:
        return [found.id for found in migrations_between(known, old, current)]

    assert crossed(one, three) == ["R2"]
    assert crossed(two, three) == []
    assert crossed(three, back) == [], "forward again: the schema is already there"
    assert crossed(one, back) == ["R2"]
    unknown = [release(id=id, migration=blind if id == "R2" else None) for id in ("R1", "R2", "R3")]
    assert [found.id for found in migrations_between(unknown, unknown[0], unknown[2])] == ["R2"]
    failed = [one, release(id="R2", outcome="failed", migration=moved), release(id="R3")]
    assert migrations_between(failed, one, failed[2]) == []


def test_which_hosts_have_not_come_as_far_as_the_others() -> None:
    first, second = release(id="R1"), release(id="R2")
    failed = release(id="R2", outcome="failed")
    assert behind({"a": [first, second], "b": [first, failed]}) == {"b": "R2"}
    assert behind({"a": [first, failed], "b": [first, failed]}) == {}, "it failed everywhere"
    assert behind({"a": [first, second], "b": [release(id="R9")], "c": []}) == {}, "they went apart"
    assert behind({"a": [first, second, release(id="R3")], "b": [first, failed, release(id="R3")]}) == {}
