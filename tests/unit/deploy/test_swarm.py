"""A stack for Docker Swarm: what `docker stack deploy` is given, what is refused, and what one look at a Swarm says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opslib.compose import swarm
from opslib.compose.stack import STACK, Stack, parse_container
from opslib.deploy.changes import drifted_tasks
from opslib.deploy.swarm import look, render
from opslib.deploy.swarm.steps import stack_memo
from opslib.errors import BadSettings, OpsError
from opslib.migrate.job import job_form
from tests.unit.compose.seen import inspected

API: dict[str, Any] = {
    "image": "api:opslib-1",
    "build": {"context": "/srv/app"},
    "pull_policy": "never",
    "depends_on": {"db": {"condition": "service_healthy"}},
    "command": None,
    "environment": {"A": "1$", "B": None},
    "labels": {"opslib.files": "ab"},
    "ports": [{"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp"}, {"target": 9}],
    "networks": {"default": None, "back": {"aliases": ["x"], "priority": 3}},
    "volumes": [
        {"type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": "268435456"}},
        {"type": "bind", "source": "/srv/app/x", "target": "/x", "read_only": True, "bind": {"create_host_path": True}},
        {"type": "volume", "source": "data", "target": "/data", "volume": {}},
    ],
    "tmpfs": ["/tmp"],
    "extra_hosts": ["db=10.0.0.1"],
    "secrets": [{"source": "pw", "target": "/run/secrets/pw", "mode": "0440"}, {"source": "old", "mode": 292}],
    "healthcheck": {"test": ["CMD", "true"], "interval": "5s", "start_interval": "1s"},
    "privileged": True,
    "restart": "unless-stopped",
    "deploy": {"replicas": 2, "resources": {"limits": {"cpus": 0.5, "memory": "268435456"}},
               "update_config": {"order": "stop-first"}, "placement": {"constraints": ["node.role == manager"]}},
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "name": "p",
    "services": {"api": API},
    "networks": {"default": {"name": "p_default", "ipam": {}}},
    "volumes": {"data": {"name": "p_data"}},
    "secrets": {"pw": {"name": "p_pw", "environment": "PW"}, "old": {"name": "theirs", "external": True}},
    "x-mine": 1,
}


def changed(**keys: Any) -> dict[str, Any]:
    """The service in another form."""
    return {**CONFIG, "services": {"api": {**API, **keys}}}


def test_the_form_is_that_of_the_older_schema() -> None:
    found = render.swarm_form(render.versioned(CONFIG, {("secrets", "pw"): b"s3cret"}), "/srv/app")
    assert set(found) == {"version", "services", "networks", "volumes", "secrets"}
    assert found["secrets"] == {
        "pw": {"name": "p_pw_1ec1c26b", "external": True}, "old": {"name": "theirs", "external": True},
    }  # fmt: skip
    api = found["services"]["api"]
    assert not {"build", "pull_policy", "depends_on", "command", "privileged", "restart", "tmpfs"} & set(api)
    assert api["environment"] == {"A": "1$"}
    assert api["labels"]["com.docker.compose.project.working_dir"] == "/srv/app"
    assert api["ports"] == [
        {"target": 80, "protocol": "tcp", "published": 8080, "mode": "ingress"},
        {"target": 9, "protocol": "tcp", "mode": "ingress"},
    ]
    assert api["networks"] == {"default": None, "back": {"aliases": ["x"]}}
    assert api["volumes"] == [
        {"type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": 268435456}},
        {"type": "bind", "source": "/srv/app/x", "target": "/x", "read_only": True},
        {"type": "volume", "source": "data", "target": "/data"},
        {"type": "tmpfs", "target": "/tmp"},
    ]
    assert api["extra_hosts"] == ["db:10.0.0.1"]
    assert [one["mode"] for one in api["secrets"]] == [0o440, 292]
    assert api["healthcheck"] == {"test": ["CMD", "true"], "interval": "5s"}
    assert api["deploy"]["resources"] == {"limits": {"cpus": "0.5", "memory": "268435456"}}
    assert "restart_policy" not in api["deploy"]


@pytest.mark.parametrize(("restart", "condition"), [("no", "none"), ("on-failure:3", "on-failure")])
def test_a_service_that_is_meant_to_end_is_not_started_again(restart: str, condition: str) -> None:
    deploy = render.swarm_form(changed(restart=restart), "/srv")["services"]["api"]["deploy"]
    assert deploy["restart_policy"] == {"condition": condition}


def test_what_a_swarm_has_no_use_for_is_named() -> None:
    assert render.ignored(CONFIG) == {"api": ["healthcheck.start_interval", "privileged"]}
    assert render.ignored(changed(privileged=False, healthcheck=None, tmpfs=["/tmp:size=1m"])) == {
        "api": ["tmpfs /tmp:size=1m"]
    }


def test_another_content_is_another_secret() -> None:
    names = [render.names(render.versioned(CONFIG, {("secrets", "pw"): text}))["secrets"] for text in (b"a", b"b")]
    assert names[0] != names[1]
    assert names[0] & names[1] == {"theirs"}
    long = {"secrets": {"k": {"name": "n" * 80, "file": "/x"}}}
    assert len(render.versioned(long, {("secrets", "k"): b"a"})["secrets"]["k"]["name"]) == render.LONGEST
    assert CONFIG["secrets"]["pw"]["name"] == "p_pw", "what was given stays as it is"


START = {"update_config": {"order": "start-first"}}


@pytest.mark.parametrize(
    ("keys", "single", "said"),
    [
        ({"ports": [{"target": 80, "published": "80", "host_ip": "127.0.0.1"}]}, (), "publishes 127.0.0.1:80"),
        ({"deploy": START}, (), "writes to data"),
        ({"deploy": START, "volumes": []}, ("api",), "there is only one"),
        ({"volumes": [{"type": "volume", "target": "/d", "volume": {"subpath": "a"}}]}, (), "mounts /d"),
        ({"volumes": [{"type": "npipe", "target": "/d"}]}, (), "mounts /d"),
    ],
)
def test_what_would_go_another_way_than_the_files_say_is_refused(
    keys: dict[str, Any], single: tuple[str, ...], said: str
) -> None:
    with pytest.raises(BadSettings, match=said):
        render.refuse(changed(**keys), single, "prod")


def test_new_tasks_come_first_where_nothing_is_written() -> None:
    render.refuse(changed(deploy=START, volumes=[{"type": "volume", "target": "/d", "read_only": True}]), (), "prod")
    render.refuse(CONFIG, (), "prod")


# -- one look at a Swarm

SPEC = {
    "Name": "p_api",
    "TaskTemplate": {"ContainerSpec": {"Image": "api:opslib-1"}},
    "Mode": {"Replicated": {"Replicas": 2}},
    "UpdateConfig": {"Monitor": 15_000_000_000, "Delay": 1_000_000_000},
}
SEEN = {"ID": "a1", "Version": {"Index": 7}, "Spec": SPEC, "UpdateStatus": {"State": "completed", "StartedAt": "t"},
        "Endpoint": {"Ports": [{"PublishedPort": 80, "Protocol": "tcp"}]}}  # fmt: skip


def task(name: str, state: str, wanted: str = "Running", error: str = "") -> str:
    return json.dumps({"ID": name[-1], "Name": name, "Node": "one", "DesiredState": wanted, "Error": error,
                       "CurrentState": f"{state} 3 seconds ago"})  # fmt: skip


def seen(*tasks: str, service: dict[str, Any] = SEEN, count: str = "1/2", name: str = "api") -> swarm.Service:
    text = "\n".join([
        "# info", '["active",true,false]', "# nodes", '{"Hostname":"one"}', "# services", json.dumps(service),
        "# counts", json.dumps({"ID": "a", "Name": "p_api", "Replicas": count}), "# tasks", *tasks, "# secrets", " p_pw", "# configs",
    ])  # fmt: skip
    found = swarm.parse("p", text)
    assert (found.state, found.manager, found.nodes, found.secrets) == ("active", True, ("one",), {"p_pw"})
    return found.services[name]


def test_tasks_of_the_present_version_that_run_are_counted() -> None:
    one = seen(
        task("p_api.1", "Running"), task("p_api.2", "Starting"), task("\\_ p_api.2", "Failed", "Shutdown", '"exit 1"')
    )
    assert (one.good, one.wanted, one.update, one.monitor) == (1, 2, "completed", 16.0)
    assert one.ports == {(80, "tcp")}
    assert [(task.name, task.state, task.error) for task in one.tasks][2] == ("p_api.2", "failed", "exit 1")
    assert seen(task("p_api.1", "Running", "Shutdown")).good == 0, "it is on its way out"
    assert drifted_tasks(one, None) == ["1 of 2 tasks are there"]
    assert drifted_tasks(None, None) == ["it is not in the Swarm"]


def test_a_service_that_somebody_changed_is_told_from_one_that_is_as_it_was() -> None:
    tasks = [task("p_api.1", "Running"), task("p_api.2", "Running")]
    one = seen(*tasks)
    other = seen(*tasks, service={**SEEN, "Spec": {**SPEC, "Labels": {"x": "y"}}})
    assert drifted_tasks(one, one.digest) == []
    assert drifted_tasks(one, None) == [], "nobody knows how it was"
    assert drifted_tasks(other, one.digest) == ["changed by somebody else since"]


def test_of_a_job_those_that_have_completed_are_counted() -> None:
    job = {**SEEN, "Spec": {**SPEC, "Mode": {"ReplicatedJob": {"TotalCompletions": 1}}}}
    one = seen(task("p_api.1", "Complete", "Complete"), service=job, count="0/1 (1/1 completed)")
    assert (one.job, one.good, one.wanted) == (True, 1, 1)


def test_a_task_is_found_by_the_labels_of_the_swarm() -> None:
    labels = {STACK: "p", "com.docker.swarm.service.name": "p_api", "com.docker.swarm.task.id": "x7",
              "com.docker.swarm.task.name": "p_api.2.x7"}  # fmt: skip
    container = parse_container(inspected(config={"Labels": labels}))
    assert (container.service, container.number, container.task, container.one_off) == ("api", 2, "x7", False)


@pytest.mark.parametrize(("strategy", "labels", "said"), [
    ("swarm", {"com.docker.compose.service": "api"}, "containers of Docker Compose"),
    ("rolling", {STACK: "p", "com.docker.swarm.service.name": "p_api", "com.docker.swarm.task.id": "x"}, "a Swarm"),
])  # fmt: skip
def test_compose_and_a_swarm_do_not_run_the_same_project(strategy: str, labels: dict[str, str], said: str) -> None:
    stack = Stack("p", (parse_container(inspected(config={"Labels": labels})),))
    with pytest.raises(OpsError, match=said):
        look.refuse_other_way(strategy, stack, "prod")
    look.refuse_other_way("rolling" if strategy == "swarm" else "swarm", stack, "prod")


# -- what is done


def test_the_plan_says_what_stops() -> None:
    before = {"project": "p", "versions": {"p_api": 3}}
    one = {**API, "deploy": {"update_config": {"order": "stop-first", "failure_action": "rollback"}}}
    memo = stack_memo(before, {"services": {"api": one, "new": one}}, {"api": ["image"], "new": ["new"]}, ["old"])
    assert memo is not None
    assert memo["stops"] == ["api"], "what is new served nobody before"
    assert memo["how"]["api"] == "api (image): stop-first, 1 at a time, rollback where it fails"
    assert stack_memo(before, CONFIG, {"api": ["image"]}, [])["stops"] == [], "there are two"  # type: ignore[index]
    assert stack_memo(before, CONFIG, {}, []) is None


def test_a_migration_is_a_job_of_the_same_stack_that_publishes_nothing() -> None:
    stack = render.swarm_form(CONFIG, "/srv")
    job = job_form(stack, "api", "migrate-1", ("sh", "-c", "echo $HOME"))
    assert set(job["services"]) == {"migrate-1"}
    entry = job["services"]["migrate-1"]
    assert entry["command"] == ["sh", "-c", "echo $$HOME"]
    assert entry["deploy"]["mode"] == "replicated-job"
    assert entry["deploy"]["placement"] == {"constraints": ["node.role == manager"]}
    assert entry["secrets"] == stack["services"]["api"]["secrets"]
    assert not {"ports", "healthcheck"} & set(entry)
    assert "update_config" not in entry["deploy"]
