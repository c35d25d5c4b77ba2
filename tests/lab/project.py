"""A Compose project of a test's own on one target: brought up, backed up, restored, damaged, removed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from opslib.backup import sets, take
from opslib.backup.manifest import Artifact, encode
from opslib.backup.restore.options import Options
from opslib.backup.restore.steps import RECOVERIES, steps
from opslib.command import Command, bash
from opslib.compose.stack import Stack, look
from opslib.images.ship import ship
from opslib.images.tools import ensure_tools
from opslib.run.fleet import carry_out
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.model import Backup, Deploy, Host
from opslib.settings.units import Address
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.docker import docker, mount, run_in
from opslib.target.transfer import put_bytes
from tests.lab.stacks import SOON

# $1 the folder of the sets, $2 a set, $3 the new one, $4 an artifact, $5 a bash text that its raw bytes go through.
_THROUGH = """set -eu; mkdir "$1/$3"; cd "$1/$2"; zstd -dcq "$4" | bash -euc "$5" | zstd -q >"../$3/$4"; cd "../$3"
stat -c %s "$4"; sha256sum <"$4" | cut -d" " -f1; chmod -R a+rwX ."""


class Project:
    """`kind` is `local` or `ssh`: this machine, or the lab's server `one`. Its folder there has a hostile name."""

    def __init__(self, kind: str, images: str, prefix: str, **backup: Any) -> None:
        self.kind, self.images, self.name = kind, images, f"{prefix}-{uuid.uuid4().hex[:8]}"
        self.here = connect(Host(name="local", path="."))
        address = Address("one") if kind == "ssh" else None
        self.host = Host(
            name="one" if address else "local", path=f"{'' if address else '/tmp/'}{self.name}/a 'b' $c",
            address=address, project=self.name, compose=("compose.yml",), backup=Backup(**backup),
            deploy=Deploy(stable=1.0),
        )  # fmt: skip
        self.events: list[Any] = []
        self.target = connect(self.host, self.events.append)
        self._ways: list[Target] = []

    # -- the stack

    @staticmethod
    def healthy(*test: str) -> dict[str, Any]:
        """A health check."""
        return {"test": [*test], **SOON}

    def idle(self, volumes: Sequence[str] = ()) -> dict[str, Any]:
        """A service that does nothing, and has to stop for a restore."""
        return {"image": f"{self.images}busybox:1", "command": ["sleep", "100000"], "init": True, "volumes": [*volumes]}

    def start(self, services: Mapping[str, Any], volumes: Sequence[str] = ()) -> None:
        """Bring it up, with the tools image beside it."""
        ship(self.here, self.target, [str(one["image"]) for one in services.values()])
        base = {"OPSLIB_TOOLS_BASE": f"{self.images}debian:bookworm-slim"}
        self.tools = ensure_tools(self.target, self.here, base)
        # JSON is YAML, and a doubled dollar is a dollar
        text = json.dumps({"services": services, "volumes": {key: {} for key in volumes}}, ensure_ascii=False)
        put_bytes(self.target, text.replace("$", "$$").encode(), f"{self.target.root}/compose.yml", mode=0o600)
        self.up()

    def compose(self, *words: str) -> Command:
        """A Docker Compose command of this project."""
        root = self.target.root
        return docker(self.host, "compose", "-p", self.name, "--project-directory", root, "-f", f"{root}/compose.yml",
                      *words, limit=180.0)  # fmt: skip

    def up(self) -> None:
        """Everything that does not run is started, and waited for."""
        self.target.run(self.compose("up", "-d", "--wait", "--wait-timeout", "120"))

    def look(self) -> Stack:
        """What runs."""
        return look(self.target, self.name)

    @property
    def running(self) -> set[str]:
        """The services that run."""
        return {one.service for one in self.look().running}

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return self.look().service(service)[0].name

    def inside(self, place: str, *argv: str) -> str:
        """What a program of the tools image prints; `/v` there is the place, a `mount(...)`."""
        return self.target.run(run_in(self.host, self.tools, *argv, mounts=[place])).text

    # -- runs

    def way(self, **backup: Any) -> Target:
        """Another way to the same project, with other backup settings."""
        settings = msgspec.structs.replace(self.host, backup=Backup(**backup))
        self._ways.append(connect(settings, self.events.append))
        return self._ways[-1]

    def backup(self, target: Target | None = None, **options: Any) -> Record:
        """A backup of everything, or as the options say."""
        return self.carry_out(lambda run: take.steps(run, take.Options(here=self.here, **options)), target)

    def restore(self, file: str | None, target: Target | None = None, **options: Any) -> Record:
        """A restore; None: an undo."""
        return self.carry_out(lambda run: steps(run, Options(file, here=self.here, **options)), target)

    def carry_out(self, steps: Any, target: Target | None = None) -> Record:
        """A run, after what an earlier one left behind."""
        known = {**take.RECOVERIES, **RECOVERIES}
        return carry_out(Task("test", steps, known=known, wait=60.0), [target or self.target])

    # -- sets

    def artifacts(self, made: str) -> tuple[Artifact, ...]:
        """What a set holds."""
        manifest = sets.find(self.target, made).manifest
        assert manifest is not None
        return manifest.artifacts

    def file(self, made: str, kind: str, name: str) -> str:
        """The path of one artifact."""
        (file,) = [one.file for one in self.artifacts(made) if (one.kind, one.name) == (kind, name)]
        return f"{sets.directory(self.target)}/{made}/{file}"

    def doctored(self, file: str, through: str = "cat", *, counts: Any = None, fingerprint: Any = None,
                 **facts: Any) -> str:  # fmt: skip
        """The path of one artifact in a set of its own, of the set in which `file` is: its raw bytes went through a
        bash text, and its manifest tells its new length and digest, and the lies that are given."""
        folder, made, name = file.rsplit("/", 2)
        found = sets.find(self.target, made).manifest
        assert found is not None
        (old,) = [one for one in found.artifacts if one.file == name]
        ident = f"{made}-{uuid.uuid4().hex[:4]}"
        cmd = run_in(self.host, self.tools, "bash", "-c", _THROUGH, "x", "/s", made, ident, name, through,
                     mounts=[mount("bind", folder, "/s")])  # fmt: skip
        size, digest = self.target.run(cmd).lines
        new = msgspec.structs.replace(old, bytes=int(size), sha256=digest, facts={**old.facts, **facts},
                                      counts=old.counts if counts is None else counts,
                                      fingerprint=fingerprint or old.fingerprint)  # fmt: skip
        manifest = msgspec.structs.replace(found, id=ident, artifacts=(new,))
        put_bytes(self.target, encode(manifest), f"{folder}/{ident}/manifest.json")
        return f"{folder}/{ident}/{name}"

    def harm(self, file: str, script: str) -> None:
        """A bash text runs over the artifact `$1`, of which the manifest learns nothing."""
        folder, name = file.rsplit("/", 1)
        self.inside(mount("bind", folder, "/v"), "bash", "-euc", script, "x", f"/v/{name}")

    def assert_no_set(self, before: list[sets.SetInfo], record: Record) -> None:
        """It failed; nothing was made, nothing was removed, nothing is left to recover."""
        assert record.exit == 1, record.as_json()
        assert sets.list_sets(self.target) == before
        assert not self.target.run(bash('ls -A -- "$1" | grep "^\\." || true', sets.directory(self.target))).lines
        assert not self.target.run(bash('cat -- "$1/run.log" 2>/dev/null || true', self.target.state)).lines

    def remove(self) -> None:
        """Every container, volume, network and file of it."""
        self.target.resume()
        script = """l=label=com.docker.compose.project=$1
docker ps -aq --filter "$l" | xargs -r docker rm -fv; docker volume ls -q --filter "$l" | xargs -r docker volume rm -f
docker network ls -q --filter "$l" | xargs -r docker network rm"""
        self.target.run(bash(script, self.name, limit=120), check=False)
        above = self.target.root.rsplit("/", 1)[0]
        wipe = run_in(self.host, f"{self.images}busybox:1", "sh", "-c", "rm -rf /x/*",
                      mounts=[mount("bind", above, "/x")])  # fmt: skip
        self.target.run(wipe, check=False)
        self.target.run(bash('rm -rf -- "$1"', above), check=False)
        for one in (*self._ways, self.target, self.here):
            one.close()


def worked(record: Record) -> dict[str, Any]:
    """The result of a run that must have worked."""
    assert record.ok, record.hosts[0].error
    return record.hosts[0].result


def why(record: Record) -> str:
    """The error of a run that failed and has been undone, wholly."""
    assert not record.ok
    assert "undo-failed" not in [step.status for step in record.hosts[0].steps], record.hosts[0].error
    return str((record.hosts[0].error or {})["what"])


def refused(record: Record) -> str:
    """The error of a run that has touched nothing."""
    assert record.hosts[0].steps == []
    return why(record)
