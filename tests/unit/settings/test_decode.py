import pytest

from opslib.command import Secret
from opslib.settings.kinds import Files, Postgres, Redis, Sqlite, Volume


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("pth: /srv\n", "hosts/prod.yml:1: unknown key 'pth'; did you mean 'path'?"),
        ("\ndeploy:\n  keep_release: 5\n", "hosts/prod.yml:3: unknown key 'deploy.keep_release'; did you mean 'keep_releases'?"),
        ("name: x\n", "hosts/prod.yml:1: unknown key 'name'"),
        ("backup: {keep: {zzz: 1}}\n", "hosts/prod.yml:1: unknown key 'backup.keep.zzz'; known here: "),
        ("deploy:\n  keep_releases: seven\n", "hosts/prod.yml:2: deploy.keep_releases: expected a number of at least 1, found 'seven'"),
        ("deploy: {keep_releases: 0}\n", "hosts/prod.yml:1: deploy.keep_releases: expected a number of at least 1, found 0"),
        ("deploy: {keep_releases: yes}\n", "hosts/prod.yml:1: deploy.keep_releases: expected a number of at least 1, found yes"),
        ("deploy: {keep_releases: '5'}\n", "hosts/prod.yml:1: deploy.keep_releases: expected a number of at least 1, found '5'"),
        ("deploy: {keep_releases: [5]}\n", "hosts/prod.yml:1: deploy.keep_releases: expected a number of at least 1, found a list"),
        ("deploy: {backup_first: maybe}\n", "hosts/prod.yml:1: deploy.backup_first: expected true or false, found 'maybe'"),
        ("deploy: {strategy: rollin}\n", "hosts/prod.yml:1: deploy.strategy: expected recreate or rolling or blue-green or canary or swarm, found 'rollin'"),
        ("deploy: {proxy: {service: web, folder: up}}\n", "hosts/prod.yml:1: deploy.proxy.upstreams is missing"),
        ("deploy: {proxy: {service: web, folder: up, upstreams: {api: 0}}}\n", "hosts/prod.yml:1: deploy.proxy.upstreams.api: expected a port, 1 to 65535, found 0"),
        ("deploy: {weight: 100}\n", "hosts/prod.yml:1: deploy.weight: expected a share of the requests in percent, 1 to 99, found 100"),
        ("deploy: {weight: 0%}\n", "hosts/prod.yml:1: deploy.weight: expected a share of the requests in percent, 1 to 99, found '0%'"),
        ("deploy: {weight: yes}\n", "hosts/prod.yml:1: deploy.weight: expected a share of the requests in percent, 1 to 99, found yes"),
        ("deploy: {tolerance: {errors: 1}}\n", "hosts/prod.yml:1: deploy.tolerance.errors: expected a percentage like 10%, found 1"),
        ("deploy: {tolerance: {latency: 0.5}}\n", "hosts/prod.yml:1: deploy.tolerance.latency: expected a number like 1.5, at least 1, found 0.5"),
        ("deploy: {proxy: {folder: up, upstreams: {api: 80}}}\n", "hosts/prod.yml:1: deploy.proxy: give `service`, the one that is nginx"),
        ("deploy: {proxy: {kind: host-nginx, folder: up, upstreams: {api: 80}}}\n", "hosts/prod.yml:1: deploy.proxy: `folder`: expected an absolute path, found 'up'"),
        ("deploy: {proxy: {service: t, folder: /up, upstreams: {api: 80}}}\n", "hosts/prod.yml:1: deploy.proxy: `folder`: expected a path inside the project"),
        ("deploy: {proxy: {kind: host-nginx, service: t, folder: /up, upstreams: {api: 80}}}\n", "hosts/prod.yml:1: deploy.proxy: `service` is of the stack"),
        ("deploy: {proxy: {service: t, folder: up, api: 80, upstreams: {api: 80}}}\n", "hosts/prod.yml:1: deploy.proxy: `api` goes with `kind: traefik`"),
        ("deploy: {proxy: {service: t, folder: up, command: nginx, upstreams: {api: 80}}}\n", "hosts/prod.yml:1: deploy.proxy: `command` goes with `kind: host-nginx`"),
        ("deploy: {proxy: {kind: caddy}}\n", "hosts/prod.yml:1: deploy.proxy.kind: expected nginx or traefik or host-nginx, found 'caddy'"),
        ("build: {on: mars}\n", "hosts/prod.yml:1: build.on: expected local or remote, found 'mars'"),
        ("deploy: [a]\n", "hosts/prod.yml:1: deploy: expected keys (strategy, "),
        ("deploy: x\n", "hosts/prod.yml:1: deploy: expected keys (strategy, "),
        ("deploy: {window: always}\n", "hosts/prod.yml:1: deploy.window: expected days and times like 'mon-fri 09:00-16:30'"),
        ("deploy: {window: [mon 9:00-10:00, mo 9:00-10:00]}\n", "hosts/prod.yml:1: deploy.window[1]: expected days and times"),
        ("deploy: {window: mon 9:00-25:00}\n", "hosts/prod.yml:1: deploy.window: expected days and times"),
        ("deploy: {window: mon 9:00-10:00 Mars/Base}\n", "hosts/prod.yml:1: deploy.window: expected a time zone like Europe/Berlin"),
        ("deploy: {window: 5}\n", "hosts/prod.yml:1: deploy.window: expected days and times"),
        ("deploy: {stable: 5 minutes}\n", "hosts/prod.yml:1: deploy.stable: expected a duration like 30s, 5m or 1h30m, found '5 minutes'"),
        ("deploy: {health: {api: 5}}\n", "hosts/prod.yml:1: deploy.health.api.url: expected text, found the number 5"),
        ("deploy: {health: {api: localhost}}\n", "hosts/prod.yml:1: deploy.health.api.url: expected an address like http"),
        ("deploy: {health: {api: }}\n", "hosts/prod.yml:1: deploy.health.api: expected keys (url, tcp, "),
        ("deploy:\n  health:\n    api:\n      seconds: 5\n", "hosts/prod.yml:3: deploy.health.api: give one of url, tcp and command"),
        ("deploy: {health: {api: {url: 'http://a/', tcp: 1}}}\n", "hosts/prod.yml:1: deploy.health.api: give one of url, tcp and command"),
        ("deploy: {health: {db: {tcp: 5432, body: x}}}\n", "hosts/prod.yml:1: deploy.health.db: status, header and body go with url"),
        ("deploy: {health: {db: {tcp: [5]}}}\n", "hosts/prod.yml:1: deploy.health.db.tcp: expected a single value, found a list"),
        ("address: [a]\n", "hosts/prod.yml:1: address: expected a single value, found a list"),
        ("deploy: {health: {db: {tcp: 'a b:5'}}}\n", "hosts/prod.yml:1: deploy.health.db.tcp: expected a port like 5432"),
        ("deploy: {health: {db: {tcp: db}}}\n", "hosts/prod.yml:1: deploy.health.db.tcp: expected a port like 5432"),
        ("deploy: {health: {a: {url: 'http://a/', status: 99}}}\n", "hosts/prod.yml:1: deploy.health.a.status: expected a status of HTTP like 200"),
        ("deploy: {health: {a: {url: 'http://a/', status: [200, x]}}}\n", "hosts/prod.yml:1: deploy.health.a.status[1]: expected a number"),
        ("deploy: {health: {a: {url: 'http://a/', header: 'x y: z'}}}\n", "hosts/prod.yml:1: deploy.health.a.header: expected a header like"),
        ("deploy: {health: [x]}\n", "hosts/prod.yml:1: deploy.health: expected keys and values, found a list"),
        ("groups: web\n", "hosts/prod.yml:1: groups: expected a list, in brackets or one `- item` a line, found 'web'"),
        ("groups:\n- web\n- a: b\n", "hosts/prod.yml:3: groups[1]: expected text, found keys"),
        ("groups: [web, ]\nfiles: [~]\n", "hosts/prod.yml:2: files[0]: expected text, found nothing"),
        ("build: {services: [1]}\n", "hosts/prod.yml:1: build.services[0]: expected text, found the number 1: quote it, '1'"),
        ("tools_image: 123\n", "hosts/prod.yml:1: tools_image: expected text, found the number 123: quote it, '123'"),
        ("tools_image: yes\n", "hosts/prod.yml:1: tools_image: expected text, found yes, which YAML reads as true or false: quote it, 'yes'"),
        ("tools_image: {a: b}\n", "hosts/prod.yml:1: tools_image: expected text, found keys"),
        ("project: 123\n", "hosts/prod.yml:1: project: expected text, found the number 123: quote it, '123'"),
        ("project: Survey\n", "hosts/prod.yml:1: project: expected a Compose project name"),
        ("path: ''\n", "hosts/prod.yml:1: path: expected text that is not empty, found ''"),
        ('path: "a\\nb"\n', "hosts/prod.yml:1: path: expected one line of text, found "),
        ("address: a b\n", "hosts/prod.yml:1: address: expected an address like deploy@example.com:22, found 'a b'"),
        ("address: ssh://a\n", "hosts/prod.yml:1: address: expected an address without ssh://"),
        ("address: a:99999\n", "hosts/prod.yml:1: address: expected a port from 1 to 65535"),
        ("address: -oProxyCommand=x\n", "hosts/prod.yml:1: address: expected an address"),
        ("docker: []\n", "hosts/prod.yml:1: docker: expected at least one word"),
        ("docker: 'sudo \"x'\n", "hosts/prod.yml:1: docker: expected a command, and a quote in it is not closed"),
        ("env_file: /etc/passwd\n", "hosts/prod.yml:1: env_file: expected a path inside the project"),
        ("compose: [../x.yml]\n", "hosts/prod.yml:1: compose[0]: expected a path inside the project"),
        ("migrate: {service: api}\n", "hosts/prod.yml:1: migrate: give `up`, or a `tool`: alembic, django, prisma or flyway"),
        ("migrate: {service: api, tool: liquibase}\n", "hosts/prod.yml:1: migrate.tool: expected alembic or django or prisma or flyway"),
        ("backup: {reserve: 10}\n", "hosts/prod.yml:1: backup.reserve: expected a percentage like 10% or a size like 2GB, found 10"),
        ("backup: {schedule: {al: '@daily'}}\n", "hosts/prod.yml:1: unknown key 'backup.schedule.al'; did you mean 'all'?"),
        ("backup: {signals: {ping: 'https://x/y'}}\n", "hosts/prod.yml:1: backup.signals.ping.all: a secret stands here only as ${NAME}"),
        ("backup: {signals: {metrics: prom/}}\n", "hosts/prod.yml:1: backup.signals.metrics: expected an absolute path, found 'prom/'"),
        ("backup: {schedule: hourly}\n", "hosts/prod.yml:1: backup.schedule.all: expected a cron expression"),
        ("backup: {sources: [{postgress: {}}]}\n", "hosts/prod.yml:1: unknown key 'backup.sources[0].postgress'; did you mean 'postgres'?"),
        ("backup:\n  sources:\n  - postgres:\n      databse: x\n", "hosts/prod.yml:4: unknown key 'backup.sources[0].postgres.databse'; did you mean 'database'?"),
        ("backup: {sources: [{postgres: }]}\n", "hosts/prod.yml:1: backup.sources[0].postgres.service is missing"),
        ("backup: {sources: [postgres]}\n", "hosts/prod.yml:1: backup.sources[0]: expected one of postgres, mysql, mongo, redis, qdrant, sqlite, volume, files"),
        ("backup: {sources: [{redis: a, volume: b}]}\n", "hosts/prod.yml:1: backup.sources[0]: expected one of"),
        ("backup: {sources: [{kind: redis}]}\n", "hosts/prod.yml:1: unknown key 'backup.sources[0].kind'"),
        ("backup: {sources: [{sqlite: {path: a, service: b, volume: c}}]}\n", "hosts/prod.yml:1: backup.sources[0].sqlite: give either service or volume"),
        ("backup: {sources: [{files: []}]}\n", "hosts/prod.yml:1: backup.sources[0].files: name at least one path"),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_key(project, refused, text, error):
    assert refused(project.host, text).startswith(error)


def test_long_values_are_cut(project, refused):
    assert len(refused(project.host, f"project: {'A' * 5000}\n")) < 250
    assert len(refused(project.host, f"{'A' * 900}: 1\n")) < 400


def test_sources(project):
    text = """
backup:
  sources:
  - postgres: {service: db, database: "a$b", user: u, password: "${PG}-x"}
  - redis: cache
  - sqlite: data/app.db
  - volume: uploads
  - volume: {name: more}
  - files: [uploads/, -odd name]
"""
    assert project.host(text, environ={"PG": "p w"}).backup.sources == (
        Postgres(service="db", database="a$b", user="u", password=Secret("p w-x")),
        Redis(service="cache"),
        Sqlite(path="data/app.db"),
        Volume(name="uploads"),
        Volume(name="more"),
        Files(paths=("uploads/", "-odd name")),
    )


def test_a_key_without_a_value_is_as_if_it_were_not_there(project):
    assert project.host("build:\ndeploy:\n  timeout:\nbackup: ~\n") == project.host("")


def test_services_may_have_any_name(project):
    health = project.host("deploy: {health: {yes: http://a/, 123: http://b/, 'x $y': http://c/}}\n").deploy.health
    assert {name: check.url for name, check in health.items()} == {
        "yes": "http://a/",
        "123": "http://b/",
        "x $y": "http://c/",
    }


def test_commands_are_words_from_a_line_or_a_list(project):
    host = project.host("docker: sudo -n docker\nmigrate: {service: a, up: [sh, -c, 'a; b'], status: x 'y z'}\n")
    assert host.docker == ("sudo", "-n", "docker")
    assert host.migrate.up == ("sh", "-c", "a; b")
    assert host.migrate.status == ("x", "y z")


def test_variables_in_values(project):
    host = project.host(
        'path: "${BASE}/app"\naddress: "${WHERE}"\ngroups: ["$${x}$y", ]\n'.replace(
            "groups", "build: {services"
        ).rstrip()
        + "}\n",
        environ={"BASE": "/srv", "WHERE": "me@example.com:24"},
    )
    assert host.path == "/srv/app"
    assert host.address.port == 24
    assert host.build.services == ("${x}$y",)


def test_values_put_in_are_not_expanded_again(project):
    assert project.host("path: ${A}\n", environ={"A": "${B}", "B": "no"}).path == str(project.root / "${B}")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("path: a\ngroups: [x]\nproject: ${NOPE}\n", "hosts/prod.yml:3: ${NOPE} is not set\n  next: put NOPE=… into .env, or export it"),
        ("path: ${A:-b}\n", "hosts/prod.yml:1: expected a variable like ${NAME}; write $${ for a plain ${"),
        ("path: ${\n", "hosts/prod.yml:1: expected a variable like ${NAME}"),
        ("path: ${}\n", "hosts/prod.yml:1: expected a variable like ${NAME}"),
        ("backup: {sources: [{redis: {service: r, password: hunter2}}]}\n", "hosts/prod.yml:1: backup.sources[0].redis.password: a secret stands here only as ${NAME}"),
        ("backup: {sources: [{redis: {service: r, password: '$${X}'}}]}\n", "hosts/prod.yml:1: backup.sources[0].redis.password: a secret stands here only"),
        ("backup: {sources: [{redis: {service: r, password: {a: b}}}]}\n", "hosts/prod.yml:1: backup.sources[0].redis.password: a secret stands here only"),
        ("backup: {sources: [{redis: {service: r, password: '${EMPTY}'}}]}\n", "hosts/prod.yml:1: backup.sources[0].redis.password: ${EMPTY} is empty"),
    ],
)  # fmt: skip
def test_bad_variables(project, refused, text, error):
    assert refused(project.host, text, environ={"EMPTY": ""}).startswith(error)


@pytest.mark.parametrize("key", ["address", "project", "env_file", "deploy: {stable", "backup: {schedule", "path"])
def test_an_error_never_shows_what_a_variable_holds(project, refused, key):
    text = f"{key}: '${{SECRET}}'{'}' if '{' in key else ''}\n"
    message = refused(project.host, text, environ={"SECRET": "/hunter 2\n"})
    assert "hunter" not in message
    assert "${SECRET}" in message


def test_a_host_shows_no_secret(project):
    host = project.host("backup: {sources: [{redis: {service: r, password: '${P}'}}]}\n", environ={"P": "hunter2"})
    assert "hunter2" not in repr(host)
    assert host.backup.sources[0].password.reveal() == "hunter2"


def test_a_password_may_hold_anything(project):
    odd = " -x\n'\"$y{ü"
    host = project.host("backup: {sources: [{redis: {service: r, password: '${P}'}}]}\n", environ={"P": odd})
    assert host.backup.sources[0].password.reveal() == odd


def test_an_environment_value_that_is_no_text(project, refused):
    message = refused(project.host, "path: ${P}\n", environ={"P": "a\udcff"})
    assert message == "P: its value in the environment is not UTF-8 text"
