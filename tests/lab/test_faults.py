"""What happens when the line, the controller or the lock is not there, seen from the command line as a user sees it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.command import bash
from opslib.target.lock import locked
from tests.conftest import missing
from tests.lab import still_stack
from tests.lab.fleets import Fleet, fleet_on
from tests.lab.site import MARK, Site, ended, fault, inside, own_server, site_on, until

pytestmark = pytest.mark.lab
SERVER = "faults"
# What a server need not have. Everything else that the scripts on it call is in `opslib.host.look.PROGRAMS`.
NOT_NEEDED = "awk gawk mawk sed grep egrep fgrep find xargs perl python3 zstd openssl curl wget rsync git"

HOLDING = """shopt -s globstar dotglob; for f in "$1"/.opslib/** "$1"/backups/**; do
  [[ -f $f && $(tr -d '\\0' <"$f") = *"$2"* ]] && echo "$f"; done; true"""
MODES = """shopt -s globstar dotglob; cd "$1" && stat -c %a .env .opslib/releases/**/{env,stack.yml}"""


@pytest.fixture(scope="module")
def server(lab: dict[str, Any]) -> dict[str, Any]:
    found = own_server(SERVER)
    gone = f'for p in {NOT_NEEDED}; do p=$(type -P "$p") && mv "$p" "$p.gone"; done; type -P {NOT_NEEDED}; true'
    assert inside(found, gone) == ""
    return found


@pytest.fixture
def site(server: dict[str, Any], lab: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    with site_on(tmp_path, lab["images_prefix"], server) as made:
        yield made
        fault(SERVER, "heal")


def test_the_line_is_cut_in_the_middle_of_a_deploy(site: Site) -> None:
    site.inv("deploy")
    assert site.served() == "blue"
    site.env("never")  # its check never passes: the deploy waits, the old containers are gone
    deploy = site.start("deploy", "--yes")
    until(lambda: site.served() == "never", 90, "the new version did not start")
    fault(SERVER, "cut")
    took = until(lambda: site.served() == "blue", 75, "nobody brought the old release back")
    assert took < 60
    fault(SERVER, "heal")
    ended(deploy, 1)
    site.env("green")
    site.inv("deploy", "--wait", "2m", "--yes")
    assert site.served() == "green"


def test_the_controller_is_killed_in_the_middle_of_a_deploy(site: Site) -> None:
    site.inv("deploy")
    site.env("never")
    deploy = site.start("deploy", "--yes")
    until(lambda: site.served() == "never", 90, "the new version did not start")
    deploy.kill()
    ended(deploy, -signal.SIGKILL)
    until(lambda: site.served() == "blue", 60, "nobody brought the old release back")
    site.env("green")
    said = site.inv("deploy", "--wait", "2m", "--yes")
    assert "left half done" in said
    assert site.served() == "green"
    assert site.inside(f"docker ps -aq -f label=com.docker.compose.project={site.name} | wc -l") == "2"


def test_the_line_is_cut_while_services_are_stopped_for_a_copy(
    server: dict[str, Any], lab: dict[str, Any], tmp_path: Path
) -> None:
    more = {"compose": still_stack.COMPOSE, "settings": still_stack.SETTINGS}
    with site_on(tmp_path, lab["images_prefix"], server, **more) as site:
        still_stack.prepare(site)
        with still_stack.copying(site):
            backup = site.start("backup.all")
            still_stack.wait_for_the_copy(site)
            fault(SERVER, "cut")
            try:
                until(lambda: still_stack.states(site) == still_stack.ALL_WELL, 90, "nobody brought them back")
            finally:
                fault(SERVER, "heal")
            ended(backup, 1)
        site.inv("backup.volumes", "--wait", "2m")
        assert still_stack.states(site) == still_stack.ALL_WELL
        assert len(site.sets()) == 1


def test_two_at_once_the_second_names_the_first(site: Site) -> None:
    site.inv("deploy")
    with locked(site.target, run="other", holder="anna@desk: deploy, since noon"):
        said = site.inv("backup.all", code=4)
        assert "anna@desk: deploy, since noon" in said
        waiting = site.start("backup.all", "--wait", "60s")
        line = ""
        assert waiting.stdout is not None
        while "waiting" not in line:
            line = waiting.stdout.readline()
            assert line, "it did not say that it waits"
        assert "anna@desk" in line
    ended(waiting)


# -- a fleet: five projects on two servers


@pytest.fixture(scope="module")
def fleet(server: dict[str, Any], lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """All of it serves blue."""
    one = next((found for found in lab["servers"] if found["name"] == "one"), None)
    if one is None:
        missing("the lab has no server `one`: run scripts/lab up")
    with fleet_on(tmp_path_factory.mktemp("fleet"), lab["images_prefix"], [one, server], 5) as made:
        made.inv("deploy", "--batch", "100%")
        yield made
        fault(SERVER, "heal")


def test_one_of_five_fails_and_all_serve_the_old_version_again(fleet: Fleet) -> None:
    before = {name: one["result"]["live"]["release"] for name, one in fleet.record("deploy").items()}
    fleet.paint("green", h04="dies")
    done = fleet.record("deploy", "--batch", "2", code=1)
    assert fleet.all("blue")
    assert {name: one["result"]["live"]["release"] for name, one in done.items()} == before
    assert {one["result"]["live"]["state"] for one in done.values()} == {"as before"}
    assert done["h01"]["error"]["what"] == "undone because h04 failed"
    done = fleet.record("deploy", "--batch", "2", "--max-failures", "1", code=1)
    assert [name for name, one in done.items() if one["ok"]] == ["h01", "h02", "h03", "h05"]
    assert fleet.served() == {**dict.fromkeys(fleet.on, "green"), "h04": "blue"}
    assert "failed on h04, which would go back one further" in fleet.inv("rollback", code=2)
    fleet.paint("green")
    fleet.inv("deploy")
    assert fleet.all("green")
    fleet.inv("rollback", "--to", before["h01"])
    assert fleet.all("blue")
    fleet.inv("rollback", "--max-failures", "1")
    assert fleet.all("green"), "a rollback of the rollback"
    live = {next(row["id"] for row in one["result"]["releases"] if row["current"])
            for one in fleet.record("releases").values()}  # fmt: skip
    assert len(live) == 1, "one release everywhere, by its name too"
    assert fleet.left() == []


def test_two_machines_deploy_to_the_same_fleet_at_once(fleet: Fleet, tmp_path: Path) -> None:
    other = fleet.elsewhere(tmp_path / "other", "red")
    fleet.paint("yellow")
    both = [fleet.start("deploy", "--batch", "5"), fleet.start("deploy", "--batch", "5", root=other)]
    said = [one.communicate(timeout=300)[0] for one in both]
    assert sorted(one.returncode for one in both) == [0, 4], said
    color = "yellow" if both[0].returncode == 0 else "red"
    assert fleet.all(color)
    assert "another run holds the lock" in said[1 - [one.returncode for one in both].index(0)]
    assert fleet.left() == []


def test_the_controller_of_a_fleet_is_killed(fleet: Fleet) -> None:
    before = fleet.color()
    fleet.paint("killed")
    deploy = fleet.start("deploy", "--batch", "2")
    until(lambda: fleet.served().get("h01") == "killed", 180, "the first host did not switch")
    deploy.kill()
    ended(deploy, -signal.SIGKILL)
    fleet.paint(before)  # nothing to do, but for what was left half done
    said = fleet.inv("deploy", "--wait", "2m")
    assert said.count("left half done") == 5
    assert fleet.all(before)
    assert fleet.left() == []


def test_one_of_two_servers_of_a_fleet_is_cut_off(fleet: Fleet) -> None:
    before = fleet.color()
    fleet.paint("cut")
    deploy = fleet.start("deploy", "--batch", "2")
    until(lambda: fleet.served().get("h01") == "cut", 180, "the first host did not switch")
    fault(SERVER, "cut")  # h02 and h04
    try:
        until(lambda: {"h01", "h03", "h05"} <= {name for name, color in fleet.served().items() if color == before},
              180, "the others wait for the one that is cut off")  # fmt: skip
    finally:
        fault(SERVER, "heal")
    ended(deploy, 1)
    fleet.inv("deploy", "--wait", "2m", "--batch", "100%")
    assert fleet.all("cut")
    assert fleet.left() == []


class Watch(threading.Thread):
    """Reads every command line of this machine; those of the lab's servers and their containers are among them."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self.rounds = 0
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.005):
            self.rounds += 1
            for pid in os.listdir("/proc"):
                if pid.isdigit():
                    try:
                        self.seen.add(Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace"))
                    except OSError:
                        continue

    def end(self) -> set[str]:
        self._over.set()
        self.join()
        return self.seen


def test_no_password_in_any_argv_log_journal_or_error(site: Site) -> None:
    watch = Watch()
    watch.start()
    said = [site.inv("deploy"), site.inv("backup.all", "--json")]
    said.append(site.inv("restore", "--file", "latest", "--yes", seconds=300))
    said += [site.inv("ps", "--json"), site.inv("releases", "--json")]
    said.append(site.inv("deploy", "--plan", "--debug"))
    site.inside(f"docker stop -t 1 {site.container('db')}")
    said.append(site.inv("backup.postgres", code=1))
    seen = watch.end()
    assert watch.rounds > 50
    assert any("pg_dump" in line for line in seen)
    assert [line for line in seen if MARK in line] == []
    assert [text for text in said if MARK in text] == []
    kept = site.target.run(bash(HOLDING, site.target.root, MARK)).lines
    assert any(name.endswith("/env") for name in kept)
    assert [name for name in kept if not name.endswith(("/env", "/stack.yml"))] == [], (
        "only a release's own files hold it"
    )
    modes = site.target.run(bash(MODES, site.target.root)).lines
    assert set(modes) == {"600"}
