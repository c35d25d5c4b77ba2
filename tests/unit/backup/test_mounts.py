"""What containers mount from the machine, and what of it is data."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.backup import mounts
from opslib.backup.found import Found, Wishes
from opslib.backup.scan import Place
from opslib.compose.stack import LABEL, Container, SeenVolume, Stack, parse_container
from opslib.settings.kinds import Files
from opslib.settings.model import Backup, Host

ROOT = "/srv/shop"
ANONYMOUS = "0123456789abcdef" * 4


def container(
    service: str, *binds: str, one_off: bool = False, volumes: tuple[str, ...] = (), memory: str = ""
) -> Container:
    """`binds` by their paths, `:ro` behind one that it may only read; all stand at the same path inside."""
    mounted: list[dict[str, Any]] = [
        {"Type": "bind", "Source": path, "Destination": path, "RW": not ro}
        for path, _, ro in (one.partition(":") for one in binds)
    ]
    mounted += [
        {"Type": "volume", "Name": one, "Source": "/v", "Destination": f"/{one[:3]}", "RW": True} for one in volumes
    ]
    mounted += [{"Type": "tmpfs", "Source": "", "Destination": memory, "RW": True}] if memory else []
    labels = {f"{LABEL}service": service, f"{LABEL}oneoff": str(one_off)}
    return parse_container({
        "Id": service, "Name": f"/{service}", "Image": "i", "State": {"Status": "running"}, "HostConfig": {},
        "Mounts": mounted, "Config": {"Labels": labels},
    })  # fmt: skip


def look(
    *containers: Container, ours: tuple[str, ...] = (), **backup: Any
) -> tuple[dict[str, bool], dict[str, str], dict[str, tuple[str, str]]]:
    """The folders that are data, what is inside one, and why the others are none."""
    stack, found = Stack("shop", containers), Found()
    wishes = Wishes(Host(name="local", path=ROOT, backup=Backup(**backup)), stack, ROOT)
    outer, inner = mounts.folders(stack, wishes, [Place("bind", one) for one in ours], found)
    return (
        {place.source: named for place, named in outer.items()},
        {place.source: above.source for place, above in inner.items()},
        {one.what: (one.becomes, one.why) for one in found.decisions},
    )


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc/localtime:ro", "it is the machine's own"),
        ("/var/run/docker.sock", "it is the machine's own"),
        ("/", "it is the machine's own"),
        (f"{ROOT}/nginx.conf:ro", "it is mounted read-only"),
        ("/data/media:ro", "it is mounted read-only"),
    ],
)
def test_what_is_no_data(path: str, said: str) -> None:
    outer, inner, others = look(container("web", path))
    name = path.removesuffix(":ro").removeprefix(f"{ROOT}/")
    assert (outer, inner, others) == ({}, {}, {f"folder {name}": ("no data", said)})


def test_what_containers_may_write_to_is_data() -> None:
    assert look(container("web", f"{ROOT}/up", "/data/x"))[0] == {f"{ROOT}/up": False, "/data/x": False}
    assert look(container("web", f"{ROOT}/up:ro"), container("app", f"{ROOT}/up"))[0] == {f"{ROOT}/up": False}


def test_what_the_host_file_names_is_data_whoever_mounts_it() -> None:
    named = (Files(paths=("conf", "up/")),)
    outer, _, others = look(container("web", f"{ROOT}/conf:ro"), sources=named)
    assert outer == {f"{ROOT}/conf": True, f"{ROOT}/up": True}
    assert others == {}


def test_what_is_mounted_beside_the_folder_that_it_is_in_is_a_part_of_that() -> None:
    outer, inner, others = look(container("app", f"{ROOT}/up"), container("web", f"{ROOT}/up/a:ro", f"{ROOT}/upper:ro"))
    assert (outer, inner) == ({f"{ROOT}/up": False}, {f"{ROOT}/up/a": f"{ROOT}/up"})
    assert list(others) == ["folder upper"]


def test_what_the_host_file_excludes() -> None:
    excluded = ("excluded", "the host file excludes it")
    assert look(container("app", f"{ROOT}/up"), exclude=("up/",))[2] == {"folder up": excluded}
    assert look(container("app", "/data/x"), exclude=("/data/x",))[2] == {"folder /data/x": excluded}
    assert look(container("app", f"{ROOT}/up"), exclude=("app",))[2] == {"folder up": excluded}
    two = look(container("app", f"{ROOT}/up"), container("old", f"{ROOT}/up"), exclude=("old",))
    assert two[0] == {f"{ROOT}/up": False}, "another service needs it"


def test_what_only_docker_compose_run_mounts() -> None:
    assert look(container("app", f"{ROOT}/up", one_off=True))[2] == {
        "folder up": ("no data", "only docker compose run mounts it")
    }


def test_an_engines_folder_is_told_of_elsewhere() -> None:
    assert look(container("db", "/tmp/pg"), ours=("/tmp/pg",))[2] == {}


def test_memory() -> None:
    assert look(container("app", memory="/cache"))[2] == {
        "memory at /cache": ("no data", "it is gone with the container")
    }


def test_titles() -> None:
    labels = {f"{LABEL}volume": "data"}
    volumes = (
        SeenVolume("shop_data", labels, "local"),
        SeenVolume(ANONYMOUS, {}, "local"),
        SeenVolume("outside", {}, "local"),
    )
    stack = Stack("shop", (container("app", volumes=("shop_data", ANONYMOUS)),), volumes)
    wishes = Wishes(Host(name="local", path=ROOT), stack, ROOT)
    places = [Place("volume", one.name) for one in volumes] + [
        Place("bind", one) for one in (f"{ROOT}/up", ROOT, "/data")
    ]
    assert [mounts.title(wishes, one) for one in places] == [
        "volume data", "an unnamed volume of service app, at /012", "volume outside", "folder up", "folder .", "folder /data",
    ]  # fmt: skip
    assert mounts.services(stack, places[1]) == ("app",)
    assert mounts.services(stack, places[2]) == ()


def test_an_engines_data_are_what_its_folder_is_in_and_what_is_in_it() -> None:
    db = container("db", "/var/lib/pg", "/var/lib/pg/data/wal", "/conf", memory="/var/lib/pg/data/x")
    assert {one.source for one in mounts.holding(db, "/var/lib/pg/data")} == {"/var/lib/pg", "/var/lib/pg/data/wal"}
