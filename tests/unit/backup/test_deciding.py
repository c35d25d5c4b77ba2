"""What a backup makes of a volume or a folder, by what lies in it and what the host file says."""

from __future__ import annotations

from typing import Any

import pytest

from opslib.backup.deciding import Deciding
from opslib.backup.found import Decision, Found, Server, Wishes
from opslib.backup.scan import Inside, Place
from opslib.compose.stack import LABEL, SeenVolume, Stack
from opslib.settings.kinds import Files, Volume
from opslib.settings.model import Backup, Host
from tests.unit.backup.test_mounts import ANONYMOUS, ROOT, container

DATA, UNNAMED = Place("volume", "shop_data"), Place("volume", ANONYMOUS)
VOLUMES = (
    SeenVolume("shop_data", {f"{LABEL}volume": "data"}, "local", ("app",)),
    SeenVolume(ANONYMOUS, {}, "local", ("app",)),
)
UP, INNER = Place("bind", f"{ROOT}/up"), Place("bind", f"{ROOT}/up/a/b")
STACK = Stack("shop", (container("app", UP.source, INNER.source, volumes=("shop_data", ANONYMOUS)),), VOLUMES)
FULL = Inside("dir", 1, unreleased=True)
DO = "under `backup: exclude:`"


def deciding(**backup: Any) -> tuple[Deciding, Found]:
    found = Found()
    return Deciding(Wishes(Host(name="local", path=ROOT, backup=Backup(**backup)), STACK, ROOT), found), found


def of_volume(inside: Inside, place: Place = DATA, **backup: Any) -> tuple[Decision, Found]:
    """The last decision; it is about the volume."""
    decide, found = deciding(**backup)
    decide.volume(place, VOLUMES[place is UNNAMED], inside)
    assert found.decisions[-1].services == ("app",)
    return found.decisions[-1], found


@pytest.mark.parametrize(("inside", "empty"), [(FULL, False), (Inside("dir", 4096), True)])
def test_a_volume_is_copied_also_an_empty_one(inside: Inside, empty: bool) -> None:
    one, found = of_volume(inside)
    assert (one.what, one.becomes, one.empty, list(one.sources)) == ("volume data", "copied", empty, found.sources)


def test_sqlite_files_are_things_of_their_own() -> None:
    one, found = of_volume(Inside("dir", 1, sqlite=["a.db", "b/c.db"], unreleased=True))
    assert [each.what for each in found.decisions] == ["sqlite data/a.db", "sqlite data/b/c.db", "volume data"]
    assert [each.title for each in one.sources] == ["volume data"]
    assert [source for each in found.decisions for source in each.sources] == found.sources


def test_a_volume_without_a_name() -> None:
    what = "an unnamed volume of service app, at /012"
    one, found = of_volume(FULL, UNNAMED)
    assert (one.what, one.becomes, f"put 'app' {DO}" in one.do) == (what, "uncovered", True)
    assert [each.what for each in found.uncovered] == [what]
    one, found = of_volume(Inside("dir"), UNNAMED)
    assert (one.becomes, one.empty, found.sources, found.uncovered) == ("copied", True, [], [])
    one, _ = of_volume(FULL, UNNAMED, sources=(Volume(name=ANONYMOUS),))
    assert (one.becomes, len(one.sources)) == ("copied", 1)


def test_data_of_a_database_in_a_volume() -> None:
    """Of one of ours nothing else can be backed up meanwhile; what the host file names is copied as it is."""
    one, found = of_volume(Inside("dir", 1, marks={"redis"}, unreleased=True))
    assert (one.becomes, one.why, one.do) == ("refused", found.refused[0].what, found.refused[0].next)
    one, found = of_volume(Inside("dir", 1, marks={"kafka"}, unreleased=True))
    assert (one.what, one.becomes, found.refused) == ("volume data (kafka data)", "uncovered", [])
    assert f"put 'data' {DO}" in one.do
    assert of_volume(Inside("dir", 1, marks={"kafka"}), sources=(Volume(name="data"),))[0].becomes == "copied"


@pytest.mark.parametrize(
    ("inside", "becomes", "titles"),
    [
        (FULL, "copied", ["files up"]),
        (Inside("other"), "no data", []),
        (Inside("file", 1, sqlite=[""], unreleased=True), "copied", ["sqlite shop/up"]),
        (Inside("dir", 1, sqlite=["x.db"], unreleased=True), "copied", ["files up"]),
        (Inside("dir", 1, marks={"chroma"}), "uncovered", []),
    ],
)
def test_a_folder(inside: Inside, becomes: str, titles: list[str]) -> None:
    decide, found = deciding()
    decide.folder(UP, inside, empty=False)
    one = found.decisions[-1]
    assert (one.becomes, [each.title for each in one.sources], one.services) == (becomes, titles, ("app",))
    assert one.what.startswith("folder up")
    assert len(found.uncovered) == (becomes == "uncovered")


@pytest.mark.parametrize(
    ("exclude", "becomes"),
    [
        ((), "copied"),
        (("*.tmp",), "copied"),
        (("b",), "excluded"),
        (("a/",), "excluded"),
        (("b/",), "excluded"),
        (("up/a/b",), "excluded"),
    ],
)
def test_what_is_in_a_folder_and_mounted_again(exclude: tuple[str, ...], becomes: str) -> None:
    decide, found = deciding(sources=(Files(paths=("up",), exclude=exclude),))
    decide.folder(UP, FULL, empty=False)
    decide.part(INNER, UP)
    one = found.decisions[-1]
    assert (one.what, one.becomes) == ("folder up/a/b", becomes)
    assert one.sources == (found.decisions[0].sources if becomes == "copied" else ())


def test_data_of_a_server_are_what_becomes_of_it() -> None:
    decide, found = deciding(exclude=("data",))
    dumped = Decision("postgres db", ("db",), "copied")
    decide.served(DATA, Server("postgres", dumped))
    assert (found.decisions[-1].what, found.decisions[-1].becomes) == ("volume data", "copied"), "by its dump"
    decide.served(DATA, Server("postgres", Decision("postgres db", ("db",), "refused", why="no", do="do")))
    assert found.decisions[-1].becomes == "excluded"


def test_data_of_a_server_without_a_dump() -> None:
    decide, found = deciding()
    named = found.leave(("app",), "kafka in service app", "app", "opslib has no dump for it")
    decide.strange(DATA, Server("kafka", named), FULL)
    assert (found.decisions[-1].what, found.decisions[-1].becomes, found.decisions[-1].do) == (
        "volume data",
        "uncovered",
        named.do,
    )
    assert len(found.uncovered) == 1, "the server is named"
    decide.strange(DATA, Server("kafka", named), Inside("dir"))
    assert (found.decisions[-1].becomes, found.decisions[-1].empty) == ("copied", True)
    another = Server("kafka", Decision("kafka", ("app",), "uncovered"))  # the host file names another of its volumes
    for place, name in ((DATA, "data"), (UNNAMED, ANONYMOUS), (UP, UP.source)):
        decide.strange(place, another, FULL)
        assert found.uncovered[-1].what.endswith(" (of kafka in service app)")
        assert f"put {name!r} {DO}" in found.uncovered[-1].do
