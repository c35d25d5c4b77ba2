"""One look at the engine, read into a Stack; volumes that would be made anew although their data are there."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from opslib.compose.project import Port, Project, Volume
from opslib.compose.recognise import choose, normalised, parse_found, recognise_project
from opslib.compose.stack import Stack, parse_stack
from opslib.compose.volumes import orphaned_volumes
from opslib.errors import BadSettings
from opslib.settings.model import Host

from .seen import container, inspected


def volume(name: str, project: str = "", key: str = "") -> str:
    labels = {"com.docker.compose.project": project, "com.docker.compose.volume": key} if project else None
    return json.dumps({"Name": name, "Labels": labels, "Driver": "local"})


def look(*volumes: str, users: list[list[str]] | None = None, first: str = "") -> Stack:
    seen = [inspected("db"), inspected("api", labels={"com.docker.compose.container-number": "2"}, id="two"),
            inspected("api"), inspected("api", labels={"com.docker.compose.oneoff": "True"}, id="once")]  # fmt: skip
    lines = [first, "# begin", "# containers", *map(json.dumps, seen), "# volumes", *volumes]
    lines += ["# networks", json.dumps("shop_default"), "# users", *(json.dumps([*user, ""]) for user in users or [])]
    lines += [json.dumps(["ours", "shop_data", "", "", "1"])]  # a tools container, which comes and goes
    return parse_stack("shop", "\n".join(lines))


def test_a_container() -> None:
    seen = container()
    assert (seen.name, seen.service, seen.state, seen.health) == ("shop-api-1", "api", "running", "")
    assert seen.env == {"TOKEN": "hunter2", "A": "b=c"}
    assert "hunter2" not in repr(seen)
    assert seen.ports == (Port("0.0.0.0", "8080", 80, "tcp"),)
    assert seen.networks == {"shop_default": "172.18.0.2"}
    assert [(m.type, m.name, m.destination, m.read_only) for m in seen.mounts] == [
        ("volume", "shop_data", "/data", False), ("bind", "", "/x", True),
    ]  # fmt: skip
    assert (seen.config_hash, seen.working_dir, seen.stop_timeout, seen.running) == ("abc", "/srv/app", 10, True)
    assert container(config={"StopTimeout": 0}).stop_timeout == 0
    assert container(state={"Health": {"Status": "healthy", "Log": []}}).health == "healthy"


def test_services_are_counted_without_one_off_containers() -> None:
    stack = look()
    assert [c.id for c in stack.service("api")] == ["id-api", "two"]
    assert len(stack.running) == 4
    assert stack.networks == ("shop_default",)


def test_volumes_and_who_mounts_them() -> None:
    users = [["id-api", "shop_data,/srv/x", "shop", "/srv/app"], ["other", "shop_data", "", ""]]
    stack = look(volume("shop_data", "shop", "data"), volume("other_x", "other", "x"), users=users)
    assert [one.name for one in stack.volumes] == ["shop_data"]
    found = stack.volume("shop_data")
    assert found is not None
    assert (found.mounted_by, found.owners, found.key) == (("id-api", "other"), {"/srv/app"}, "data")
    assert len(stack.all_volumes) == 2
    assert stack.volume("nowhere") is None
    assert stack.folders == {"shop": {"/srv/app"}}


def test_the_second_attempt_counts() -> None:
    cut_off = "# begin\n# containers\n" + json.dumps(inspected("gone"))
    assert {c.service for c in look(first=cut_off).containers} == {"api", "db"}


PROJECT = Project("survey", {}, {"data": Volume("data", "survey_data")}, root="/srv/survey")


@pytest.mark.parametrize(
    "volumes, users, found",
    [
        ([volume("app_data", "app", "data")], [], ["app_data"]),  # nothing mounts it: it was left behind
        ([volume("app_data")], [], ["app_data"]),  # made by hand: only the suffix tells
        ([volume("app_data", "app", "data")], [["i", "app_data", "app", "/srv/survey"]], ["app_data"]),  # our folder
        ([volume("app_data", "app", "data")], [["i", "app_data", "app", "/srv/other"]], []),  # another app's
        ([volume("app_data", "app", "data")], [["i", "", "app", "/srv/other"]], []),  # the same, not mounted now
        ([volume("survey_data"), volume("app_data", "app", "data")], [], []),  # not new
        ([volume("app_my_data", "app", "my_data")], [], []),  # another key
        ([volume("metadata")], [], []),
    ],
)
def test_orphaned_volumes(volumes: list[str], users: list[list[str]], found: list[str]) -> None:
    stack = look(*volumes, users=users)
    assert orphaned_volumes(PROJECT, stack, stack.all_volumes) == [("survey_data", name) for name in found]


def test_an_external_volume_is_never_made() -> None:
    project = replace(PROJECT, volumes={"data": Volume("data", "survey_data", external=True)})
    stack = look(volume("app_data", "app", "data"))
    assert orphaned_volumes(project, stack, stack.all_volumes) == []


def found_text(*rows: tuple[str, str, str], link: str = "") -> str:
    lines = ["# containers"]
    lines += [json.dumps([state, name, folder, f"{folder}/docker-compose.yml"]) for state, name, folder in rows]
    lines += ["# folders", *(f" {folder}\n {link or folder}" for folder in sorted({row[2] for row in rows}))]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "rows, named, name",
    [
        ([], None, "survey"),
        ([], "shop", "shop"),
        ([("running", "app", "/srv/survey")], None, "app"),
        ([("running", "app", "/srv/survey")], "shop", "app"),
        ([("exited", "app", "/srv/survey")], None, "app"),
        ([("exited", "old", "/srv/survey"), ("running", "app", "/srv/survey")], None, "app"),
        ([("running", "app", "/srv/elsewhere")], None, "survey"),
        ([("running", "app", "/srv/survey/deploy")], None, "app"),  # its compose file is in a folder of ours
        ([("running", "app", "/srv/survey2")], None, "survey"),
        ([("running", "app", "/srv/survey"), ("running", "survey", "/srv/survey")], None, "survey"),
    ],
)
def test_the_project_is_what_runs_from_the_folder(
    rows: list[tuple[str, str, str]], named: str | None, name: str
) -> None:
    assert choose(parse_found(found_text(*rows)), "/srv/survey", named) == name


def test_a_folder_is_found_through_a_link() -> None:
    assert choose(parse_found(found_text(("running", "app", "/link"), link="/srv/survey")), "/srv/survey") == "app"


def test_several_projects_from_one_folder_are_a_question() -> None:
    rows = [("running", "a", "/srv/survey"), ("running", "b", "/srv/survey")]
    with pytest.raises(BadSettings, match="a, b") as caught:
        choose(parse_found(found_text(*rows)), "/srv/survey")
    assert "project:" in (caught.value.next or "")


def test_a_folder_whose_name_makes_none_is_an_error() -> None:
    with pytest.raises(BadSettings, match="project name"):
        choose({}, "/srv/---")


def test_the_host_file_comes_first_without_a_look() -> None:
    host = Host(name="p", path="x", project="chosen")
    assert recognise_project(None, host) == "chosen"  # type: ignore[arg-type]


@pytest.mark.parametrize("folder, name", [("My App.v2", "myappv2"), ("_x-Y_z", "x-y_z"), ("Ünï", "n"), ("…", "")])
def test_normalised_as_compose_does(folder: str, name: str) -> None:
    assert normalised(folder) == name
