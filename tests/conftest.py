"""Fixtures of all tests: hosts of the lab, and targets on them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from opslib.events import Event
from opslib.settings.model import Host
from opslib.settings.units import Address
from opslib.target.base import Target
from opslib.target.connect import connect
from tests.listener import listener

__all__ = ["listener"]

ROOT = Path(__file__).parent.parent
# The machine is busy with engines while properties are tried: a slow example is no failure.
settings.register_profile("quick", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=20)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=100)  # scripts/test, CI
settings.register_profile("long", settings.get_profile("quick"), max_examples=1000)  # scripts/torture readers
settings.load_profile("quick")
REQUIRED = os.environ.get("OPSLIB_LAB") == "require"


def missing(reason: str) -> None:
    """Skip, or fail where the lab is required."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


FULL = (
    "test_backup", "test_backup_first", "test_bare", "test_consistency", "test_coverage", "test_deploy",
    "test_drill", "test_encrypted", "test_moment", "test_mongo", "test_mysql", "test_offsite", "test_old", "test_only",
    "test_postgres", "test_qdrant", "test_redis", "test_restore", "test_rolling", "test_signals", "test_sources",
    "test_trees",
)  # fmt: skip
"""Modules that are long, and in which the way to the machine matters least: over SSH always, on this machine where
`--full` asks for it, a test is marked `both`, or it is made for this machine alone."""
KIND = re.compile(r"(?<=[\[-])(local|in place|ssh|jump)(?=-.*\]$|\]$)")


def kind_of(test: str) -> str:
    """`local`, `in place` (local, in the project's own folder), `ssh` or `jump` (ssh, through another machine), where a
    test's parameters say which target it is for."""
    found = KIND.search(test)
    return found[1] if found else ""


def pytest_addoption(parser: pytest.Parser) -> None:
    told = f"{', '.join(FULL)} on this machine too, not only over SSH; and what is marked `full`"
    parser.addoption("--full", action="store_true", help=told)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    known = {one.nodeid for one in items}
    left = {
        one
        for one in items
        if one.get_closest_marker("full")
        or (
            one.path.stem in FULL and kind_of(one.name) in ("local", "in place")
            and not one.get_closest_marker("both") and KIND.sub("ssh", one.nodeid) in known
        )
    }  # fmt: skip
    config.hook.pytest_deselected(items=list(left))
    items[:] = [one for one in items if one not in left]


def scope_of(nodeid: str) -> str:
    """What shares a stack: a module's tests on this machine, or those over SSH."""
    module, _, test = nodeid.partition("::")
    return f"{module} {kind_of(test)}".strip()


class ByStack(LoadScopeScheduling):
    """What shares a stack runs in one process. (xdist's own groups are lost with pytest 9.2, which no longer lets a
    plugin rename a test.)"""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByStack:
    return ByStack(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where the time goes: the modules that take a minute and more."""
    seconds: Counter[str] = Counter()
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        if isinstance(report, pytest.TestReport):
            seconds[scope_of(report.nodeid)] += round(report.duration)
    for scope, took in seconds.most_common():
        if took >= 60:
            terminalreporter.write_line(f"{took:6} s  {scope}")


@cache
def lab_facts() -> dict[str, Any]:
    """What `scripts/lab status --json` says; empty where it fails."""
    done = subprocess.run([str(ROOT / "scripts/lab"), "status", "--json"], capture_output=True, text=True, check=False)
    facts: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 and done.stdout else {}
    return facts


def lab_status() -> dict[str, Any] | None:
    """The lab's facts, or None without an engine."""
    return lab_facts() if lab_facts().get("engine") else None


@pytest.fixture(scope="session")
def lab() -> dict[str, Any]:
    """The lab's facts: engine, images_prefix, servers."""
    facts = lab_status()
    if facts is None:
        missing("no lab: run scripts/lab up")
    assert facts is not None
    return facts


@pytest.fixture(scope="session")
def ssh_config(lab: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ssh_config in which each server of the lab is known by its name; OPSLIB_SSH_CONFIG points to it."""
    lines = []
    for server in lab["servers"]:
        lines += [
            f"Host {server['name']}",
            f"  HostName {server['address']}",
            f"  Port {server['port']}",
            f"  User {server['user']}",
            f"  IdentityFile {server['key']}",
            "  IdentitiesOnly yes",
            f"  UserKnownHostsFile {server['known_hosts']}",
        ]
    path = tmp_path_factory.mktemp("ssh") / "config"
    for server in lab["servers"]:  # the same sshd by the server's own loopback, where only who is on it comes to
        known, (kind, key) = (
            path.with_name(f"known-{server['name']}"),
            Path(server["known_hosts"]).read_text().split()[1:3],
        )
        known.write_text(f"{server['name']}-inside {kind} {key}\n")
        lines += [
            f"Host {server['name']}-inside",
            "  HostName 127.0.0.1",
            f"  HostKeyAlias {server['name']}-inside",
            f"  User {server['user']}",
            f"  IdentityFile {server['key']}",
            "  IdentitiesOnly yes",
            f"  UserKnownHostsFile {known}",
        ]
    path.write_text("\n".join(lines) + "\n")
    os.environ["OPSLIB_SSH_CONFIG"] = str(path)
    return path


WAYS: dict[str, tuple[Address | None, tuple[Address, ...] | None]] = {
    "local": (None, None),
    "ssh": (Address("one"), None),
    "jump": (Address("one-inside"), (Address("one", "plain"),)),
}
"""To each kind of target: its address, and the hops before it."""


class Place:
    """A host of a test's own on one of the kinds of target, with everything it emitted."""

    def __init__(self, kind: str, folder: str) -> None:
        self.kind = kind
        address, jump = WAYS[kind]
        self.host = Host(name="one" if address else "local", path=folder, address=address, jump=jump)
        self.events: list[Event] = []

    def connect(self) -> Target:
        """A fresh way to it."""
        return connect(self.host, self.events.append)


def need_server(request: pytest.FixtureRequest) -> None:
    """The lab's server `one`, reached as the tests' own ssh settings say."""
    request.getfixturevalue("ssh_config")
    if not any(server["name"] == "one" for server in request.getfixturevalue("lab")["servers"]):
        missing("the lab has no server `one`: run scripts/lab up")


@pytest.fixture(params=["local", "ssh"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A folder of the test's own, on this machine and on the lab's server `one`."""
    yield from placed(request, tmp_path)


def placed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """What a fixture `place` gives for the kind that is its parameter."""
    if request.param != "local":
        need_server(request)
        found = Place(request.param, f"opslib-test-{uuid.uuid4().hex[:8]}/a 'b' $c")
    else:
        if shutil.which("flock") is None:
            missing("no flock here: install util-linux")
        found = Place("local", str(tmp_path / "a 'b' $c"))
    yield found
    if request.param != "local":
        target = found.connect()
        from opslib.command import bash

        target.run(bash('cd && rm -rf -- "${1%%/*}"', found.host.path), check=False)
        target.close()


@pytest.fixture
def target(place: Place) -> Iterator[Target]:
    """An open way to `place`."""
    opened = place.connect()
    yield opened
    opened.close()
