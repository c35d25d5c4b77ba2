"""What Compose says its files want, read into a Project; the commands that ask for it."""

from __future__ import annotations

import pytest

from opslib.compose.environment import Environment
from opslib.compose.project import Mount, Port, Project, compose_command, parse_project
from opslib.compose.wanted import compose_said, config_command
from opslib.settings.model import Host

HOST = Host(name="prod", path="srv/app", docker=("sudo", "-n", "docker"))
CONFIG = {
    "name": "shop",
    "services": {
        "api": {
            "build": {"context": "/srv/app/api", "dockerfile": "Dockerfile"},
            "command": ["serve", "--password", "hunter2"],
            "depends_on": {
                "db": {"condition": "service_healthy", "required": True},
                "init": {"condition": "service_completed_successfully"},
            },
            "environment": {"PASSWORD": "p$w", "EMPTY": None, "DEBUG": "1"},
            "healthcheck": {"test": ["CMD", "true"]},
            "ports": [
                {"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp", "host_ip": "127.0.0.1"},
                {"mode": "ingress", "target": 5000, "protocol": "udp"},
            ],
            "restart": "on-failure:3",
            "deploy": {"replicas": 2},
            "networks": {"default": None},
            "volumes": [
                {"type": "bind", "source": "/srv/app/nginx.conf", "target": "/etc/nginx.conf", "read_only": True},
                {"type": "volume", "source": "data", "target": "/data"},
                {"type": "volume", "target": "/anonymous"},
            ],
            "configs": [{"source": "c"}],
            "secrets": [{"source": "s", "target": "token"}, {"source": "elsewhere"}],
        },
        "db": {"image": "postgres:15", "healthcheck": {"disable": True}, "restart": "unless-stopped"},
        "init": {"image": "busybox:1", "scale": 0},
        "job": {"image": "busybox:1", "deploy": {"restart_policy": {"condition": "any"}}},
    },
    "volumes": {"data": {"name": "shop_data"}, "old": {"name": "legacy", "external": True}, "plain": None},
    "networks": {"default": {"name": "shop_default"}},
    "configs": {"c": {"file": "/srv/app/c.conf"}},
    "secrets": {"s": {"file": "/srv/app/s.txt"}, "elsewhere": {"external": True}},
}


@pytest.fixture
def project() -> Project:
    return parse_project(CONFIG, root="/srv/app", files=["a.yml"], env_file=".env", hashes={"api": "abc"})


def test_services(project: Project) -> None:
    api, db = project.services["api"], project.services["db"]
    assert api.image == "shop-api"
    assert api.build is not None
    assert api.build.context == "/srv/app/api"
    assert api.depends_on == {"db": "service_healthy", "init": "service_completed_successfully"}
    assert (api.healthcheck, db.healthcheck, project.services["init"].healthcheck) == (True, False, None)
    assert [project.services[name].restart for name in CONFIG["services"]] == [
        "on-failure", "unless-stopped", "no", "always",
    ]  # fmt: skip
    assert [project.services[name].replicas for name in CONFIG["services"]] == [2, 1, 0, 1]
    assert api.ports == (Port("127.0.0.1", "8080", 80, "tcp"), Port("", "", 5000, "udp"))
    assert (api.hash, db.hash) == ("abc", "")
    assert project.one_shots() == {"init"}


def test_mounts_and_volumes(project: Project) -> None:
    mounts = project.services["api"].mounts
    assert mounts == (
        Mount("bind", "/srv/app/nginx.conf", "/etc/nginx.conf", read_only=True),
        Mount("volume", "data", "/data"),
        Mount("volume", "", "/anonymous"),
        Mount("config", "/srv/app/c.conf", "/c", read_only=True),
        Mount("secret", "/srv/app/s.txt", "/run/secrets/token", read_only=True),
    )
    assert [project.volume_name(mount) for mount in mounts] == ["", "shop_data", "", "", ""]
    assert {key: (one.name, one.external) for key, one in project.volumes.items()} == {
        "data": ("shop_data", False), "old": ("legacy", True), "plain": ("shop_plain", False),
    }  # fmt: skip
    assert project.networks == {"default": "shop_default"}


def test_no_value_and_no_command_is_shown(project: Project) -> None:
    assert "p$w" not in repr(project)
    assert "hunter2" not in repr(project)
    assert project.services["api"].environment == {"PASSWORD": "p$w", "DEBUG": "1"}


def test_environment_knows_its_secrets() -> None:
    env = Environment.from_list(
        ["DB_PASSWORD=correct horse", "URL=postgres://me:in%20url@db/x", "NAME=survey", "KEY=abc", "odd", "EMPTY="]
    )
    assert env.secrets() == ("correct horse", "in%20url")
    assert env["EMPTY"] == ""
    assert "odd" not in env
    assert repr(Environment({"A": "1", "B": "2"})) == "Environment(A=***, B=***)"


def test_masked(project: Project) -> None:
    text = parse_project({"name": "x", "services": {"a": {"environment": {"TOKEN": "s3cret"}}}}).masked("a s3cret b")
    assert text == "a *** b"


def test_compose_command_always_names_project_and_folder() -> None:
    cmd = compose_command(HOST, "/srv/my app/", "shop", ["a.yml", "/x/b.yml"], ".env", "up", "-d", limit=5)
    assert cmd.masked() == (
        "sudo -n docker compose --project-name shop --project-directory '/srv/my app/' --file '/srv/my app/a.yml' "
        "--file /x/b.yml --env-file '/srv/my app/.env' up -d"
    )
    assert cmd.limit == 5
    bare = compose_command(HOST, "/srv/app", "shop", [], None, "ps")
    assert bare.masked() == "sudo -n docker compose --project-name shop --project-directory /srv/app ps"


def test_config_command_keeps_users_words_apart() -> None:
    argv = config_command(HOST, "/srv/a'b", "shop", ["-x.yml"], None).stages[0].argv
    assert argv[:2] == ("bash", "-c")
    assert "a'b" not in argv[2]
    assert argv[3:] == (
        "opslib", "3", "sudo", "-n", "docker", "1", "/srv/a'b/-x.yml", "hash", "compose", "--project-name", "shop",
        "--project-directory", "/srv/a'b", "--file", "/srv/a'b/-x.yml",
    )  # fmt: skip


@pytest.mark.parametrize(
    "said, told",
    [
        ('failed to read /x/.env: line 5: unterminated quoted value "hunter2', "hunter2"),
        ('failed to read /x/.env: Invalid template: "${hunter2"', "hunter2"),
    ],
)
def test_what_compose_quotes_of_an_env_file_is_not_told(said: str, told: str) -> None:
    assert told not in compose_said(said)
    assert compose_said(said).startswith("failed to read /x/.env")


def test_compose_said_leaves_warnings_out() -> None:
    assert compose_said('time="x" level=warning msg="y"\nyaml: line 1: bad "thing"') == 'yaml: line 1: bad "thing"'
