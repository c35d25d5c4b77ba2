"""The order in which services start and stop, and the commands for it."""

from __future__ import annotations

from opslib.compose.project import Project, Service
from opslib.compose.services import (
    compose_errors,
    in_order,
    remove_created_command,
    start_command,
    start_order,
    stop_command,
    up_command,
)
from opslib.settings.model import Host

from .seen import container

HOST = Host(name="p", path="x")
NEEDS = {"web": ["api"], "api": ["db", "cache"], "worker": ["db"], "db": [], "cache": []}
PROJECT = Project(
    "shop",
    {name: Service(name, "x", depends_on=dict.fromkeys(on, "service_healthy")) for name, on in NEEDS.items()},
    root="/srv/app",
    files=("a.yml",),
)


def test_start_order() -> None:
    assert start_order(PROJECT) == [("cache", "db"), ("api", "worker"), ("web",)]


def test_containers_in_order_unknown_services_first() -> None:
    steps = in_order(PROJECT, [container(name) for name in ("web", "gone", "db", "worker", "cache")])
    assert [[c.service for c in step] for step in steps] == [["gone"], ["db", "cache"], ["worker"], ["web"]]


def test_stop_gives_each_container_its_time() -> None:
    steps = [[container("web")], [container("db", config={"StopTimeout": 60}), container("cache")]]
    cmd = stop_command(HOST, steps)
    assert cmd.stages[0].argv[2].endswith('for ids in "$@"; do docker stop $ids >/dev/null || exit; done')
    assert cmd.stages[0].argv[3:] == ("opslib", "1", "docker", "id-web", "id-db id-cache")
    assert cmd.limit == 10 + 30 + 60 + 30


def test_start_and_removal_of_what_a_killed_up_left() -> None:
    assert start_command(HOST, [container("a"), container("b")]).stages[0].argv[3:] == (
        "opslib", "1", "docker", "id-a id-b",
    )  # fmt: skip
    created = remove_created_command(HOST, "shop").stages[0].argv
    assert created[3:] == ("opslib", "1", "docker", "shop")
    assert "--filter status=created" in created[2]
    assert "-v" not in created[2].split()


def test_up_never_builds() -> None:
    base = "docker compose --project-name shop --project-directory /srv/app --file /srv/app/a.yml --ansi never up"
    assert up_command(HOST, PROJECT).masked() == f"{base} --detach --no-build --"
    assert (
        up_command(HOST, PROJECT, ["web"], recreate=True, dependencies=False, orphans=True).masked()
        == f"{base} --detach --no-build --force-recreate --no-deps --remove-orphans -- web"
    )
    assert (
        up_command(HOST, PROJECT, ["web"], dependencies=False, beside=5).masked()
        == f"{base} --detach --no-build --no-recreate --scale web=5 --no-deps -- web"
    )


def test_what_compose_said_without_its_progress() -> None:
    said = 'time="x" level=warning\n Container a-1  Running\n Network x  Created\nservice "init" failed: exit 3'
    assert compose_errors(said) == ['service "init" failed: exit 3']
    assert compose_errors(" Container a-1  Error") == ["Container a-1  Error"]
