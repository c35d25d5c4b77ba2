"""Compose on real engines, here and over SSH: what files want, what runs, health, stop, start and `up`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opslib.command import command
from opslib.compose.checks import Check, CommandCheck, HttpCheck, TcpCheck
from opslib.compose.engine import look_at_engine
from opslib.compose.health import wait_healthy
from opslib.compose.project import Project
from opslib.compose.recognise import find_projects, recognise_project
from opslib.compose.services import start, stop, up
from opslib.compose.stack import Stack, look
from opslib.compose.verdict import unix
from opslib.compose.volumes import orphaned_volumes
from opslib.compose.wanted import wanted
from opslib.errors import BadSettings, DockerNotAllowed, NoDocker, OpsError
from opslib.settings.model import Host
from opslib.settings.units import Address
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.docker import docker
from opslib.target.transfer import put_bytes
from tests.conftest import Place

pytestmark = pytest.mark.lab

# web waits for base to be healthy and for init to complete; its log and its environment hold a password.
STACK = """
services:
  web:
    image: ${IMAGES}nginx:1
    restart: unless-stopped
    environment: {DB_PASSWORD: "pa$$s w0rd"}
    depends_on: {init: {condition: service_completed_successfully}, base: {condition: service_healthy}}
  init: {image: "${IMAGES}busybox:1", command: [sh, -c, "echo preparing; exit ${CODE:-0}"], restart: "no"}
  base:
    image: ${IMAGES}busybox:1
    command: [sh, -c, "exec sleep 1000"]
    init: true
    stop_grace_period: 2s
    healthcheck: {test: [CMD, "true"], interval: 1s}
    volumes: ["data:/data", "./file with space:/conf:ro"]
volumes: {data: {}}
"""


class Trial:
    """A project of the test's own in the target's folder."""

    def __init__(self, target: Target, images: str) -> None:
        self.target, self.images = target, images
        self.name = f"cmp-{uuid.uuid4().hex[:8]}"

    def write(self, compose: str, env: str = "", file: str = "compose.yml") -> None:
        put_bytes(self.target, compose.encode(), f"{self.target.root}/{file}")
        put_bytes(self.target, f"IMAGES={self.images}\n{env}".encode(), f"{self.target.root}/.env")

    def wanted(self, file: str = "compose.yml") -> Project:
        return wanted(self.target, self.name, [file], ".env")

    def up(self, compose: str, env: str = "") -> Project:
        self.write(compose, env)
        project = self.wanted()
        up(self.target, project)
        return project

    def look(self) -> Stack:
        return look(self.target, self.name)

    def docker(self, *words: str) -> str:
        return self.target.run(docker(self.target.host, *words)).text

    def healthy(self, project: Project, *services: str, timeout: float = 30, **checks: Check) -> None:
        wait_healthy(self.target, project, services or project.services, checks=checks, stable=1, timeout=timeout)

    def down(self) -> None:
        label = f"label=com.docker.compose.project={self.name}"
        for kind, listing, remove in (
            ("container", ["ps", "-aq"], ["rm", "-f", "-v"]), ("network", ["ls", "-q"], ["rm"]),
            ("volume", ["ls", "-q"], ["rm"]),
        ):  # fmt: skip
            if found := self.docker(kind, *listing, "--filter", label).split():
                self.docker(kind, *remove, *found)


@pytest.fixture
def trial(lab: dict[str, Any], target: Target) -> Iterator[Trial]:
    made = Trial(target, lab["images_prefix"])
    yield made
    made.down()


def failure(trial: Trial, kind: type[OpsError] = BadSettings) -> OpsError:
    with pytest.raises(kind) as caught:
        trial.wanted()
    return caught.value


def test_engine(lab: dict[str, Any], place: Place, target: Target) -> None:
    engine = look_at_engine(target)
    if place.kind == "local":
        assert (engine.version, engine.compose_version) == (lab["engine"]["version"], lab["engine"]["compose"])
    assert engine.arch in ("amd64", "arm64")
    assert engine.store
    assert engine.free_bytes > 1 << 20
    assert engine.root_dir.startswith("/")


def test_no_engine(lab: dict[str, Any], tmp_path: Path) -> None:
    for words, what in (("no-such-docker",), "not installed"), (("docker", "-H", "unix:///nowhere"), "does not run"):
        target = connect(Host(name="local", path=str(tmp_path), docker=words))
        with pytest.raises(NoDocker, match=what):
            look_at_engine(target)
        target.close()


def test_users_who_may_use_docker_by_sudo_or_not_at_all(ssh_config: Path) -> None:
    for user, words, works in (("plain", ("docker",), False), ("sudoer", ("docker",), False),
                               ("sudoer", ("sudo", "-n", "docker"), True)):  # fmt: skip
        target = connect(Host(name="one", path="x", address=Address("one", user=user), docker=words))
        try:
            if works:
                assert look_at_engine(target).version
                assert look(target, "nothing").containers == ()
            else:
                with pytest.raises(DockerNotAllowed, match=user) as caught:
                    look_at_engine(target)
                assert f"usermod -aG docker {user}" in (caught.value.next or "")
        finally:
            target.close()


def test_wanted_is_what_compose_says(trial: Trial) -> None:
    trial.write(STACK)
    project = trial.wanted()
    assert set(project.services) == {"web", "init", "base"}
    assert project.services["web"].environment == {"DB_PASSWORD": "pa$s w0rd"}
    assert project.services["web"].image == f"{trial.images}nginx:1"
    assert [mount.source for mount in project.services["base"].mounts] == [
        "data", f"{trial.target.root}/file with space",
    ]  # fmt: skip
    assert project.volumes["data"].name == f"{trial.name}_data"
    assert all(len(service.hash) == 64 for service in project.services.values())


@pytest.mark.parametrize(
    "compose, env, what",
    [
        ("services: [a", "", "yaml"),
        ("services: {a: {imag: x}}", "", "imag"),
        ("services: {a: {image: '${NEEDED:?say which}'}}", "", "required variable NEEDED"),
        ("services: {a: {image: 'x:${TAG}'}}", "", "TAG, which is not set"),
        ("services: {a: {image: x, volumes: ['none:/x']}}", "", "none"),
        ("services: {a: {image: x}}", "PASSWORD='hunter2", "***"),
    ],
)
def test_bad_compose_files(trial: Trial, compose: str, env: str, what: str) -> None:
    trial.write(compose, env)
    error = failure(trial)
    assert what in error.what
    assert "hunter2" not in str(error)


def test_a_dollar_in_a_password_is_told_by_its_variable_without_its_text(trial: Trial) -> None:
    trial.write("services: {a: {image: x, environment: {P: '${DB_PASSWORD}'}}}", "DB_PASSWORD=hunter2$tail9\n")
    error = failure(trial)
    assert "DB_PASSWORD" in error.what
    assert "tail9" not in str(error)
    assert "single quotes" in (error.next or "")


def test_missing_files_are_named(trial: Trial) -> None:
    assert "compose.yml" in failure(trial).what
    put_bytes(trial.target, b"services: {a: {image: x}}", f"{trial.target.root}/compose.yml")
    assert ".env" in failure(trial).what


def test_up_look_and_health(trial: Trial) -> None:
    project = trial.up(STACK)
    page = HttpCheck.from_url("http://localhost:80/", header=("content-type", "text/html"), body="nginx")
    trial.healthy(project, web=page, base=CommandCheck(("test", "-e", "/conf")))
    trial.healthy(project, "web", web=TcpCheck("localhost", 80))
    stack = trial.look()
    assert {c.service: (c.state, c.exit_code) for c in stack.containers} == {
        "web": ("running", 0), "base": ("running", 0), "init": ("exited", 0),
    }  # fmt: skip
    assert {c.service: c.config_hash for c in stack.containers} == {
        name: service.hash for name, service in project.services.items()
    }
    (web,), (base,) = stack.service("web"), stack.service("base")
    assert web.env["DB_PASSWORD"] == "pa$s w0rd"
    assert (base.health, base.stop_timeout, base.working_dir) == ("healthy", 2, trial.target.root)
    assert [(m.type, m.name, m.destination, m.read_only) for m in sorted(base.mounts, key=lambda m: m.destination)] == [
        ("bind", "", "/conf", True), ("volume", f"{trial.name}_data", "/data", False),
    ]  # fmt: skip
    assert [volume.name for volume in stack.volumes] == [f"{trial.name}_data"]
    assert stack.volumes[0].mounted_by == (base.id,)
    assert stack.networks == (f"{trial.name}_default",)
    assert "w0rd" not in repr(stack)
    up(trial.target, project)  # nothing to do
    assert {c.id for c in trial.look().containers} == {c.id for c in stack.containers}


def test_what_somebody_made_of_a_built_image_is_no_container_of_the_service(trial: Trial) -> None:
    """Compose gives the images that it builds the labels of project and service."""
    name, label = f"{trial.name}-by-hand", "com.docker.compose"
    inherited = ["--label", f"{label}.project={trial.name}", "--label", f"{label}.service=web"]
    trial.target.run(docker(trial.target.host, "run", "-d", "--name", name, *inherited, f"{trial.images}busybox:1",
                            "sleep", "60"))  # fmt: skip
    try:
        assert look(trial.target, trial.name).containers == ()
    finally:
        trial.target.run(docker(trial.target.host, "rm", "-f", name))


def test_a_look_at_more_than_a_mebibyte(trial: Trial) -> None:
    label = "x" * 400_000
    trial.write(f"services: {{a: {{image: '${{IMAGES}}busybox:1', scale: 3, labels: {{big: '{label}'}}}}}}")
    trial.target.run(trial.wanted().compose(trial.target.host, "create"))
    assert [len(c.labels["big"]) for c in trial.look().service("a")] == [len(label)] * 3


def test_the_project_is_recognised_by_what_runs_here(trial: Trial) -> None:
    host = trial.target.host
    assert recognise_project(trial.target, host) == "abc"  # the folder is "a 'b' $c"
    project = trial.up("services: {a: {image: '${IMAGES}busybox:1', command: [sleep, '1000'], init: true}}")
    assert recognise_project(trial.target, host) == trial.name
    assert find_projects(trial.target)[trial.name].running
    stop(trial.target, project, trial.look().containers)
    assert recognise_project(trial.target, host) == trial.name
    trial.down()
    assert recognise_project(trial.target, host) == "abc"


def test_a_volume_left_behind_under_another_name_is_found(trial: Trial) -> None:
    project = trial.up(STACK)
    renamed = wanted(trial.target, f"{trial.name}-new", ["compose.yml"], ".env")
    pair = (f"{trial.name}-new_data", f"{trial.name}_data")
    for stack in (trial.look(), look(trial.target, renamed.name)):
        assert pair in orphaned_volumes(renamed, stack, stack.all_volumes)
        assert pair not in orphaned_volumes(replace(renamed, root="/else"), stack, stack.all_volumes)
        assert orphaned_volumes(project, stack, stack.all_volumes) == []


def unwell(trial: Trial, service: str, *, env: str = "", timeout: float = 20, **checks: Check) -> str:
    """What `wait_healthy` says of one service made of `service`, and that it did not wait for the time to run out."""
    trial.write(f"services: {{a: {{{service}}}}}", env)
    project = trial.wanted()
    trial.target.run(project.compose(trial.target.host, "up", "-d"))
    began = time.monotonic()
    with pytest.raises(OpsError) as caught:
        trial.healthy(project, "a", timeout=timeout, **checks)
    assert timeout < 10 or time.monotonic() - began < timeout
    assert "hunter2" not in str(caught.value)
    return caught.value.what


def test_a_service_that_ends_ends_the_wait_with_its_log(trial: Trial) -> None:
    said = unwell(trial, "image: '${IMAGES}busybox:1', environment: {TOKEN: '${TOKEN}'},"
                  "command: [sh, -c, 'for i in $$(seq 20); do echo line $$i $$TOKEN; done; exit 4']",
                  env="TOKEN=hunter2\n")  # fmt: skip
    assert "service a is not healthy: it ended with exit code 4" in said
    assert "line 11 ***" in said
    assert "line 10 " not in said


def test_a_restart_loop_ends_the_wait(trial: Trial) -> None:
    assert "restart" in unwell(
        trial, "image: '${IMAGES}busybox:1', restart: always, command: [sh, -c, 'sleep 0.4; exit 4']"
    )


def test_an_unhealthy_service_ends_the_wait_with_what_its_check_said(trial: Trial) -> None:
    said = unwell(
        trial,
        "image: '${IMAGES}busybox:1', command: [sleep, '1000'], init: true,"
        "healthcheck: {test: [CMD-SHELL, 'echo no luck; exit 1'], interval: 1s, retries: 1}",
    )
    assert "its health check fails: no luck" in said


@pytest.mark.parametrize(
    "url, said", [("http://localhost:80/nope", "answered 404"), ("http://localhost:81/", "refused the connection")]
)
def test_an_http_check_that_never_passes(trial: Trial, url: str, said: str) -> None:
    assert said in unwell(trial, "image: '${IMAGES}nginx:1'", timeout=1, a=HttpCheck.from_url(url))


def test_a_command_that_fails_is_told_with_its_last_words(trial: Trial) -> None:
    check = CommandCheck(("sh", "-c", "echo no $TOKEN here; exit 3"))
    said = unwell(trial, "image: '${IMAGES}busybox:1', command: [sleep, '1000'], init: true,"
                  "environment: {TOKEN: '${TOKEN}'}", env="TOKEN=hunter2\n", timeout=1, a=check)  # fmt: skip
    assert "sh ended with 3: no *** here" in said


def test_a_checks_own_time_is_shorter_than_the_wait(trial: Trial) -> None:
    check = HttpCheck.from_url("http://localhost:80/nope", 1)
    assert "answered 404" in unwell(trial, "image: '${IMAGES}nginx:1'", timeout=60, a=check)


def test_stop_and_start_in_the_order_of_dependencies(trial: Trial) -> None:
    project = trial.up(STACK)
    running = trial.look().running
    assert {c.service for c in running} == {"web", "base"}
    stop(trial.target, project, running)
    assert trial.look().running == []
    ended = {c.service: trial.docker("inspect", "-f", "{{.State.FinishedAt}}", c.id) for c in running}
    assert unix(ended["web"]) < unix(ended["base"])
    start(trial.target, project, running)
    trial.healthy(project)
    stack = trial.look()
    (web,), (base,), (init,) = (stack.service(name) for name in ("web", "base", "init"))
    assert unix(web.started_at) > unix(base.started_at) + 0.5  # not before base's first health check
    assert unix(init.started_at) < unix(base.started_at)  # what had ended is not started again


def test_up_after_one_that_was_killed(trial: Trial) -> None:
    trial.write(STACK)
    project = trial.wanted()
    label = f"com.docker.compose.project={trial.name}"
    trial.docker("create", "--name", f"{trial.name}-base-1", "--label", label, f"{trial.images}busybox:1")
    plain = trial.target.run(project.compose(trial.target.host, "up", "-d"), check=False)
    assert not plain.ended.ok  # the name is taken: what a killed `up` leaves
    up(trial.target, project)
    trial.healthy(project)
    assert len(trial.look().containers) == 3


def test_up_that_fails_says_which_container_and_why(trial: Trial) -> None:
    trial.write(STACK, "CODE=3\n")
    with pytest.raises(OpsError) as caught:
        up(trial.target, trial.wanted())
    assert 'service "init" didn\'t complete successfully: exit 3' in caught.value.what
    assert "service init: it ended with exit code 3" in caught.value.what
    assert "| preparing" in caught.value.what


def test_up_does_not_build(trial: Trial) -> None:
    trial.write("services: {a: {build: .}}")
    put_bytes(trial.target, b"FROM scratch\n", f"{trial.target.root}/Dockerfile")
    with pytest.raises(OpsError, match="up failed"):
        up(trial.target, trial.wanted())
    images = trial.target.run(command("docker", "image", "ls", "-q", f"{trial.name}-a")).text
    assert images == ""
