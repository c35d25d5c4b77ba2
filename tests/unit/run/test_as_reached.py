"""Hosts that are looked at as soon as they are reached: on this machine, through real shells."""

import threading

import pytest

from opslib.command import command
from opslib.errors import Refused, Unhealthy
from opslib.run.fleet import look_as_reached
from opslib.settings.model import Host
from opslib.target.local import Local


class Reaching:
    """Reaches this machine under any name; all that are let in together wait for each other, so that `most` counts
    them."""

    def __init__(self, together):
        self.most = self.now = 0
        self._guard, self._gate = threading.Lock(), threading.Barrier(together)

    def __call__(self, name):
        with self._guard:
            self.now += 1
            self.most = max(self.most, self.now)
        self._gate.wait(20)
        with self._guard:
            self.now -= 1
        return Local(Host(name=name, path="/"))


def look(run):
    run.result["said"] = run.target.run(command("echo", run.host)).text


@pytest.mark.parametrize(("machines", "most"), [(1, 8), (16, 16)])
def test_only_hosts_behind_one_machine_wait_for_each_other(machines, most):
    reach = Reaching(most)
    record = look_as_reached("x", {f"h{n:02}": str(n % machines) for n in range(16)}, reach, look)
    assert reach.most == most
    assert [(one.host, one.result["said"], one.round_trips) for one in record.hosts] == [
        (f"h{n:02}", f"h{n:02}", 1) for n in range(16)
    ]


def test_what_goes_wrong_is_of_that_host():
    def reach(name):
        if name == "down":
            raise Refused("nobody there", host=name)
        return Local(Host(name=name, path="/"))

    def judge(run):
        look(run)
        if run.host == "ill":
            raise Unhealthy("it is ill", host=run.host)

    record = look_as_reached("x", dict.fromkeys(("down", "ill", "well"), "m"), reach, judge)
    down, ill, well = record.hosts
    assert (down.code, down.error["what"], down.result) == (1, "nobody there", {})
    assert (ill.code, ill.result["said"], ill.round_trips) == (3, "ill", 1)
    assert (well.ok, record.exit) == (True, 1)
