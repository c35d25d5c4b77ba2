"""settle.bash itself, with a stand-in for `docker` that keeps containers as files, notes what nginx has read, and can end
everything at any of its calls: nginx never passes requests to a container that is not there."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opslib.command import bash
from opslib.deploy.strategies import roll
from opslib.settings.model import Host
from opslib.target.base import Target
from opslib.target.connect import connect

DOCKER = r"""#!/usr/bin/env bash
# The folder beside: containers/ID (its service), stopped/ID, read/ (what nginx has read), broken (its test fails),
# calls (how many are left before everything ends).
cd -- "$(dirname -- "$0")" || exit
if [[ -e calls ]]; then
  n=$(<calls)
  ((n > 0)) || kill -9 "$PPID"
  echo $((n - 1)) >calls
fi
case $1 in
  ps)
    for c in containers/*; do
      [[ $* != *compose.service=* || $* = *compose.service=$(<"$c")* ]] || continue
      [[ $* = *status=running* && -e stopped/${c##*/} ]] || echo "${c##*/}"
    done ;;
  exec)
    if [[ $3 = nginx ]]; then [[ ! -e broken ]]; exit; fi
    rm -rf read; cp -r pins read ;;
  stop) shift; for c; do : >"stopped/$c"; done ;;
  rm) shift; for c; do rm -f "stopped/$c" "containers/$c"; done ;;
esac || exit
# Nothing that nginx has read may lead to a container that is not there.
for f in read/*; do
  [[ -e $f ]] || continue
  for c in $(<"$f"); do
    [[ -e containers/$c && ! -e stopped/$c ]] || echo "$f leads to $c after $*" >>wrong
  done
done
exit 0
"""
PROXY = {"kind": "nginx", "name": "nginx", "words": ["nginx"]}
ROLL = {"old": {"web": ["w1", "w2"], "api": ["a1"], "job": ["j1"]}}
SERVICES = {"w1": "web", "w2": "web", "a1": "api", "j1": "job", "n": "nginx"}
OLD = {"w1", "w2", "a1", "j1", "n"}
NEW = {"w3", "w4", "a2", "j2", "n"}


class Machine:
    """The stand-in's folder, and the moves of a roll on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("containers", "stopped", "read", "pins"):
            (folder / name).mkdir()
        for container, service in SERVICES.items():
            (folder / "containers" / container).write_text(service)
        program = folder / "docker"
        program.write_text(DOCKER)
        program.chmod(0o755)
        self.target: Target = connect(Host(name="local", path=str(folder), docker=(str(program),)))
        self.roll: dict[str, Any] = {**ROLL, "proxy": {**PROXY, "folder": str(folder / "pins")}}

    def note(self, **texts: str) -> None:
        words = [word for name, text in texts.items() for word in (name.replace("__", "/"), text)]
        self.target.run(bash(roll._WRITE, roll.folder(self.target), *words))

    def settle(self, what: str, *services: str) -> bool:
        """Whether it came to its end."""
        command = roll.settle_command(self.target.host, roll.folder(self.target), what, "p", self.roll, *services)
        return self.target.run(command, check=False).ended.ok

    def begin(self) -> bool:
        self.note(web__old="w1 w2", api__old="a1", job__old="j1")
        self.target.run(bash('cd "$1"; echo w1 w2 >web/old.conf; echo a1 >api/old.conf; : >web/between.conf; '
                             ': >api/between.conf', roll.folder(self.target)))  # fmt: skip
        return self.settle("begin")

    def start(self, service: str, *containers: str) -> bool:
        for container in containers:
            (self.folder / "containers" / container).write_text(service)
        return True

    def healthy(self, service: str, new: str) -> bool:
        if service != "job":
            self.note(**{f"{service}__new.conf": new})
        self.note(**{f"{service}__new": new})
        return True

    @property
    def there(self) -> set[str]:
        return {path.name for path in (self.folder / "containers").iterdir()}

    @property
    def pins(self) -> list[str]:
        return [path.name for path in (self.folder / "pins").iterdir()]

    def pinned(self) -> set[str]:
        """What nginx has read that it passes requests to."""
        return {container for path in (self.folder / "read").iterdir() for container in path.read_text().split()}

    def clean(self) -> bool:
        return self.pins == [] and not Path(roll.folder(self.target)).exists() and not any(self.folder.glob("read/*"))

    def wrong(self) -> str:
        found = self.folder / "wrong"
        return found.read_text() if found.exists() else ""

    def calls(self, left: int | None) -> None:
        if left is None:
            (self.folder / "calls").unlink(missing_ok=True)
        else:
            (self.folder / "calls").write_text(str(left))


def moves(machine: Machine) -> list[Callable[[], bool]]:
    """A whole roll of three services, move by move."""
    found: list[Callable[[], bool]] = [machine.begin]
    for service, new in (("web", "w3 w4"), ("api", "a2"), ("job", "j2")):
        found += [
            lambda service=service, new=new: machine.start(service, *new.split()),  # type: ignore[misc]
            lambda service=service, new=new: machine.healthy(service, new),  # type: ignore[misc]
            lambda service=service: machine.settle("settle", service),  # type: ignore[misc]
        ]
    return [*found, lambda: machine.settle("close")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_roll_from_its_begin_to_its_end(machine: Machine) -> None:
    assert all(move() for move in moves(machine))
    assert (machine.there, machine.clean(), machine.wrong()) == (NEW, True, "")


def test_what_is_in_its_way_from_before_goes_at_the_begin(machine: Machine) -> None:
    machine.start("web", "w0")
    (machine.folder / "stopped/w0").touch()
    assert machine.begin()
    assert machine.there == OLD


@pytest.mark.parametrize("left", range(1, 25, 3))
def test_cut_off_at_any_call_it_is_cleared_up_whole(machine: Machine, left: int) -> None:
    """What the watchdog does, and the next run: each service is all old or all new, and nginx follows names again."""
    machine.calls(left)
    for move in moves(machine):
        if not move():
            break
    machine.calls(2)  # and the clearing up is cut off as well
    assert machine.settle("settle") in (True, False)
    machine.calls(None)
    assert machine.settle("settle")
    assert machine.settle("close")
    assert (machine.clean(), machine.wrong()) == (True, "")
    for old, new in (({"w1", "w2"}, {"w3", "w4"}), ({"a1"}, {"a2"}), ({"j1"}, {"j2"})):
        assert machine.there & (old | new) in (old, new)
    assert machine.settle("settle"), "once more does nothing"


def test_a_configuration_that_nginx_refuses_changes_nothing(machine: Machine) -> None:
    (machine.folder / "pins/opslib-web.conf").write_text("w1 w2")
    (machine.folder / "broken").touch()
    assert not machine.begin()
    assert (machine.pins, machine.there) == (["opslib-web.conf"], OLD)
    assert (machine.folder / "pins/opslib-web.conf").read_text().split() == ["w1", "w2"]
    (machine.folder / "broken").unlink()
    assert machine.settle("settle"), "nothing has begun"
    assert machine.settle("close")
    assert machine.clean()


def test_one_that_is_broken_meanwhile_leaves_both_versions_there(machine: Machine) -> None:
    assert machine.begin()
    machine.start("web", "w3", "w4")
    machine.healthy("web", "w3 w4")
    (machine.folder / "broken").touch()
    assert not machine.settle("settle", "web")
    assert {"w1", "w2", "w3", "w4"} <= machine.there
    (machine.folder / "broken").unlink()
    assert machine.settle("settle")
    assert machine.there & {"w1", "w2", "w3", "w4"} == {"w3", "w4"}
    assert machine.wrong() == ""


def test_both_versions_stay_and_either_can_serve(machine: Machine) -> None:
    """blue-green: what nginx is not told of goes at the switch; the rest goes back, or on."""
    for answer, there in (
        (["back"], {"w1", "w2", "a1", "j2", "n"}), (["turn", "back"], {"w1", "w2", "a1", "j2", "n"}),
        (["turn", "settle"], {"w1", "w2", "a1", "j2", "n"}), (["settle"], {"w3", "w4", "a2", "j2", "n"}),
        (["end"], {"w3", "w4", "a2", "j2", "n"}), (["turn", "end"], {"w1", "w2", "a1", "j2", "n"}),
    ):  # fmt: skip
        shutil.rmtree(machine.folder / "containers")
        (machine.folder / "containers").mkdir()
        for container, service in SERVICES.items():
            machine.start(service, container)
        assert machine.begin()
        for service, new in (("web", "w3 w4"), ("api", "a2"), ("job", "j2")):
            machine.start(service, *new.split())
            machine.healthy(service, new)
        assert machine.settle("switch", "web", "api", "job")
        assert (machine.there, machine.pinned()) == ((OLD | NEW) - {"j1"}, {"w3", "w4", "a2"})
        assert machine.settle("switch", "web", "api", "job"), "once more does nothing"
        for what in answer:
            assert machine.settle(what)
            if what == "turn":
                assert (machine.there, machine.pinned()) == ((OLD | NEW) - {"j1"}, {"w1", "w2", "a1"})
        assert machine.settle("close")
        assert (machine.there, machine.clean(), machine.wrong()) == (there, True, "")


def mixed(machine: Machine) -> list[Callable[[], bool]]:
    """A trial of two services, move by move: one new container of each gets its share, and answers are counted."""

    def mix() -> bool:
        machine.note(
            **{"web__mixed.conf": "w1 w2 w3", "api__mixed.conf": "a1 a2", "opslib.conf": "n", "opslib.log": "n"}
        )
        return machine.settle("mix", "web", "api")

    return [machine.begin, lambda: machine.start("web", "w3") and machine.start("api", "a2"), mix]


def test_both_versions_serve_while_one_is_tried(machine: Machine) -> None:
    assert all(move() for move in mixed(machine))
    assert machine.pinned() == {"w1", "w2", "w3", "a1", "a2", "n"}
    assert set(machine.pins) == {"opslib-web.conf", "opslib-api.conf", "opslib.conf", "opslib.log"}
    machine.start("web", "w4")
    machine.start("job", "j2")
    for service, new in (("web", "w3 w4"), ("api", "a2"), ("job", "j2")):
        machine.healthy(service, new)
    assert machine.settle("settle", "web", "api", "job")
    assert (machine.there, machine.pinned()) == (NEW, {"w3", "w4", "a2"}), "and nothing is counted any more"
    assert machine.settle("close")
    assert (machine.clean(), machine.wrong()) == (True, "")


@pytest.mark.parametrize("left", range(1, 18, 3))
def test_a_trial_that_is_cut_off_anywhere_goes_back(machine: Machine, left: int) -> None:
    machine.calls(left)
    for move in mixed(machine):
        if not move():
            break
    machine.calls(2)
    assert machine.settle("back") in (True, False)
    machine.calls(None)
    assert machine.settle("back")
    assert machine.settle("close")
    assert (machine.clean(), machine.wrong()) == (True, "")
    assert machine.there == OLD


def test_nothing_is_mixed_where_nginx_refuses_it(machine: Machine) -> None:
    begin, start, mix = mixed(machine)
    assert begin() and start()
    (machine.folder / "broken").touch()
    assert not mix()
    assert set(machine.pins) == {"opslib-web.conf", "opslib-api.conf"}
    assert machine.pinned() == {"w1", "w2", "a1"}
    assert (machine.folder / "pins/opslib-web.conf").read_text().split() == ["w1", "w2"]
    (machine.folder / "broken").unlink()
    assert machine.settle("back")
    assert machine.settle("close")
    assert (machine.there, machine.clean()) == (OLD, True)


def test_what_somebody_else_has_started_since_stays(machine: Machine) -> None:
    """By hand, while the old ones are on hold: the new ones are other ones now."""
    for gone in ({"w3", "w4"}, {"w3"}):
        machine.begin()
        machine.start("web", "w1", "w2", "w3", "w4")
        machine.healthy("web", "w3 w4")
        assert machine.settle("switch", "web")
        for container in gone:
            (machine.folder / "containers" / container).unlink()
        machine.start("web", "w5", "w6")
        assert machine.settle("end")
        left = {"w3", "w4", "w5", "w6"} - gone
        assert machine.there & {"w1", "w2", "w3", "w4", "w5", "w6"} == left | (
            {"w1", "w2"} if len(gone) == 2 else set()
        )
        assert machine.settle("close")


def test_a_hold_ends_though_nginx_was_broken_meanwhile(machine: Machine) -> None:
    machine.begin()
    machine.start("web", "w3", "w4")
    machine.healthy("web", "w3 w4")
    assert machine.settle("switch", "web")
    (machine.folder / "broken").touch()
    assert machine.settle("end", "web")
    assert machine.there & {"w1", "w2", "w3", "w4"} == {"w3", "w4"}
    assert not machine.settle("close"), "it is told, and nothing is written over"
    (machine.folder / "broken").unlink()
    assert machine.settle("end")
    assert machine.settle("close")
    assert (machine.clean(), machine.wrong()) == (True, "")


def test_a_hold_ends_after_a_reboot_when_what_serves_has_started(machine: Machine) -> None:
    machine.begin()
    machine.start("web", "w3", "w4")
    machine.healthy("web", "w3 w4")
    assert machine.settle("switch", "web")
    for container in ("w3", "w4"):
        (machine.folder / "stopped" / container).touch()
    rising = threading.Timer(1, lambda: (machine.folder / "stopped/w3").unlink())
    rising.start()
    assert machine.settle("end", "web")
    rising.join()
    assert machine.there & {"w1", "w2", "w3", "w4"} == {"w3", "w4"}


def test_nothing_goes_back_to_what_is_not_whole(machine: Machine) -> None:
    machine.begin()
    machine.start("web", "w3", "w4")
    machine.healthy("web", "w3 w4")
    machine.settle("switch", "web")
    (machine.folder / "stopped/w1").touch()
    assert machine.settle("back")
    assert machine.there & {"w1", "w2", "w3", "w4"} == {"w3", "w4"}


def test_without_a_proxy_only_containers_are_settled(machine: Machine) -> None:
    machine.roll = {**machine.roll, "proxy": None}
    shutil.rmtree(machine.folder / "pins")
    machine.note(job__old="j1")
    assert machine.settle("begin")
    machine.start("job", "j2")
    machine.healthy("job", "j2")
    assert machine.settle("settle", "job")
    assert machine.settle("close")
    assert machine.there & {"j1", "j2"} == {"j2"}
