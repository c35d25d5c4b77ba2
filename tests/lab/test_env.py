"""Env files sent, taken over and renewed on a server over SSH, as a person types it; and rotations killed on their way."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from opslib.settings.dotenv import EnvFile
from tests.conftest import missing
from tests.lab.site import Site, ended, site_on, until

pytestmark = pytest.mark.lab
FIRST = "first-Secret_of-the-test"
SOON = "interval: 30s, start_period: 99s, start_interval: 500ms"
COMPOSE = f"""
services:
  web:
    image: ${{IMAGES}}busybox:1
    init: true
    stop_grace_period: 1s
    command: [sh, -c, '[ "$$COLOR" != never ] || exit 1; mkdir -p /www; echo "$$COLOR" >/www/color; exec httpd -f -p 8000 -h /www']
    environment: {{COLOR: "${{COLOR}}"}}
    secrets: [token]
    healthcheck: {{test: [CMD-SHELL, 'wget -qO- http://127.0.0.1:8000/color'], {SOON}}}
  db:
    image: ${{IMAGES}}postgres:15
    stop_grace_period: 5s
    environment: {{POSTGRES_USER: app, POSTGRES_DB: app, POSTGRES_PASSWORD: "${{DB_PASSWORD:?}}"}}
    volumes: ["db:/var/lib/postgresql/data"]
    healthcheck: {{test: [CMD, pg_isready, -h, 127.0.0.1, -U, app, -d, app], {SOON}}}
  app:
    image: ${{IMAGES}}postgres:15
    init: true
    stop_grace_period: 1s
    command: [sleep, "100000"]
    environment: {{DATABASE_URL: "${{DATABASE_URL}}"}}
    depends_on: {{db: {{condition: service_healthy}}}}
    healthcheck: {{test: [CMD-SHELL, 'psql "$$DATABASE_URL" -qAtc "select 1"'], {SOON}}}
volumes: {{db: {{}}}}
secrets: {{token: {{file: token.txt}}}}
"""
EXAMPLE = "COLOR=blue\n# secret\nDB_PASSWORD=\nDATABASE_URL=postgres://app:${DB_PASSWORD}@db/app\n"


@pytest.fixture(scope="module")
def site(lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """It is deployed, and each test leaves it with an env file here that is the server's."""
    one = next((found for found in lab["servers"] if found["name"] == "one"), None)
    if one is None:
        missing("the lab has no server `one`: run scripts/lab up")
    with site_on(tmp_path_factory.mktemp("env"), lab["images_prefix"], one, compose=COMPOSE) as made:
        (made.root / ".env.example").write_text(EXAMPLE)
        (made.root / "token.txt").write_text("a token")
        lines = {"COLOR": "blue", "DB_PASSWORD": FIRST, "DATABASE_URL": f"postgres://app:{FIRST}@db/app"}
        text = re.sub(r"(?m)^(COLOR|DB_PASSWORD)=.*\n", "", (made.root / ".env").read_text())
        (made.root / ".env").write_text(text + "".join(f"{name}={value}\n" for name, value in lines.items()))
        made.inv("deploy", "--yes")
        assert made.inside(f"stat -c %a {made.folder}/token.txt") == "600"
        assert made.inside(f"docker exec {made.container('web')} cat /run/secrets/token") == "a token"
        yield made


def here(site: Site, name: str = "DB_PASSWORD") -> str:
    """A variable of the env file here."""
    return EnvFile((site.root / ".env").read_text(), ".env").values()[name]


def set_here(site: Site, name: str, value: str) -> None:
    file = site.root / ".env"
    file.write_text(re.sub(rf"(?m)^{name}=.*$", f"{name}={value}", file.read_text()))


def there(site: Site, name: str = "DB_PASSWORD") -> str:
    """The same on the server."""
    return EnvFile(site.inside(f"cat {site.folder}/.env") + "\n", ".env").values()[name]


def takes(site: Site, password: str) -> bool:
    """Whether the database lets the user in with it, from another container."""
    url = f"postgres://app:{password}@db/app"
    return site.inside(f"docker exec {site.container('app')} psql '{url}' -qAtc 'select 1'") == "1"


def logs_in(site: Site) -> bool:
    """Whether the app is let in with what it was given."""
    script = """psql "$DATABASE_URL" -qAtc 'select 1'"""
    return site.inside(f"docker exec {site.container('app')} sh -c {shlex.quote(script)}") == "1"


def assert_settled(site: Site) -> None:
    """One password is in force, services have it, and a deploy finds nothing to do."""
    password = here(site)
    assert (there(site), takes(site, password), logs_in(site)) == (password, True, True)
    assert here(site, "DATABASE_URL") == there(site, "DATABASE_URL") == f"postgres://app:{password}@db/app"
    for service in ("db", "app", "web"):
        state = site.inside(f"docker inspect -f '{{{{.State.Health.Status}}}}' {site.container(service)}")
        assert state == "healthy", service
    said = site.inv("deploy", "--yes", "--json").splitlines()
    record = json.loads(next(line for line in said if line.startswith('{"task"')))
    assert not record["hosts"][0]["changed"], record
    assert site.inside(f"ls {site.folder}/.opslib/rotating {site.folder}/.opslib/run.log 2>/dev/null; true") == ""


def test_a_variable_is_pushed_and_what_uses_it_restarted(site: Site) -> None:
    db, color = site.container("db"), here(site, "COLOR")
    set_here(site, "COLOR", "cmd:printf green")
    said = site.inv("env.push")
    assert (there(site, "COLOR"), site.served(), "changed: COLOR" in said) == ("green", color, True)
    assert site.inside(f"stat -c %a {site.folder}/.env {site.folder}/.opslib/env/20*").split() == ["600", "600"]
    site.inv("env.push", "--restart")
    assert (site.served(), site.container("db")) == ("green", db), "what does not use it runs on"
    set_here(site, "COLOR", "green")


@pytest.mark.full
def test_a_variable_with_which_nothing_becomes_healthy_goes_back(site: Site) -> None:
    color = here(site, "COLOR")
    set_here(site, "COLOR", "never")
    site.inv("env.push", "--restart", "--yes", code=1)
    assert (there(site, "COLOR"), site.served()) == (color, color)
    set_here(site, "COLOR", "cmd:printf blue")
    assert "change it there" in site.inv("env.pull", "--keys", "COLOR", code=2)
    set_here(site, "COLOR", color)
    assert_settled(site)


@pytest.mark.full
def test_what_somebody_has_changed_there_is_theirs(site: Site) -> None:
    site.inside(f"sed -i s/COLOR=.*/COLOR=theirs/ {site.folder}/.env")
    assert "inv env.pull" in site.inv("env.push", code=1)
    site.inv("env.pull", "--keys", "COLOR")
    assert here(site, "COLOR") == "theirs"
    site.inv("env.push", "--env", "here", "--restart")
    assert site.served() == "theirs"


@pytest.mark.full
def test_a_secret_of_no_database_is_renewed_in_what_runs(site: Site) -> None:
    db, old = site.container("db"), here(site, "COLOR")
    site.inv("env.rotate", "COLOR")
    assert site.served() == there(site, "COLOR") == here(site, "COLOR") != old
    assert site.container("db") == db
    assert_settled(site)


def test_a_password_is_renewed_everywhere_and_the_old_one_is_over(site: Site) -> None:
    old, web = here(site), site.container("web")
    before = (site.root / ".env").read_text()
    said = site.inv("env.rotate", "DB_PASSWORD")
    new = here(site)
    assert "user app of db" in said and old not in said and new not in said
    assert (new != old, takes(site, old), site.container("web")) == (True, False, web)
    assert (takes(site, new), logs_in(site)) == (True, True)
    holding = f"cd {site.folder} && grep -rlF -e {new} -e {old} .opslib | xargs stat -c '%a %n'"
    assert {line.split()[0] for line in site.inside(holding).splitlines()} == {"600"}
    after = (site.root / ".env").read_text()
    (site.root / ".env").write_text(before)
    assert "from before a rotation" in site.inv("deploy", "--yes", code=1)
    site.inv("env.pull", "--keys", "DB_PASSWORD,DATABASE_URL")
    assert (site.root / ".env").read_text() == after
    site.inv("rollback", "--yes")
    assert (there(site), takes(site, new)) == (new, True), "no rollback brings an old password back"
    site.inv("env.rotate", "DB_PASSWORD", "--undo")
    assert (here(site), takes(site, new)) == (old, False)
    assert_settled(site)


_ROTATE = """
import os, signal, sys
from pathlib import Path
from opslib.deploy.rotate.look import Options
from opslib.deploy.rotate import here as here_, steps as rotate
from opslib.events import StepEnded, StepStarted
from opslib.run.fleet import carry_out
from opslib.run.task import Task
from opslib.settings.load import load_host
from opslib.settings.model import Host
from opslib.target.connect import connect
from opslib.tasks._recovery import Recoveries

root, when, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
kinds = {"before": StepStarted, "after": StepEnded}


def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)


def tell(event):
    if isinstance(event, kinds.get(when, ())) and event.step == step:
        die()


if when == "in":  # the one step that is on this machine
    here_.write = die
options = Options("DB_PASSWORD", root, connect(Host(name="local", path=str(root))))
task = Task("env.rotate", lambda run: rotate.steps(run, options), known=Recoveries(), wait=60)
carry_out(task, [connect(load_host(root, "there"), tell)])
"""


@pytest.mark.parametrize(
    ("when", "step"),
    [
        pytest.param("before", "env file", marks=pytest.mark.full),
        pytest.param("before", "record", marks=pytest.mark.full),
        pytest.param("after", "rotate", marks=pytest.mark.full),
        pytest.param("before", "seal", marks=pytest.mark.full),
        pytest.param("in", "env file here", marks=pytest.mark.full),
    ],
)
def test_killed_between_two_steps_and_the_task_that_follows(site: Site, when: str, step: str) -> None:
    old = here(site)
    done = subprocess.run(
        [sys.executable, "-c", _ROTATE, str(site.root), when, step],
        env={**os.environ, "OPSLIB_SSH_CONFIG": str(site.config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, (done.stdout, done.stderr)
    assert here(site) == old
    site.inv("deploy", "--yes", "--wait", "2m")
    assert (here(site) == old) == (step != "env file here"), "it goes back, or all of it goes forward"
    assert_settled(site)


@pytest.mark.parametrize("seen", [pytest.param("rotating", marks=pytest.mark.full), "watching.*"])
def test_killed_while_the_database_is_told_and_services_start(site: Site, seen: str) -> None:
    """`rotating` is the intent, before the database knows; a watchdog says that it is up when it does."""
    old = here(site)
    rotate = site.start("env.rotate", "DB_PASSWORD")
    until(lambda: site.inside(f"ls {site.folder}/.opslib/{seen}") != "", 60, "it did not come so far")
    rotate.kill()
    ended(rotate, -signal.SIGKILL)
    if seen == "watching.*":
        until(lambda: not takes(site, old) and logs_in(site), 90, "the server did not go on by itself")
    assert "half done" in site.inv("deploy", "--yes", "--wait", "2m")
    assert here(site) == old
    assert_settled(site)
