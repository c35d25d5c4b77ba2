"""What `inv --list`, `--help` and completion say, and which options tasks have."""

import re
from pathlib import Path
from typing import get_args

import pytest
from invoke.program import Program

import opslib
from opslib.settings.model import ScheduledTask
from opslib.tasks import collection
from opslib.tasks.backup import ENGINES

CONTEXTS = {context.name: context for context in collection("/nowhere").to_contexts()}
CHANGING = {
    "deploy.up", "build.all", "build.push", "migrate.up", "migrate.down", "migrate.seed", "rollback",
    *(f"{done}.{name}" for done in ("backup", "restore") for name in ("all", *ENGINES, "sqlite", "volumes", "files")),
    "backup.prune", "backup.drill", "backup.push", "backup.pull", "restore.undo", "host.swarm", "env.push", "env.rotate",
    "deploy.proxy", "certbot.issue", "certbot.renew", "certbot.revoke", "certbot.delete",
    "host.provision",
}  # fmt: skip
HERE = {
    "cron.install",
    "cron.remove",
    "env.init",
    "env.pull",
    "host.init",
    "host.trust",
}  # they change this machine only, and take no lock
LOOKING = {
    "deploy.promote", "deploy.abort", "build.sizes", "migrate.status", "releases", "ps", "logs", "lint",
    "backup.coverage", "backup.list", "backup.show", "backup.verify", "backup.key",
    "cron.show", "cron.catchup", "env.check", "env.diff", "host.check", "host.list", "host.run", "scan.all", "scan.config", "scan.db",
    "scan.diff", "scan.report", "signals.test", "certbot.status",
}  # fmt: skip


SEED = """
import opslib
from invoke import task

ns = opslib.namespace()


@task
def seed(c):
    '''Fill it.'''
    print("root", c.config.opslib.root)


ns.add_task(seed)
"""


def test_all_tasks_are_there():
    assert set(CONTEXTS) == CHANGING | HERE | LOOKING


@pytest.mark.parametrize("name", sorted(CONTEXTS))
def test_options(name):
    flags = set(CONTEXTS[name].flags)
    wanted = {"--host", "--json", "--debug"}
    if name in CHANGING | HERE:
        wanted |= {"--plan", "--yes"}
    if name in ("cron.catchup", "lint"):  # cron calls the one: there is nobody to ask; the other asks nothing
        wanted |= {"--plan"}
    if name in CHANGING:
        wanted |= {"--wait"}
    common = {"--host", "--json", "--debug", "--plan", "--yes", "--wait"}
    assert flags & common == wanted
    assert all(flag.startswith("--") for flag in flags), "a short option would take one of Invoke's own, like -h"


def test_what_cron_may_run_has_signals():
    assert {name for name in CONTEXTS if "--signal" in CONTEXTS[name].flags} == {
        f"backup.{name}" for name in get_args(ScheduledTask)
    }


def test_every_option_is_explained():
    for context in CONTEXTS.values():
        for option, text in context.help_tuples():
            assert text, f"{context.name} {option}"


def test_every_task_says_in_one_line_what_it_does(project):
    done = project.inv("--list")
    assert done.code == 0
    lines = re.findall(r"(?m)^  (\S+(?: \(\w+\))?)  +(\S.*)$", done.out)
    assert len(lines) == len(CONTEXTS) == len(done.out.strip().split("\n")) - 2, "one line for each at 80 columns"


def test_help_of_a_task(project):
    done = project.inv("restore", "--help")
    assert done.code == 0
    for word in ("--file=STRING", "--no-safety-copy", "--host=STRING", "--plan", "safety copy"):
        assert word in done.out


def test_completion_knows_tasks_and_options(project):
    assert "backup.all" in project.inv("--complete", "--", "inv b").out
    assert "--no-safety-copy" in project.inv("--complete", "--", "inv restore --").out


def test_a_project_adds_its_own_tasks(project, capsys, monkeypatch):
    project.write("tasks.py", SEED)
    deep = project.root / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    Program().run(["inv", "seed"], exit=False)
    assert capsys.readouterr().out == f"root {project.root}\n"


@pytest.mark.parametrize("args", [["--list"], ["cron.show", "--help"]])
def test_listing_imports_nothing_heavy(project, args):
    project.write("tasks.py", "import opslib, sys\nns = opslib.namespace()\nprint(*sys.modules)\n")
    loaded = set(project.inv(*args).out.split("\n")[0].split(" "))
    assert not loaded & {"fabric", "paramiko", "rich", "msgspec", "dotenv", "cryptography"}
    assert {name for name in loaded if name.startswith("opslib.")} == {
        "opslib.tasks", *(f"opslib.tasks.{name}" for name in ("_spec", "_task", "_backup_proof", "_backup_stores", "backup", "build", "certbot", "cron", "deploy", "env", "host", "lint", "migrate", "restore", "scan", "signals"))
    }  # fmt: skip


def test_what_messages_and_pages_say_to_type_is_there():
    root = Path(opslib.__file__).parents[1]
    texts = [*root.glob("opslib/**/*.py"), *root.glob("docs/*.md"), root / "README.md"]
    named = {name for path in texts for name in re.findall(r"\binv ([a-z]+\.[a-z]+)\b", path.read_text())}
    assert len(named) > 20
    assert named - set(CONTEXTS) == set()
