"""Deploy, roll back and recover on real engines: in the project's folder, in another one here, and over SSH."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opslib.command import Secret, bash
from opslib.deploy import drift, history
from opslib.deploy.build import steps as build_steps
from opslib.deploy.logs import logs
from opslib.deploy.options import BuildOptions
from opslib.deploy.ps import ps
from opslib.deploy.push import steps as push_steps
from opslib.deploy.sizes import sizes
from opslib.errors import BadSettings
from opslib.events import Output
from opslib.images.revision import PATTERN
from opslib.images.ship import ship
from opslib.migrate.steps import RECOVERIES as MIGRATIONS
from opslib.migrate.steps import Options as MigrateOptions
from opslib.migrate.steps import status as migrate_status
from opslib.migrate.steps import steps as migrate_steps
from opslib.run.fleet import carry_out, look_on
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.model import Build, Migrate
from opslib.settings.registry import Registry
from opslib.state import releases
from opslib.target.docker import docker
from opslib.target.transfer import put_bytes
from tests.conftest import ROOT, missing
from tests.lab.deploying import COMPOSE, DOCKERFILE, SECRET, Trial, killed_in, wait_for, with_

pytestmark = pytest.mark.lab


@pytest.fixture(params=["in place", "ssh"])
def trial(request: pytest.FixtureRequest, lab: dict[str, Any], tmp_path: Path) -> Iterator[Trial]:
    if request.param == "ssh":
        request.getfixturevalue("ssh_config")
        if not any(server["name"] == "one" for server in lab["servers"]):
            missing("the lab has no server `one`: run scripts/lab up")
    root = tmp_path / "proj 'é' $p"
    root.mkdir()
    made = Trial(root, request.param, f"dpl-{uuid.uuid4().hex[:8]}", lab["images_prefix"])
    made.create()
    yield made
    made.down()
    made.close()


@pytest.mark.both
def test_first_deploy_then_nothing_to_do(trial: Trial) -> None:
    result = trial.good(trial.deploy())
    assert trial.page("version") == "1"
    assert [one.outcome for one in trial.releases()] == ["good"]
    before = trial.ids()
    record = trial.deploy()
    trial.good(record)
    assert (trial.steps(record), trial.ids(), record.hosts[0].changed) == ([], before, False)
    assert record.hosts[0].result["release"] == result["release"]
    print("no-change", record.seconds)
    trial.git("commit", "-q", "--allow-empty", "-m", "nothing")
    assert trial.steps(trial.deploy()) == [], "a commit that changes nothing"
    trial.good(trial.deploy(build=True))
    assert trial.ids() == before, "an image that says another commit, and is the same"
    if trial.kind == "ssh":
        tags = trial.docker("image", "ls", "--format", "{{.Tag}}", f"{trial.name}-web").split()
        assert not any(re.fullmatch(PATTERN, tag) for tag in tags), "versions stay where they were built"
    assert trial.steps(trial.deploy()) == []


def test_changed_code_recreates_what_it_must(trial: Trial) -> None:
    first = trial.good(trial.deploy())["release"]
    before = trial.ids()
    trial.write("web app/version", "2")
    (trial.root / "gone.txt").unlink()
    trial.write("new file", "new")
    trial.git("add", "-A")
    trial.git("commit", "-qm", "Second version")
    trial.write("web app/more", "not committed")
    trial.git("add", "-A")
    plan = trial.good(trial.deploy(plan=True))
    assert set(plan["changes"]["recreate"]) == {"web"}
    found = plan["diff"]["services"]["web"]
    assert [found["what"], found["commits"]["count"], found["commits"]["newest"][0][8:]] == [
        "recreate", 1, "Second version",
    ]  # fmt: skip
    assert plan["diff"]["unchecked"] == ["side"]
    assert (plan["diff"]["send"]["images"] or 0) < 20_000, "the image here is the one that is there"
    assert any(one["step"] == "tag" and "after the build" in one["what"] for one in plan["plan"])
    assert trial.ids() == before
    result = trial.good(trial.deploy())
    assert trial.page("version") == "2"
    after = trial.ids()
    assert (after["web"] != before["web"], after["side"]) == (True, before["side"])
    assert trial.sh("ls").split("\n").count("gone.txt") == 0
    assert trial.sh("cat -- 'new file'") == "new"
    known = trial.releases()
    assert [one.id for one in known] == [first, result["release"]]
    assert known[1].dirty
    assert known[1].commit
    assert known[0].images["side"].tag == known[1].images["side"].tag
    assert known[0].images["web"].tag != known[1].images["web"].tag
    assert trial.steps(trial.deploy()) == []


@pytest.mark.both
def test_a_changed_mounted_file_recreates_only_its_service(trial: Trial) -> None:
    trial.good(trial.deploy())
    before = trial.ids()
    trial.write("conf $x/site.conf", "two")
    record = trial.deploy()
    trial.good(record)
    after = trial.ids()
    assert (after["web"] != before["web"], after["side"]) == (True, before["side"])
    assert trial.page("site.conf") == "two"
    assert "build" not in trial.steps(record)
    assert trial.steps(trial.deploy()) == []


def test_a_changed_variable_names_its_key_and_no_value(trial: Trial) -> None:
    trial.good(trial.deploy())
    trial.env(COLOR="green-as-grass", NEW="x")
    plan = trial.good(trial.deploy(plan=True))
    assert plan["changes"]["env"] == {"added": ["NEW"], "changed": ["COLOR"], "removed": []}
    assert "COLOR" in plan["changes"]["recreate"]["web"]
    assert "green-as-grass" not in str(plan)
    trial.good(trial.deploy())
    assert "COLOR=green-as-grass" in trial.docker("inspect", trial.ids()["web"])
    assert trial.sh("stat -c %a .env .opslib/releases/*/env .opslib/releases/*/stack.yml").split()[1:] == ["600"] * 4
    assert SECRET not in trial.sh(
        "cat .opslib/journal.jsonl .opslib/releases/*/release.json; cat .opslib/run.log || true"
    )


@pytest.mark.both
def test_health_that_never_comes_puts_the_old_release_back(trial: Trial) -> None:
    first = trial.good(trial.deploy())["release"]
    (trial.root / "web app/healthy").unlink()
    trial.write("web app/version", "broken")
    trial.write("conf $x/site.conf", "broken")
    trial.write(
        "web app/Dockerfile",
        DOCKERFILE.replace('CMD ["httpd"', 'CMD ["sh", "-c", "echo last words; exec httpd \\"$@\\"", "x"'),
    )
    record = trial.deploy()
    what = trial.bad(record)
    assert "web" in what
    assert "last words" in what
    assert (trial.page("version"), trial.page("site.conf")) == ("1", "one")
    assert trial.look().service("web")[0].health == "healthy"
    assert [one.outcome for one in trial.releases()] == ["good", "failed"]
    assert releases.current(trial.releases()).id == first  # type: ignore[union-attr]
    assert first in trial.notes()
    if trial.kind == "ssh":
        assert trial.sh("cat 'web app/version'") == "1"
    assert trial.sh("ls -A .opslib").split("\n").count("run.log") == 0
    assert not [one for one in trial.sh("ls -A .opslib").split() if one.startswith("armed")]
    trial.git("checkout", "-q", ".")
    trial.good(trial.deploy())
    assert trial.steps(trial.deploy()) == []


def test_a_version_that_passes_its_check_and_crashes_after_seconds_goes_back(trial: Trial) -> None:
    trial.good(trial.deploy())
    trial.change(deploy=with_(trial.host, stable=6))
    trial.write("web app/version", "crashes")
    crash = 'CMD ["sh", "-c", "httpd \\"$@\\" & sleep 3; echo last words; exit 7", "x"'
    trial.write("web app/Dockerfile", DOCKERFILE.replace('CMD ["httpd"', crash))
    what = trial.bad(trial.deploy())
    assert "it ended with exit code 7" in what
    assert "last words" in what
    assert trial.page("version") == "1"
    assert [one.outcome for one in trial.releases()] == ["good", "failed"]


def test_a_first_deploy_that_fails_leaves_no_container(trial: Trial) -> None:
    (trial.root / "web app/healthy").unlink()
    trial.git("add", "-A")
    trial.bad(trial.deploy())
    assert trial.look().containers == ()
    trial.git("checkout", "-q", "HEAD", "--", ".")
    trial.good(trial.deploy())


def test_a_stack_started_by_hand_is_adopted_and_comes_back(trial: Trial) -> None:
    trial.sh("mkdir -p uploads 'conf $x'; printf hand >uploads/data; printf zero >'conf $x/site.conf'")
    env = f"IMAGES={trial.images}\nCOLOR=hand\nSECRET={SECRET}\n"
    compose = (
        COMPOSE.replace("$x", "$$x")
        .replace('build: {context: web app, args: {IMAGES: "${IMAGES}"}}', "image: ${IMAGES}busybox:1")
        .replace("[CMD, test, -e, /srv/healthy]", '[CMD, "true"]')
        .replace("    environment: {COLOR", '    command: [sleep, "10000"]\n    environment: {COLOR')
    )
    if trial.kind == "ssh":
        trial.here.run(docker(trial.here.host, "version"))
        ship(trial.here, trial.target, [f"{trial.images}busybox:1"])
    put_bytes(trial.target, compose.encode(), f"{trial.target.root}/compose.yml")
    put_bytes(trial.target, env.encode(), f"{trial.target.root}/.env")
    trial.sh('docker compose -p "$1" up -d 2>&1', trial.name)
    if trial.kind == "in place":
        trial.git("checkout", "-q", ".")
        trial.env()
    before = trial.ids()
    if trial.kind == "ssh":
        what = trial.bad(trial.deploy())
        assert ".env is there and no release wrote it" in what
        assert "changed: COLOR" in what
        assert trial.ids() == before
    record = trial.deploy(env="here")
    trial.good(record)
    assert "adopt" in trial.steps(record)
    known = trial.releases()
    assert (known[0].id, known[0].adopted, known[0].outcome) == ("0", True, "good")
    assert trial.page("uploads/data") == "hand"
    assert trial.page("version") == "1"
    if trial.kind == "in place":
        assert "the compose files have changed since" in trial.notes()
        return
    trial.good(trial.rollback(env="here"))
    assert trial.page("site.conf") == "zero"
    assert "COLOR=hand" in trial.docker("inspect", trial.ids()["web"])
    assert trial.docker("inspect", "--format", "{{.Config.Cmd}}", trial.ids()["web"]) == "[sleep 10000]"
    trial.good(trial.rollback(env="here"))
    assert trial.page("version") == "1"


def test_a_new_empty_volume_beside_the_old_one_is_refused(trial: Trial) -> None:
    trial.change(project=None)
    root = trial.target.root
    other = f"{trial.name}-old"
    trial.docker(
        "volume",
        "create",
        "--label",
        f"com.docker.compose.project={other}",
        "--label",
        "com.docker.compose.volume=data",
        f"{other}_data",
    )
    try:
        what = trial.bad(trial.deploy())
        assert f"{other}_data" in what
        assert trial.target.root == root
        assert trial.deploy().hosts[0].error["next"].count(f"`project: {other}`") == 1  # type: ignore[index]
        assert trial.look().containers == ()
    finally:
        trial.docker("volume", "rm", f"{other}_data")


@pytest.mark.parametrize("trial", ["ssh"], indirect=True)
def test_variables_changed_on_the_server_are_not_written_over(trial: Trial) -> None:
    trial.good(trial.deploy())
    trial.sh("sed -i 's/blue/rotated/' .env")
    trial.env(COLOR="red")
    record = trial.deploy()
    what = trial.bad(record)
    assert "changed: COLOR" in what
    assert "rotated" not in what
    assert "--env there" in record.hosts[0].error["next"]  # type: ignore[index]
    trial.good(trial.deploy(env="there"))
    assert "COLOR=rotated" in trial.docker("inspect", trial.ids()["web"])
    assert trial.steps(trial.deploy()) == []
    trial.env(COLOR="yellow")
    trial.bad(trial.deploy())
    trial.good(trial.deploy(env="here"))
    assert "COLOR=yellow" in trial.docker("inspect", trial.ids()["web"])


def test_what_is_refused_before_anything_is_touched(trial: Trial) -> None:
    good = (trial.root / "compose.yml").read_text()
    for compose, code, words in (
        (good.replace("    init: true", "    inot: true"), 2, "inot"),
        (good.replace("${COLOR}", "${COLOUR_UNSET}"), 2, "COLOUR_UNSET"),
        (
            good.replace("side:\n    image: ${IMAGES}busybox:1", "side:\n    image: no-such-image-anywhere:9"),
            1,
            "no-such-image-anywhere:9",
        ),
        (good + ":\n  - no yaml", 2, "compose.yml:"),
    ):
        trial.write("compose.yml", compose)
        what = trial.bad(trial.deploy(), code)
        assert words in what, what
        assert trial.look().containers == ()
    trial.write("compose.yml", good)
    if trial.kind == "ssh":
        trial.change(build=Build(platform="linux/s390x"))
        assert "web would be built for linux/s390x, and the server is" in trial.bad(trial.deploy())
        trial.change(build=Build())
    (trial.root / "compose.yml").unlink()
    assert "no compose file" in trial.bad(trial.deploy(), 2)
    trial.write("compose.yml", good)
    assert trial.sh("ls -A").split() in ([".opslib"], []) or trial.kind == "in place"


def test_a_port_that_somebody_has(trial: Trial) -> None:
    trial.docker("run", "-d", "--name", f"{trial.name}-holder", "-p", "127.0.0.1:38461:80", *_sleeper(trial))
    try:
        compose = (trial.root / "compose.yml").read_text()
        trial.write(
            "compose.yml", compose.replace("    environment:", '    ports: ["38461:8000"]\n    environment:', 1)
        )
        what = trial.bad(trial.deploy())
        assert f"38461, which container {trial.name}-holder has" in what
    finally:
        trial.docker("rm", "-f", f"{trial.name}-holder")
    trial.good(trial.deploy())
    trial.good(trial.deploy(redeploy=True))


def _sleeper(trial: Trial) -> list[str]:
    if trial.kind == "ssh":
        ship(trial.here, trial.target, [f"{trial.images}busybox:1"])
    return [f"{trial.images}busybox:1", "sleep", "1000"]


def test_data_stay(trial: Trial) -> None:
    trial.sh("mkdir -p uploads other; printf mine >uploads/photo; printf mine >other/thing")
    trial.write("uploads/photo", "from the laptop") if trial.kind == "ssh" else None
    trial.git("add", "-f", "uploads/photo")
    trial.good(trial.deploy())
    assert trial.sh("cat uploads/photo other/thing") == "minemine"
    if trial.kind == "ssh":
        assert "left alone" in trial.notes()
        assert trial.steps(trial.deploy()) == []
    trial.git("rm", "-q", "--cached", "uploads/photo")
    trial.write("web app/version", "2")
    trial.good(trial.deploy())
    trial.good(trial.rollback())
    assert trial.sh("cat uploads/photo other/thing") == "minemine"
    trial.sh("printf new >uploads/later")
    before, compose = trial.ids(), (trial.root / "compose.yml").read_text()
    trial.write("compose.yml", compose.replace("data:/data", "fresh:/data").replace("{data: {}}", "{fresh: {}}"))
    what = trial.bad(trial.deploy())
    assert f"empty volume {trial.name}_fresh in place of volume {trial.name}_data" in what
    trial.write("compose.yml", compose.replace(', "./uploads:/srv/uploads"', ""))
    assert f"no service would have {trial.target.root}/uploads" in trial.bad(trial.deploy())
    assert trial.ids() == before
    trial.good(trial.deploy(orphan=("uploads",)))
    trial.write("compose.yml", compose)
    trial.docker("rm", "-f", trial.ids()["side"])
    trial.docker("volume", "rm", f"{trial.name}_data")
    assert f"gone: volume {trial.name}_data of side (at /data)" in trial.bad(trial.deploy())
    trial.docker("volume", "create", f"{trial.name}_data")
    trial.change(project=f"{trial.name}x")
    record = trial.deploy()
    assert f"{trial.name}x_data in place of volume {trial.name}_data" in trial.bad(record)
    assert f"`project: {trial.name}`" in record.hosts[0].error["next"]  # type: ignore[index]


@pytest.mark.both
def test_rollback_and_back_again(trial: Trial) -> None:
    def color() -> str:
        found = re.search(r"COLOR=(\w+)", trial.docker("inspect", trial.ids()["web"]))
        return found[1] if found else ""

    one = trial.good(trial.deploy())["release"]
    trial.write("web app/version", "2")
    trial.write("conf $x/site.conf", "two")
    trial.env(COLOR="red")
    two = trial.good(trial.deploy())["release"]
    plan = trial.good(trial.rollback(plan=True))
    assert (plan["to"], plan["release"]) == (one, two)
    three = trial.good(trial.rollback())["release"]
    assert (trial.page("version"), trial.page("site.conf")) == ("1", "one")
    last = trial.releases()[-1]
    assert (last.id, last.rollback_of, last.restored) == (three, two, one)
    trial.good(trial.rollback())
    assert (trial.page("version"), trial.page("site.conf")) == ("2", "two")
    trial.good(trial.rollback(to=one))
    assert (trial.page("version"), trial.page("site.conf"), color()) == ("1", "one", "blue")
    if trial.kind == "in place":
        assert (trial.root / "conf $x/site.conf").read_text() == "two"
    assert trial.good(trial.deploy())["release"]
    assert (trial.page("version"), trial.page("site.conf"), color()) == ("2", "two", "red"), "all of what is here"
    trial.good(trial.rollback())
    trial.env(COLOR="green")
    assert trial.good(trial.deploy())["release"]
    assert color() == "green"
    what = trial.bad(trial.rollback(to="nonsense"), 2)
    assert "no release" in what


def test_the_commands_of_a_release_bring_it_back_by_hand(trial: Trial) -> None:
    one = trial.good(trial.deploy())["release"]
    trial.write("web app/version", "2")
    trial.write("conf $x/site.conf", "two")
    trial.env(COLOR="second")
    trial.good(trial.deploy())
    commands = releases.by_hand(trial.target, releases.find(trial.releases(), one, "x"))
    trial.target.run(bash("\n".join(["set -e", *commands, ":"]), limit=120))
    assert trial.page("version") == "1"
    assert "COLOR=blue" in trial.docker("inspect", trial.ids()["web"])
    if trial.kind == "ssh":
        assert trial.page("site.conf") == "one"
    record = trial.deploy(env="here")
    trial.good(record)
    assert trial.page("version") == "2"


def test_old_releases_go_and_what_can_be_gone_back_to_stays(trial: Trial) -> None:
    trial.change(deploy=with_(trial.host, keep_releases=2))
    for version in "12345":
        trial.write("web app/version", version)
        trial.good(trial.deploy())
    known = trial.releases()
    assert len(known) == 2
    tags = trial.docker("image", "ls", "--format", "{{.Tag}}", f"{trial.name}-web").split()
    assert sorted(tag for tag in tags if tag.startswith("opslib-")) == sorted(
        one.images["web"].tag.split(":")[1] for one in known
    )
    trial.good(trial.rollback())
    assert trial.page("version") == "4"
    assert trial.sh("ls .opslib/staging | wc -l") == "0"


def test_services_come_and_go(trial: Trial) -> None:
    trial.good(trial.deploy())
    compose = (trial.root / "compose.yml").read_text()
    trial.write("compose.yml", compose.replace("  side:", "  other:"))
    trial.good(trial.deploy())
    assert set(trial.ids()) == {"web", "other"}
    trial.good(trial.rollback())
    assert set(trial.ids()) == {"web", "side"}


def served(trial: Trial) -> str:
    """The version that answers just now; "" while containers come and go."""
    found = trial.look().service("web")
    return trial.docker("exec", found[0].id, "cat", "/srv/version", check=False) if found else ""


@pytest.mark.parametrize(
    ("trial", "when"),
    [
        ("in place", "up"),
        ("in place", "health"),
        *(("ssh", when) for when in ("files", "record", "up", "health", "seal")),
    ],
    indirect=["trial"],
)
def test_killed_in_the_middle_and_the_run_that_follows(trial: Trial, when: str) -> None:
    first = trial.good(trial.deploy())["release"]
    trial.write("web app/version", "2")
    trial.write("conf $x/site.conf", "two")
    killed_in(trial, when)
    if when in ("up", "health"):
        wait_for(lambda: served(trial) == "1", 60)
    elif when != "seal":
        assert trial.page("version") == "1"
    trial.write("web app/healthy", "still")
    result = trial.good(trial.deploy())
    assert "had left half done" in trial.notes()
    assert (trial.page("version"), trial.page("site.conf")) == ("2", "two")
    assert len(trial.look().containers) == 2
    known = trial.releases()
    assert (known[0].id, known[-1].id, known[-1].outcome) == (first, result["release"], "good")
    assert trial.steps(trial.deploy()) == []


def with_migration(trial: Trial, up: str) -> None:
    compose = COMPOSE.replace("$x", "$$x").replace('"./uploads:/srv/uploads"', '"./uploads:/srv/uploads", "data:/data"')
    trial.write("compose.yml", compose.replace("    init: true", "    depends_on: [side]\n    init: true", 1))
    spec = Migrate(service="web", up=("sh", "-c", up), status=("sh", "-c", "cat /data/revision 2>/dev/null || true"))
    trial.change(migrate=spec)


def test_a_migration_runs_in_the_new_image_and_is_named_when_the_deploy_fails(trial: Trial) -> None:
    with_migration(trial, "echo migrating; cp /srv/version /data/revision")
    record = trial.deploy()
    result = trial.good(record)
    assert (
        trial.steps(record).index("databases") < trial.steps(record).index("migrate") < trial.steps(record).index("up")
    )
    assert result["migration"] == {"before": None, "after": "1"}
    assert "migrating" in [one.line for one in trial.events if isinstance(one, Output)]
    side = trial.ids()["side"]
    trial.write("conf $x/site.conf", "two")
    record = trial.deploy()
    trial.good(record)
    assert "migrate" not in trial.steps(record)
    trial.write("web app/version", "2")
    (trial.root / "web app/healthy").unlink()
    trial.bad(trial.deploy())
    assert trial.page("version") == "1"
    assert "the schema is at 2 and was at 1: a migration is not undone" in trial.notes()
    assert trial.ids()["side"] == side
    trial.write("web app/healthy", "again")
    assert trial.good(trial.deploy())["migration"] == {"before": "2", "after": "2"}
    trial.good(trial.rollback())
    assert "the schema stays at 2" in trial.notes()
    asked: list[str] = []

    def migrate(**given: Any) -> Record:
        options = MigrateOptions(trial.root, confirm=lambda question, target: asked.append(question), **given)
        task = Task("migrate.up", lambda run: migrate_steps(run, options), known=MIGRATIONS)
        return carry_out(task, [trial.target])

    assert trial.good(migrate())["after"] == "1"
    live = trial.releases()[-1]
    assert (live.revision, live.migration) == ("1", {"before": "2", "after": "1"})
    assert "has no `migrate: {down: …}`" in trial.bad(migrate(kind="down"), 2)
    spec = msgspec.structs.replace(trial.host.migrate, down=("sh", "-c", "echo $0 >/data/revision", "{to}"))
    trial.change(migrate=spec)
    assert "needs --to" in trial.bad(migrate(kind="down"), 2)
    trial.good(migrate(kind="down", to="0"))
    assert "is at 1. Turn it back with sh -c" in asked[0]
    found = look_on("migrate.status", [trial.target], lambda run: migrate_status(run, MigrateOptions(trial.root)))
    result = trial.good(found)
    assert (result["revision"], result["recorded"], result["pending"]) == ("0", "0", None)


def test_a_migration_that_fails_leaves_the_old_release_alone(trial: Trial) -> None:
    with_migration(trial, "cat /srv/version; [ $(cat /srv/version) = 1 ]")
    trial.good(trial.deploy())
    before = trial.ids()
    trial.write("web app/version", "2")
    what = trial.bad(trial.deploy())
    assert "the migration ended with 1; the schema is as it was, at no revision" in what
    assert "| 2" in what
    assert trial.ids() == before


@pytest.mark.parametrize("trial", ["ssh"], indirect=True)
def test_built_on_the_server(trial: Trial) -> None:
    ship(trial.here, trial.target, [f"{trial.images}busybox:1"])
    given = BuildOptions(trial.root, trial.here, ("web",), on="remote")
    record = carry_out(Task("build", lambda run: build_steps(run, given)), [trial.target])
    assert trial.good(record)["images"]["web"]["before"] is None
    assert trial.docker("run", "--rm", f"{trial.name}-web", "cat", "/srv/version") == "1"
    assert trial.sh("ls -A; ls .opslib/staging") == ".opslib"
    trial.change(build=Build(on="remote"), files=())
    trial.good(trial.deploy())
    assert trial.page("version") == "1"
    assert trial.name + "-web" not in trial.here.run(docker(trial.here.host, "image", "ls")).text
    trial.write("web app/version", "2")
    trial.good(trial.deploy())
    assert trial.page("version") == "2"
    assert trial.steps(trial.deploy()) == []


@pytest.mark.parametrize("trial", ["in place"], indirect=True)
def test_what_was_built_is_pushed_under_its_tag_and_its_version(trial: Trial) -> None:
    done = subprocess.run([str(ROOT / "scripts/lab"), "registry", "--json"], capture_output=True, text=True)
    if done.returncode:
        missing(f"no registry: {done.stderr}")
    lab = json.loads(done.stdout)["registry"]
    given = BuildOptions(trial.root, trial.here)

    def run(name: str, steps: Callable[..., Any]) -> Record:
        return carry_out(Task(name, lambda run: steps(run, given)), [trial.target])

    assert "no registry is configured" in trial.bad(run("build.push", push_steps), 2)
    address = f"{lab['address']}/{trial.name}"
    trial.change(registry=Registry(address=address, user=lab["user"], password=Secret(lab["password"])))
    assert "web has no image on local yet" in trial.bad(run("build.push", push_steps))
    version = trial.good(run("build", build_steps))["version"]
    pushed = trial.good(run("build.push", push_steps))["pushed"]
    name = f"{trial.name}-web"
    assert [one["image"] for one in pushed] == [f"{address}/{name}", f"{address}/{name}:{version}"]
    assert len({one["digest"] for one in pushed}) == 1
    base64ed = base64.b64encode(f"{lab['user']}:{lab['password']}".encode()).decode()
    where = f"http://{lab['address']}/v2/{trial.name}/{name}"
    headers = {
        "Authorization": f"Basic {base64ed}",
        "Accept": "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json",
    }
    for path in ("tags/list", f"manifests/{pushed[0]['digest']}"):
        asked = urllib.request.Request(f"{where}/{path}", headers=headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            said = json.load(answer)
        assert path.startswith("manifests") or sorted(said["tags"]) == [version, "latest"]


@pytest.mark.parametrize("trial", ["local"], indirect=True)
def test_another_folder_on_this_machine(trial: Trial) -> None:
    trial.good(trial.deploy())
    trial.write("web app/version", "2")
    trial.good(trial.deploy())
    assert trial.page("version") == "2"
    assert trial.sh("cat 'web app/version'; stat -c %a .env").split() == ["2600"]
    trial.good(trial.rollback())
    assert trial.page("version") == "1"


def test_ps_logs_build_and_releases(trial: Trial) -> None:
    one = trial.good(trial.deploy())["release"]
    found = look_on("ps", [trial.target], ps).hosts[0].result
    assert [(row["service"], row["state"], row["health"], row["release"]) for row in found["services"]] == [
        ("side", "running", "", one), ("web", "running", "healthy", one)
    ]  # fmt: skip
    assert list(logs(trial.target, service="web", since="1d")) == []
    with pytest.raises(BadSettings, match="did you mean 'side'"):
        list(logs(trial.target, service="sid"))
    given = BuildOptions(trial.root, trial.here)
    trial.write("web app/version", "2")
    record = carry_out(Task("build", lambda run: build_steps(run, given)), [trial.target])
    assert trial.good(record)["images"]["web"]["bytes"] > 0
    assert re.fullmatch(PATTERN, trial.good(record)["version"])
    assert "changes that are not committed" in trial.notes()
    assert trial.page("version") == "1"
    sized = look_on("build.sizes", [trial.target], lambda run: sizes(run, given)).hosts[0]
    rows = {row["service"]: row for row in sized.result["images"]}
    assert rows["web"]["bytes"] > 0
    assert rows["web"]["released"] > 0
    assert rows["web"]["base"]["name"] == f"{trial.images}busybox:1"
    assert (rows["web"]["limit"], rows["side"]["base"], sized.code) == (None, None, 0)
    trial.change(build=Build(size_limit={"*": 1000}))
    record = look_on("build.sizes", [trial.target], lambda run: sizes(run, given))
    assert "above `size_limit`: web " in trial.bad(record, 3)
    listed = look_on("releases", [trial.target], history.history).hosts[0].result["releases"]
    assert [(row["id"], row["current"]) for row in listed] == [(one, True)]
    shown = look_on("releases", [trial.target], lambda run: history.show(run, one)).hosts[0].result
    assert SECRET not in str(shown)
    assert any("up --detach --no-build" in line for line in shown["by_hand"])
    assert (listed[0]["strategy"], listed[0]["brought"]) == ("recreate", ["side", "web"])
    checked = look_on("releases", [trial.target], drift.check)
    assert trial.good(checked)["drift"] == []
    trial.docker("rm", "-f", trial.ids()["side"])
    wanted = [{"kind": "service", "name": "side", "what": "has 0 of 1 containers"}]
    if trial.kind == "ssh":
        trial.sh("echo x >>new; echo >>gone.txt; echo B=1 >>.env")
        wanted += [{"kind": "file", "name": "gone.txt", "what": "was changed"},
                   {"kind": "env file", "name": ".env", "what": "was changed"}]  # fmt: skip
    checked = look_on("releases", [trial.target], drift.check)
    assert f"not as release {one} was: service side" in trial.bad(checked, 3)
    assert checked.hosts[0].result["drift"] == wanted
