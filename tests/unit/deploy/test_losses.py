"""Which data services would lose sight of: decided purely."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from opslib.compose.project import Project, parse_project
from opslib.compose.stack import SeenVolume, Stack, parse_container
from opslib.deploy import look_losses, losses
from opslib.deploy.losses import Folder, Held, Loss
from opslib.errors import OpsError

UNNAMED = "ab" * 32
DATA = Held("db", "volume", "p_data", "/var/lib/data")
VOLUMES = {
    "p_data": SeenVolume("p_data", {"com.docker.compose.volume": "data"}, "local"),
    "p_other": SeenVolume("p_other", {}, "local"),
    UNNAMED: SeenVolume(UNNAMED, {}, "local"),
}


def project(**services: list[str]) -> Project:
    """Services with their mounts, as `KIND SOURCE TARGET`."""

    def mount(text: str) -> dict[str, Any]:
        kind, source, target = text.split(" ")
        return {"type": kind, "source": source, "target": target, "read_only": target.endswith(":ro")}

    entries = {name: {"image": "x", "volumes": [mount(one) for one in mounts]} for name, mounts in services.items()}
    keys = {one["source"]: None for entry in entries.values() for one in entry["volumes"] if one["type"] == "volume"}
    return parse_project({"name": "p", "services": entries, "volumes": {key: None for key in keys if key}}, root="/r")


def lost(held: Held, now: Project, **folders: Folder) -> list[Loss]:
    return losses.lost([held], now, VOLUMES, {f"/r/{name}": one for name, one in folders.items()}, ["/r/conf/a"])


@pytest.mark.parametrize(
    "now",
    [
        project(db=["volume data /var/lib/data"]),
        project(db=["volume data /var/lib/data/"]),
        project(postgres=["volume data /var/lib/data"]),
        project(db=[], copier=["volume data /somewhere"]),
    ],
)
def test_data_that_are_still_there(now: Project) -> None:
    assert lost(DATA, now) == []


@pytest.mark.parametrize(
    "now, words",
    [
        (project(db=["volume fresh /var/lib/data"]), "begin with a new, empty volume p_fresh in place of"),
        (project(db=["volume data /data"]), "would have, at /data,"),
        (project(db=[]), "no service would have"),
        (project(other=[]), "no service would have"),
        (project(db=["tmpfs  /var/lib/data"]), "begin with tmpfs, which is empty"),
        (project(db=["bind /r/data /var/lib/data"]), "begin with /r/data, which is empty"),
        (project(db=["volume fresh /var/lib/data"], copier=["volume data /copy"]), "new, empty volume p_fresh"),
    ],
)
def test_data_that_would_be_lost_sight_of(now: Project, words: str) -> None:
    (loss,) = lost(DATA, now)
    assert words in look_losses.said(loss)
    assert "p_data (now at /var/lib/data of db)" in look_losses.said(loss)
    assert not loss.meant


def test_other_data_that_are_there_already_are_meant() -> None:
    assert [one.meant for one in lost(DATA, project(db=["volume other /var/lib/data"]))] == [True]
    now = project(db=["bind /r/pg /var/lib/data"])
    assert [one.meant for one in lost(DATA, now, pg=Folder("/r/pg", "folder", ("x",)))] == [True]
    assert [one.meant for one in lost(DATA, now, pg=Folder("/r/pg", "folder"))] == [False]
    assert [one.meant for one in lost(DATA, now, pg=Folder("/r/pg", "none"))] == [False]


def test_a_volume_that_is_gone_is_nothing_to_lose() -> None:
    assert lost(Held("db", "volume", "p_gone", "/d"), project(db=[])) == []


def test_a_volume_without_a_name_is_handed_on_until_one_with_a_name_takes_its_place() -> None:
    one = Held("db", "volume", UNNAMED, "/data")
    assert lost(one, project(db=[])) == []
    assert lost(one, project(db=["volume  /data"])) == []
    assert len(lost(one, project(db=["volume fresh /data"]))) == 1
    assert len(lost(one, project(postgres=["volume  /data"]))) == 1


def test_folders() -> None:
    uploads = Held("web", "bind", "/r/uploads", "/srv/uploads")
    full = Folder("/r/uploads", "folder", ("photo",))
    assert lost(uploads, project(web=["bind /r/uploads /srv/uploads"]), uploads=full) == []
    assert lost(uploads, project(web=["bind /r /srv"]), uploads=full) == [], "it is in a folder that is mounted"
    assert len(lost(uploads, project(web=["bind /r /else"]), uploads=full)) == 1
    assert len(lost(uploads, project(web=["bind /r /srv/uploads"]), uploads=full)) == 1
    assert lost(uploads, project(web=[]), uploads=Folder("/r/uploads", "folder", (".gitkeep",))) == []
    assert lost(uploads, project(web=[]), uploads=Folder("/r/uploads", "none")) == []
    assert len(lost(uploads, project(web=[]), uploads=Folder("/r/uploads", "closed"))) == 1
    linked = project(web=["bind /r/link /srv/uploads"])
    assert lost(uploads, linked, uploads=full, link=Folder("/r/uploads", "folder", ("photo",))) == []


def test_files_of_the_project_are_no_data() -> None:
    folder, file = Held("web", "bind", "/r/conf", "/conf"), Held("web", "bind", "/r/conf/a", "/a")
    assert lost(folder, project(web=[]), conf=Folder("/r/conf", "folder", ("a",))) == []
    assert len(lost(folder, project(web=[]), conf=Folder("/r/conf", "folder", ("a", "written")))) == 1
    assert losses.lost([file], project(web=[]), {}, {"/r/conf/a": Folder("/r/conf/a", "file")}, ["/r/conf/a"]) == []
    assert lost(Held("web", "bind", "/var/run/docker.sock", "/x"), project(web=[])) == []


def container(service: str, *mounts: dict[str, Any], oneoff: str = "False") -> Any:
    return parse_container({
        "Id": service, "Name": service, "Image": "x", "State": {"Status": "running"}, "HostConfig": {},
        "Config": {"Labels": {"com.docker.compose.service": service, "com.docker.compose.oneoff": oneoff}},
        "Mounts": list(mounts),
    })  # fmt: skip


def test_what_is_held() -> None:
    volume = {"Type": "volume", "Name": "p_data", "Source": "/v", "Destination": "/d", "RW": True}
    read = {"Type": "bind", "Source": "/r/conf", "Destination": "/c", "RW": False}
    stack = Stack("p", (container("db", volume, read), container("db", volume), container("x", volume, oneoff="True")))
    released = project(db=["volume other /d"], web=["bind /r/uploads /u", "bind /r/conf /c:ro", "volume  /anonymous"])
    assert losses.held(stack, None) == [Held("db", "volume", "p_data", "/d")]
    assert losses.held(stack, released)[1:] == [Held("web", "bind", "/r/uploads", "/u")]


def test_refused_until_it_is_given_up_by_name() -> None:
    found = lost(DATA, project(db=["volume fresh /var/lib/data"]))
    with pytest.raises(OpsError, match="p_fresh in place of volume p_data") as error:
        look_losses.refuse(found, (), VOLUMES.values(), "h")
    assert "--orphan p_data (they stay" in (error.value.next or "")
    with pytest.raises(OpsError) as error:
        look_losses.refuse(found, ("p_fresh",), VOLUMES.values(), "h", was="old")
    assert "`project: old`" in (error.value.next or "")
    for name in ("p_data", "data", "db"):
        look_losses.refuse(found, (name,), VOLUMES.values(), "h")
    look_losses.refuse(lost(DATA, project(db=["volume other /var/lib/data"])), (), VOLUMES.values(), "h")


def test_volumes_that_somebody_has_removed() -> None:
    released = project(db=["volume data /d", "volume gone /g", "volume  /anonymous"], off=["volume never /n"])
    off = dataclasses.replace(released.services["off"], replicas=0)
    released = dataclasses.replace(released, services={**released.services, "off": off})
    found = losses.gone(released, released, VOLUMES)
    assert found == [Held("db", "volume", "p_gone", "/g")]
    assert losses.gone(released, project(db=["volume data /d"]), VOLUMES) == [], "nobody wants it any more"
    with pytest.raises(OpsError, match=r"gone: volume p_gone of db \(at /g\)") as error:
        look_losses.refuse_gone(found, (), "h")
    assert "inv restore --bare --file latest --host h" in (error.value.next or "")
    for name in ("p_gone", "db"):
        look_losses.refuse_gone(found, (name,), "h")
