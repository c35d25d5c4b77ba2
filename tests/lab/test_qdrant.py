"""Qdrant backed up and restored, on this machine and over SSH; and what goes wrong. The lab's image is a stand-in with
Qdrant's REST calls; OPSLIB_QDRANT_BINARY puts the real server in its place."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opslib.backup import sets, take, verify
from opslib.backup.restore.options import Options
from opslib.backup.restore.steps import RECOVERIES, steps
from opslib.command import Command, Secret, bash
from opslib.compose.stack import look
from opslib.engines import qdrant
from opslib.engines.find import find_instances
from opslib.engines.instance import Instance
from opslib.images.ship import ship
from opslib.images.tools import ensure_tools
from opslib.run.fleet import Task, carry_out, look_on
from opslib.run.record import Record
from opslib.settings.model import Backup, Host, Keep
from opslib.settings.model import Qdrant as Spec
from opslib.settings.units import Address
from opslib.target.base import Target
from opslib.target.connect import connect
from opslib.target.docker import docker, mount, run_in
from opslib.target.transfer import put_bytes
from tests.lab.test_backup import Watch

pytestmark = pytest.mark.lab

KEY = "-k w'\"$x `;%\\"  # what a header may hold
DOCS, ODD = "docs", "-o d'd $é `x` %41&?=1"
POINTS = 300


class Vectors:
    """The stack on one target."""

    def __init__(self, kind: str, images: str) -> None:
        self.images, self.name = images, f"qdr-{uuid.uuid4().hex[:8]}"
        self.here = connect(Host(name="local", path="."))
        path = f"{self.name}/a 'b' $c" if kind == "ssh" else f"/tmp/{self.name}/a 'b' $c"
        address = Address("one") if kind == "ssh" else None
        self.host = Host(name="one" if address else "local", path=path, address=address, project=self.name,
                         compose=("compose.yml",))  # fmt: skip
        self.events: list[Any] = []
        self._at: list[Instance] = []
        self.target = connect(self.host, self.events.append)

    def start(self) -> None:
        image = f"{self.images}qdrant:v1"
        ship(self.here, self.target, [image, f"{self.images}busybox:1"])
        base = {"OPSLIB_TOOLS_BASE": f"{self.images}debian:bookworm-slim"}
        self.tools = ensure_tools(self.target, self.here, base)
        test = ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/7333"]
        services = {
            "vectors": {
                "image": image, "volumes": ["data:/qdrant/storage"],
                "environment": {qdrant.KEY: KEY, "QDRANT__SERVICE__HTTP_PORT": "7333"},
                "healthcheck": {"test": test, "interval": "1s", "retries": 60},
            },
            "app": {"image": f"{self.images}busybox:1", "command": ["sleep", "100000"], "init": True,
                    "stop_grace_period": "1s"},
        }  # fmt: skip
        text = json.dumps({"services": services, "volumes": {"data": {}}}, ensure_ascii=False).replace("$", "$$")
        put_bytes(self.target, text.encode(), f"{self.target.root}/compose.yml", mode=0o600)
        self.up()
        cosine = {"vectors": {"size": 4, "distance": "Cosine"}}
        two = {"vectors": {"a": {"size": 2, "distance": "Dot"}, "b": {"size": 3, "distance": "Euclid"}}}
        points = [{"id": n, "vector": [n, 1, 2, 3], "payload": {"text": f"é {n}"}} for n in range(POINTS)]
        named = [{"id": str(uuid.UUID(int=n)), "vector": {"a": [n, 1]}} for n in range(1, 6)]
        self.ask(
            ("PUT", qdrant.path(DOCS), cosine), ("PUT", qdrant.path(DOCS, "points", wait=True), {"points": points}),
            ("PUT", qdrant.path(DOCS, "index"), {"field_name": "text", "field_schema": "keyword"}),
            ("PUT", qdrant.path(ODD), two), ("PUT", qdrant.path(ODD, "points", wait=True), {"points": named}),
            alias("prod", DOCS), alias("al 'ias\" é", ODD),
        )  # fmt: skip

    def compose(self, *words: str) -> Command:
        root = self.target.root
        return docker(self.host, "compose", "-p", self.name, "--project-directory", root, "-f", f"{root}/compose.yml",
                      *words, limit=180.0)  # fmt: skip

    def up(self) -> None:
        self.target.run(self.compose("up", "-d", "--wait", "--wait-timeout", "60"))

    @property
    def notes(self) -> str:
        return f"{self.target.state}/snapshots.qdrant.vectors"

    @property
    def container(self) -> str:
        return look(self.target, self.name).service("vectors")[0].name

    def at(self) -> Instance:
        if not self._at:
            self._at = find_instances(self.target, look(self.target, self.name))
        return self._at[0]

    def ask(self, *requests: Any) -> list[Any]:
        return qdrant.ask(self.target, self.at(), *requests)

    def everything(self) -> Any:
        """What a restore must bring back."""
        body = {"limit": 1000, "with_vector": True}
        there = qdrant.present(self.target, self.at())
        each = [(("POST", qdrant.path(name, "points", "scroll"), body), ("GET", qdrant.path(name)))
                for name in there.collections]  # fmt: skip
        said = self.ask(*(request for pair in each for request in pair))
        return there.aliases, dict(zip(there.collections, zip(said[::2], said[1::2], strict=True), strict=True))

    def snapshots(self) -> list[Any]:
        names = qdrant.collections(self.target, self.at())
        return [one for found in self.ask(*(("GET", qdrant.path(name, "snapshots")) for name in names))
                for one in found]  # fmt: skip

    def backup(self, target: Target | None = None, **options: Any) -> Record:
        task = Task("backup.all", lambda run: take.steps(run, take.Options(here=self.here, **options)), take.RECOVERIES)
        return carry_out(task, [target or self.target])

    def restore(self, file: str, **options: Any) -> Record:
        wanted = Options(file=file, here=self.here, **options)
        known = {**take.RECOVERIES, **RECOVERIES}
        return carry_out(Task("restore.qdrant", lambda run: steps(run, wanted), known), [self.target])

    def doctored(self, found: str, script: str, **facts: Any) -> str:
        """The path of one artifact in a copy of a set, that of the documents, whose raw bytes went through a program;
        its manifest knows nothing of it."""
        ident = f"{found}-{uuid.uuid4().hex[:4]}"
        folder = sets.directory(self.target)
        one = sets.find(self.target, found)
        assert one.manifest is not None
        (docs,) = [each for each in one.manifest.artifacts if each.name == DOCS]
        text = ('mkdir "/s/$2"; cd "/s/$1"; zstd -dcq "$3" | ' + script + ' | zstd -q >"../$2/$3"; cd "/s/$2"; '
                'stat -c %s "$3"; sha256sum <"$3" | cut -d" " -f1; chmod -R a+rwX .')  # fmt: skip
        cmd = run_in(self.host, self.tools, "bash", "-euc", text, "x", found, ident, docs.file,
                     mounts=[mount("bind", folder, "/s")])  # fmt: skip
        size, digest = self.target.run(cmd).lines
        now = msgspec.structs.replace(docs, bytes=int(size), sha256=digest, facts={**docs.facts, **facts})
        manifest = msgspec.structs.replace(one.manifest, id=ident, artifacts=(now,))
        put_bytes(self.target, msgspec.json.encode(manifest), f"{folder}/{ident}/manifest.json")
        return ident

    def down(self) -> None:
        self.target.resume()
        self.target.run(self.compose("down", "-v", "-t", "0"), check=False)
        above = self.target.root.rsplit("/", 1)[0]
        wipe = run_in(
            self.host, f"{self.images}busybox:1", "sh", "-c", "rm -rf /x/*", mounts=[mount("bind", above, "/x")]
        )
        self.target.run(wipe, check=False)
        self.target.run(bash('rm -rf -- "$1"', above), check=False)
        self.target.close()
        self.here.close()


def alias(name: str, collection: str) -> tuple[str, str, Any]:
    action = {"create_alias": {"alias_name": name, "collection_name": collection}}
    return "POST", "/collections/aliases", {"actions": [action]}


@pytest.fixture(scope="module", params=["local", "ssh"])
def stack(request: pytest.FixtureRequest, lab: dict[str, Any], ssh_config: Path) -> Iterator[Vectors]:
    found = Vectors(request.param, lab["images_prefix"])
    try:
        found.start()
        yield found
    finally:
        found.down()


@pytest.fixture(scope="module")
def saved(stack: Vectors) -> tuple[str, Any]:
    """A set, and what the server held when it was made."""
    good = stack.everything()
    with Watch(KEY) as watch:
        made = worked(stack.backup())
    assert watch.looks > 3
    assert not watch.seen
    assert KEY not in str(made) + str(stack.events)
    return str(made["set"]), good


def worked(record: Record) -> dict[str, Any]:
    assert record.ok, record.hosts[0].error
    return record.hosts[0].result


def why(record: Record) -> str:
    assert not record.ok
    assert "undo-failed" not in [step.status for step in record.hosts[0].steps], record.hosts[0].error
    return str((record.hosts[0].error or {})["what"])


def assert_no_set(stack: Vectors, before: list[Any]) -> None:
    assert sets.list_sets(stack.target) == before
    assert not stack.target.run(bash('ls -A -- "$1" | grep "^\\." || true', sets.directory(stack.target))).lines


def test_what_a_set_holds_and_that_it_is_read_again(stack: Vectors, saved: tuple[str, Any]) -> None:
    manifest = sets.find(stack.target, saved[0]).manifest
    assert manifest is not None
    found = {one.name: one for one in manifest.artifacts}
    assert {name: (one.kind, one.counts) for name, one in found.items()} == {
        DOCS: ("qdrant", {"points": POINTS}),
        ODD: ("qdrant", {"points": 5}),
    }
    facts = found[DOCS].facts
    assert (facts["status"], facts["indexes"], facts["moving"]) == ("green", {"text": "keyword"}, [])
    assert facts["config"]["params"]["vectors"] == {"size": 4, "distance": "Cosine"}
    assert facts["aliases"] == {"prod": DOCS, "al 'ias\" é": ODD}
    assert facts["server"] == stack.at().version != ""
    assert not stack.snapshots()
    record = look_on("backup.verify", [stack.target], lambda run: verify.verify(run, saved[0], tools=stack.tools))
    assert {each["content"] for each in worked(record)["artifacts"]} == {"snapshot"}


def test_what_was_destroyed_comes_back_and_can_be_undone(stack: Vectors, saved: tuple[str, Any]) -> None:
    """A collection lost points and got one, with another index; another was made anew with other vectors; a third one
    took the alias."""
    found, good = saved
    stack.ask(
        ("POST", qdrant.path(DOCS, "points", "delete", wait=True), {"points": list(range(100))}),
        ("PUT", qdrant.path(DOCS, "points", wait=True), {"points": [{"id": 9999, "vector": [1, 1, 1, 1]}]}),
        ("DELETE", qdrant.path(DOCS, "index", "text")),
        ("PUT", qdrant.path(DOCS, "index"), {"field_name": "other", "field_schema": "integer"}),
        ("DELETE", qdrant.path(ODD)), ("PUT", qdrant.path(ODD), {"vectors": {"size": 9, "distance": "Dot"}}),
        ("PUT", qdrant.path("third"), {"vectors": {"size": 2, "distance": "Dot"}}), alias("prod", "third"),
    )  # fmt: skip
    broken = stack.everything()
    result = worked(stack.restore(found))
    assert {one["part"]: one["after"] for one in result["restored"]} == {
        f"qdrant vectors/{DOCS}": {"points": POINTS}, f"qdrant vectors/{ODD}": {"points": 5},
    }  # fmt: skip
    aliases, collections = stack.everything()
    assert (aliases, {name: collections[name] for name in (DOCS, ODD)}) == good
    assert {one.service for one in look(stack.target, stack.name).running} == {"app", "vectors"}
    worked(stack.restore(result["safety_copy"]))
    assert stack.everything() == broken
    assert not stack.snapshots()


def test_an_alias_in_the_place_of_a_collection_is_not_overwritten(stack: Vectors, saved: tuple[str, Any]) -> None:
    stack.ask(("DELETE", qdrant.path(DOCS)), alias(DOCS, ODD))
    before = stack.everything()
    file = f"{sets.directory(stack.target)}/{saved[0]}/qdrant.vectors.docs.snapshot.zst"
    assert f"is an alias of collection {ODD}" in why(stack.restore(file))
    assert stack.everything() == before


def test_by_hand(stack: Vectors, saved: tuple[str, Any]) -> None:
    """The commands of the manifest, typed in the set's folder by somebody who knows the key."""
    stack.ask(*(("DELETE", qdrant.path(name)) for name in stack.everything()[1]))
    one = sets.find(stack.target, saved[0])
    assert one.manifest is not None
    lines = [line for artifact in one.manifest.artifacts for line in artifact.by_hand[1:]]
    text = f'set -eu; cp -r -- "$1" "$2"; cd -- "$2"; chmod u+w .; {"; ".join(lines)}; cd ..; rm -rf -- "$2"'
    cmd = bash(text, one.folder, f"{stack.target.root}/hand", limit=120.0)
    (stage,) = cmd.stages
    said = stack.target.run(cmd.with_(stages=(replace(stage, env=(("QDRANT_API_KEY", Secret(KEY)),)),)))
    assert "error" not in said.text
    assert stack.everything() == saved[1]


def test_a_load_that_fails_is_undone(stack: Vectors, saved: tuple[str, Any]) -> None:
    found, good = saved
    not_one = "{ cat >/dev/null; tar -c -C / etc/hostname; }"
    said = why(stack.restore(stack.doctored(found, not_one, checksum="")))
    assert "could not be loaded" in said
    assert stack.everything() == good


def test_a_snapshot_that_is_not_what_the_server_made_is_refused(stack: Vectors, saved: tuple[str, Any]) -> None:
    found, good = saved
    assert "SHA-256" in why(stack.restore(stack.doctored(found, "sed 's/Cosine/cosine/'")))
    assert "99.1.0" in why(stack.restore(stack.doctored(found, "cat", server="99.1.0")))
    assert stack.everything() == good


def test_a_collection_goes_elsewhere_and_leaves_the_aliases(stack: Vectors, saved: tuple[str, Any]) -> None:
    file = f"{sets.directory(stack.target)}/{saved[0]}/qdrant.vectors.docs.snapshot.zst"
    assert "is there already" in why(stack.restore(file, into="prod"))
    worked(stack.restore(file, into="-new é"))
    assert qdrant.count(stack.target, stack.at(), "-new é") == POINTS
    stack.ask(("DELETE", qdrant.path("-new é")))
    assert stack.everything() == saved[1]


def test_a_wrong_key_makes_no_set(stack: Vectors) -> None:
    before = sets.list_sets(stack.target)
    wrong = Spec(service="vectors", api_key=Secret("not the one"))
    target = connect(msgspec.structs.replace(stack.host, backup=Backup(sources=(wrong,), keep=Keep(last=1))))
    record = stack.backup(target)
    target.close()
    assert "Invalid API key" in why(record)
    assert "not the one" not in str(record.as_json())
    assert_no_set(stack, before)


def test_a_stopped_engine_makes_no_set(stack: Vectors) -> None:
    before = sets.list_sets(stack.target)
    stack.target.run(stack.compose("stop", "vectors"))
    try:
        assert "does not run" in why(stack.backup())
    finally:
        stack.up()
    assert_no_set(stack, before)


def test_a_server_killed_in_the_middle_makes_no_set(stack: Vectors) -> None:
    """The notes are a pipe, which holds the program back until the server is dead."""
    before = sets.list_sets(stack.target)
    hold = 'mkfifo -- "$1"; exec 3>"$1"; "${@:2}"; exec 3>&-; cat -- "$1"'
    kill = [*stack.host.docker, "kill", stack.container]
    other = connect(stack.host)
    thread = threading.Thread(target=lambda: other.run(bash(hold, stack.notes, *kill, limit=120.0)))
    thread.start()
    try:
        assert "Qdrant does not answer" in why(stack.backup())
    finally:
        thread.join()
        other.close()
        stack.up()
    assert_no_set(stack, before)


def test_the_snapshot_of_an_interrupted_backup_is_deleted_by_the_next(stack: Vectors) -> None:
    (made,) = stack.ask(("POST", qdrant.path(DOCS, "snapshots")))
    put_bytes(stack.target, f"{qdrant.path(DOCS, 'snapshots', made['name'])}\n".encode(), stack.notes)
    worked(stack.backup())
    assert not stack.snapshots()
    assert not stack.target.run(bash('[ ! -e "$1" ] || echo there', stack.notes)).text
