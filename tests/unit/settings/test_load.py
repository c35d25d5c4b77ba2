from pathlib import Path

import pytest

from opslib.command import Secret
from opslib.errors import BadSettings
from opslib.settings.load import KEYS, adopt, known_hosts_names, load_host, load_signals
from opslib.settings.model import Backup, Build, Deploy, Host, Signals
from opslib.settings.select import select_hosts
from opslib.settings.units import Address


def test_local_needs_no_file(project):
    assert project.host(name="local") == Host(name="local", path=str(project.root))
    assert project.host(name="local").is_local


def test_defaults_of_another_host(project):
    host = project.host("address: deploy@example.com\n")
    assert host == Host(name="prod", path="opslib/survey", address=Address("example.com", "deploy"))
    assert not host.is_local
    assert (host.build, host.deploy, host.migrate, host.backup) == (Build(), Deploy(), None, Backup())
    assert (host.deploy.keep_releases, host.deploy.stable, host.deploy.timeout) == (5, 5, 120)
    assert (host.backup.directory, host.backup.keep.rules, host.backup.schedule) == (
        "backups",
        {"last": 7},
        {"all": "0 2 * * *"},
    )


def test_a_host_without_address_is_this_machine(project):
    assert project.host("path: ../other\n").path == str(project.root / "../other")
    assert project.host("path: /srv/x\n").path == "/srv/x"


def test_a_remote_path_starts_at_the_home(project):
    assert project.host("address: a\npath: ~/x y\n").path == "x y"
    assert project.host("address: a\npath: ~/\n").path == "."


def test_compose_files_are_found_as_docker_compose_finds_them(project):
    for name in ("docker-compose.yml", "compose.override.yaml", "docker-compose.override.yml"):
        project.write(name, "")
    assert project.host(name="local").compose == ("docker-compose.yml", "compose.override.yaml")
    assert project.host("address: a\n").compose == ("docker-compose.yml",)
    project.write("compose.yml", "")
    assert project.host(name="local").compose == ("compose.yml", "compose.override.yaml")
    assert project.host("compose: [b.yml, a.yml]\n").compose == ("b.yml", "a.yml")


def test_an_override_alone_is_no_project(project):
    project.write("compose.override.yml", "")
    assert project.host(name="local").compose == ()


def test_env_file_is_env_where_there_is_one(project):
    assert project.host("").env_file is None
    project.write(".env", "")
    assert project.host("").env_file == ".env"
    assert project.host("env_file: .env.production\n").env_file == ".env.production"


def test_precedence(project):
    def last(environ=None, **flags):
        return project.host(environ=environ or {}, **flags).backup.keep.rules["last"]

    project.write("hosts/prod.yml", "")
    assert last() == 7
    project.write("hosts/_defaults.yml", "backup: {keep: {last: 1}, directory: sets}\n")
    assert last() == 1
    project.write("hosts/prod.yml", "backup: {keep: {last: 2}}\n")
    assert last() == 2
    project.write(".env", "OPSLIB_KEEP_LAST=3\n")
    assert last() == 3
    assert last({"OPSLIB_KEEP_LAST": "4"}) == 4
    assert last({"OPSLIB_KEEP_LAST": ""}) == 3
    assert last({"OPSLIB_KEEP_LAST": "4"}, backup__keep__last="5") == 5
    assert project.host().backup.directory == "sets"


def test_every_setting_reaches_its_key(project):
    environ = {
        "OPSLIB_PATH": "/srv/a b", "OPSLIB_PROJECT": "p", "OPSLIB_ENV_FILE": ".env.x", "OPSLIB_COMPOSE": "a.yml:b.yml",
        "OPSLIB_BACKUP_DIRECTORY": "/var/$b", "OPSLIB_KEEP_LAST": "3", "OPSLIB_TOOLS_IMAGE": "123",
        "OPSLIB_DOCKER": "sudo -n docker", "OPSLIB_WAIT": "10m",
    }  # fmt: skip
    assert set(environ) == set(KEYS)
    host = project.host("address: a\n", environ=environ)
    assert (host.path, host.project, host.env_file, host.compose) == ("/srv/a b", "p", ".env.x", ("a.yml", "b.yml"))
    assert (host.backup.directory, host.backup.keep.last, host.tools_image) == ("/var/$b", 3, "123")
    assert (host.docker, host.wait) == (("sudo", "-n", "docker"), 600)
    project.write(".env", "\n".join(f"{name}='{value}'" for name, value in environ.items()))
    assert project.host() == host


@pytest.mark.parametrize(
    ("environ", "flags", "dotenv", "error"),
    [
        ({"OPSLIB_KEEP_LAST": "many"}, {}, "", "OPSLIB_KEEP_LAST: backup.keep.last: expected a number of at least 1, found 'many'"),
        ({"OPSLIB_KEEP_LAST": "0"}, {}, "", "OPSLIB_KEEP_LAST: backup.keep.last: expected a number of at least 1, found '0'"),
        ({"OPSLIB_WAIT": "long"}, {}, "", "OPSLIB_WAIT: wait: expected a duration"),
        ({"OPSLIB_DOCKER": "a 'b"}, {}, "", "OPSLIB_DOCKER: docker: expected a command"),
        ({"OPSLIB_COMPOSE": "a::b"}, {}, "", "OPSLIB_COMPOSE: compose[1]: expected text that is not empty"),
        ({"OPSLIB_PATH": "a\udcff"}, {}, "", "OPSLIB_PATH: its value in the environment is not UTF-8 text"),
        ({}, {"wait": "x"}, "", "--wait: wait: expected a duration"),
        ({}, {}, "A=1\nOPSLIB_KEEP_LAST=many\n", ".env:2: OPSLIB_KEEP_LAST: backup.keep.last: expected a number"),
        ({}, {}, "A=1\nOPSLIB_HOSTS=x\n", ".env:2: unknown setting 'OPSLIB_HOSTS'; did you mean 'OPSLIB_HOST'?"),
        ({}, {}, "OPSLIB_PATH=$HOME/x\n", ".env:1: readers of env files understand the value of OPSLIB_PATH differently"),
        ({}, {}, "nonsense\n", ".env:1: expected NAME=value"),
    ],
)  # fmt: skip
def test_bad_settings(project, refused, environ, flags, dotenv, error):
    project.write(".env", dotenv)
    assert refused(project.host, "", environ=environ, **flags).startswith(error)


def test_settings_of_tools_and_of_the_shell_are_left_alone(project):
    project.write(".env", "OPSLIB_LAB=require\nOPSLIB_LAB_PORT=1\nPATH=x\nAPP=$odd\n")
    assert project.host("", environ={"OPSLIB_NEWER": "x"}).path == str(project.root)


def test_settings_of_the_process_come_from_dotenv_where_the_environment_has_none(project):
    project.write(".env", "OPSLIB_SSH_CONFIG=ssh/config\nOPSLIB_TOOLS_BASE=base:1\nOPSLIB_HOST=b\n")
    environ = {"OPSLIB_TOOLS_BASE": "base:2"}
    adopt(project.root, environ)
    assert environ == {"OPSLIB_TOOLS_BASE": "base:2", "OPSLIB_SSH_CONFIG": str(project.root / "ssh/config")}


def test_variables_come_from_the_environment_then_from_dotenv(project):
    project.write(".env", "WHERE=/srv/file\n")
    assert project.host("path: ${WHERE}\n").path == "/srv/file"
    assert project.host("path: ${WHERE}\n", environ={"WHERE": "/srv/env"}).path == "/srv/env"


def test_unknown_hosts(project, refused):
    project.write("hosts/prod.yml", "")
    project.write("hosts/staging.yml", "")
    project.write("hosts/old.yaml", "")
    message = refused(project.host, name="pord")
    assert message.splitlines() == [
        "unknown host 'pord': did you mean 'prod'? hosts/ holds local, prod, staging",
        "  next: cp hosts/example.yml hosts/pord.yml, and edit it",
    ]
    assert "did you mean" not in refused(project.host, name="xyzzy")
    assert refused(project.host, name="old").startswith("hosts/old.yaml: host files end in .yml")
    for odd in ("../prod", "-x", "a b", "_defaults", "", "a\nb", "x" * 9000):
        assert "unknown host" in refused(project.host, name=odd)


def test_a_dangling_link_is_not_this_machine(project, refused):
    (project.root / "hosts").mkdir()
    (project.root / "hosts/prod.yml").symlink_to("nowhere")
    assert refused(project.host) == "hosts/prod.yml: no such file"


def test_a_folder_in_place_of_a_file(project, refused):
    (project.root / "hosts/prod.yml").mkdir(parents=True)
    assert refused(project.host) == "hosts/prod.yml: cannot be read: Is a directory"
    (project.root / ".env").mkdir()
    assert refused(project.host, name="local") == ".env: cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("text", "hops"),
    [
        ("jump: ops@bastion:2222\n", (Address("bastion", "ops", 2222),)),
        ("jump: a, b@[2001:db8::1]:22\n", (Address("a"), Address("2001:db8::1", "b", 22))),
        ("jump: [a, b]\n", (Address("a"), Address("b"))),
        ("jump: none\n", ()),
        ("", None),
    ],
)
def test_hops(project, text, hops):
    assert project.host(f"address: x\n{text}").jump == hops


def test_bad_hops(project, refused):
    message = refused(project.host, "address: x\njump: ops@\n")
    assert message.startswith("hosts/prod.yml:2: jump: expected an address")
    assert "jump[1]" in refused(project.host, "address: x\njump: [a, 'b c']\n")


def test_where_an_address_cannot_stand(project, refused):
    message = refused(project.host, "path: x\naddress: a\n", name="local")
    assert message == "hosts/local.yml:2: address cannot stand here: local is this machine"
    project.write("hosts/_defaults.yml", "address: a\n")
    assert refused(project.host, "").startswith(
        "hosts/_defaults.yml:1: address cannot stand here: each host has its own"
    )


def test_errors_of_the_defaults_name_their_file(project, refused):
    project.write("hosts/_defaults.yml", "\ndeploy: {timeout: soon}\n")
    assert refused(project.host, "deploy: {stable: 1s}\n").startswith("hosts/_defaults.yml:2: deploy.timeout: expected")


def test_known_hosts_names(project):
    assert known_hosts_names(project.root) == ["local"]
    for name in ("prod", "local", "example", "_defaults", ".hidden", "a b", "eu.west-1"):
        project.write(f"hosts/{name}.yml", "")
    assert known_hosts_names(project.root) == ["eu.west-1", "local", "prod"]


def test_select_hosts(project, refused):
    project.write("hosts/a.yml", "groups: [web, '${G}']\nproject: ${UNSET}\n")
    project.write("hosts/b.yml", "groups: [web]\n")
    project.write("hosts/c.yml", "")
    project.write("hosts/example.yml", "groups: [web]\n")

    def select(spec, **environ):
        return select_hosts(project.root, spec, {"G": "db", **environ})

    assert select(None) == ["local"]
    assert select(None, OPSLIB_HOST="") == ["local"]
    assert select(None, OPSLIB_HOST="c,@db") == ["c", "a"]
    assert select("b", OPSLIB_HOST="c") == ["b"]
    assert select("c, @web ,a") == ["c", "a", "b"]
    assert select("@db,b,b") == ["a", "b"]
    assert "did you mean 'web'" in refused(select, "@wbe")
    assert "unknown group ''" in refused(select, "@")
    assert "unknown host 'd'" in refused(select, "a,d")
    for empty in ("", "a,,b", ","):
        assert "expected a name" in refused(select, empty)
    project.write(".env", "OPSLIB_HOST=b\n")
    assert select(None) == ["b"]
    assert select(None, OPSLIB_HOST="c") == ["c"]


def test_groups_come_from_the_defaults_too(project, refused):
    assert "no host file names a group" in refused(select_hosts, project.root, "@web", {})
    project.write("hosts/_defaults.yml", "groups: [db]\n")
    project.write("hosts/a.yml", "groups: [web]\n")
    project.write("hosts/b.yml", "")
    assert select_hosts(project.root, "@db", {}) == ["b", "local"]


def test_all_is_every_host_with_a_file(project, refused):
    def select(spec):
        return select_hosts(project.root, spec, {})

    assert "hosts/ holds no host" in refused(select, "@all")
    for name in ("b", "a", "example", "_defaults", "_old", ".hidden"):
        project.write(f"hosts/{name}.yml", "groups: [web]\n")
    project.write("hosts/README.md", "")
    assert select("@all") == ["a", "b"]
    assert select("b,@web,@all,a") == ["b", "a", "local"] == select("b,@all,local,a")
    project.write("hosts/local.yml", "")
    project.write("hosts/c.yml", "adress: x\n")
    assert select("@all") == ["a", "b", "c", "local"], "what is wrong in a file is said of its host"
    for name in ("d.yaml", "in Köln.yml"):
        file = project.write(f"hosts/{name}", "")
        assert f"hosts/{name}: no host can be called so" in refused(select, "@all")
        file.unlink()


def test_no_file_names_the_group_of_all(project, refused):
    project.write("hosts/a.yml", "groups: [web, all]\n")
    assert "hosts/a.yml:1: groups[1]: expected a group's name; every host is in @all" in refused(project.host, name="a")


def test_a_file_that_does_not_tell_its_groups_may_be_of_any(project, refused):
    project.write("hosts/a.yml", "groups: [web]\n")
    project.write("hosts/b.yml", "groups: [web\n")
    project.write("hosts/c.yml", "groups: [db]\n")
    assert select_hosts(project.root, "@web", {}) == ["a", "b"]
    assert "hosts/b.yml" in refused(select_hosts, project.root, "@wbe", {})


def test_a_flag_that_is_no_setting_is_a_mistake_of_the_caller(project):
    with pytest.raises(ValueError, match="no flag"):
        load_host(Path(project.root), "local", {"address": "x"}, {})


# -- signals

SIGNALS = 'backup: {signals: {ping: "${PING}", notify: ["${ALERT}"], metrics: /m}}\n'
VALUES = {"PING": "https://hc/x", "ALERT": "json://x"}


def test_a_bare_ping_is_that_of_all(project):
    signals = project.host(SIGNALS, environ=VALUES).backup.signals
    assert signals == Signals(ping={"all": Secret("https://hc/x")}, notify=(Secret("json://x"),), metrics="/m")
    assert "https" not in repr(signals)


def test_signals_are_known_also_where_the_file_is_wrong_elsewhere(project):
    right = project.host(SIGNALS, environ=VALUES).backup.signals
    for wrong in ("depoly: {}\n", "address: '-x'\n", "compose: 3\n", "migrate: {up: '${UNSET}', service: a}\n"):
        project.write("hosts/prod.yml", wrong + SIGNALS)
        with pytest.raises(BadSettings):
            load_host(project.root, "prod", environ=VALUES)
        assert load_signals(project.root, "prod", VALUES) == right
    project.write("hosts/_defaults.yml", SIGNALS)
    project.write("hosts/prod.yml", "backup: {kepe: 3}\n")
    assert load_signals(project.root, "prod", VALUES) == right


@pytest.mark.parametrize("text", ["", "backup:\n", "backup: 3\n", "backup: {signals: x}\n", "backup: [\n", "a: [}\n"])
def test_no_signals(project, text):
    project.write("hosts/prod.yml", text)
    assert load_signals(project.root, "prod", VALUES) == Signals()


def test_a_signal_that_is_wrong_leaves_the_others(project):
    project.write("hosts/prod.yml", SIGNALS)
    assert load_signals(project.root, "prod", {"PING": "https://hc/x"}) == Signals(
        ping={"all": Secret("https://hc/x")}, metrics="/m"
    )
