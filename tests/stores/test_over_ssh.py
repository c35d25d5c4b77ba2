"""A set of a machine behind SSH: it goes to a store and comes back through this machine."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opslib.backup import sets, take
from opslib.backup.offsite import look, pull, push
from opslib.events import Event, Progress
from opslib.run.fleet import carry_out, look_on
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.kinds import Files
from opslib.settings.model import Backup, Host
from opslib.settings.stores import StoreSpec, store_url
from opslib.settings.units import address
from opslib.target.connect import connect
from opslib.target.local import Local
from tests.stores.places import throwaway_sshd

pytestmark = pytest.mark.skipif(shutil.which("flock") is None, reason="no flock here: install util-linux")


class Far:
    """A host behind SSH with one set, which was made where it is, and its store."""

    def __init__(self, folder: Path, where: str, store: str, **more: Any) -> None:
        self.root = folder / "pro 'ject' $x"
        (self.root / "data").mkdir(parents=True)
        (self.root / "data/a").write_bytes(os.urandom(3_000_000))
        spec = StoreSpec(url=store_url(store), name="nas", **more)
        settings = Backup(sources=(Files(paths=("data",)),))
        made = Local(Host(name="local", path=str(self.root), backup=settings))
        record = carry_out(Task("backup.all", take.steps, take.RECOVERIES), [made])
        assert record.ok, record.as_json()
        self.made = Path(record.hosts[0].result["folder"])
        self.host = Host(
            name="prod", path=str(self.root), address=address(where), project="survey", backup=Backup(stores=(spec,))
        )
        self.events: list[Event] = []
        self.target = connect(self.host, self.events.append)

    def push(self, **options: Any) -> Record:
        return carry_out(Task("backup.push", lambda run: push.steps(run, None, None), **options), [self.target])

    def pull(self, **options: Any) -> Record:
        return carry_out(Task("backup.pull", lambda run: pull.steps(run, "latest", None), **options), [self.target])

    def close(self) -> None:
        self.target.close()

    def plan(self, record: Record) -> str:
        return str(record.hosts[0].result["plan"][0]["what"])


OpenFar = Callable[..., Far]


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[str]:
    with throwaway_sshd(tmp_path) as server:
        yield server.address


@pytest.fixture
def open_far(tmp_path: Path, sshd: str) -> Iterator[OpenFar]:
    opened: list[Far] = []

    def make(store: str, **more: Any) -> Far:
        opened.append(Far(tmp_path, sshd, store, **more))
        return opened[-1]

    yield make
    for far in opened:
        far.close()


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    (tmp_path / "nas").mkdir()
    return tmp_path / "nas"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("store", ["{nas}", "sftp://{sshd}{nas}"], ids=["folder", "sftp"])
def test_there_and_back(open_far: OpenFar, nas: Path, sshd: str, store: str) -> None:
    far = open_far(store.format(nas=nas, sshd=sshd))
    assert "to nas, from prod through this machine" in far.plan(far.push(plan=True))
    assert list(nas.iterdir()) == []
    assert far.push().ok
    there, before = nas / "survey.prod" / far.made.name, contents(far.made)
    assert contents(there) == before
    shutil.rmtree(far.made)
    assert "from nas, through this machine" in far.plan(far.pull(plan=True))
    record = far.pull()
    assert record.ok, record.as_json()
    assert contents(far.made) == before
    assert sets.list_sets(far.target)[0].whole
    assert look_on("v", [far.target], lambda run: look.verify(run, "latest", "nas")).ok


@pytest.mark.parametrize("how", ["interrupted", "cut"])
def test_broken_off_while_it_is_sent(open_far: OpenFar, nas: Path, how: str) -> None:
    far = open_far(str(nas), limit=1_000_000)
    half = threading.Event()
    listen = far.target.tell

    def tell(event: Event) -> None:
        listen(event)
        if isinstance(event, Progress) and event.done > 500_000:
            half.set()

    far.target.tell = tell  # type: ignore[method-assign]

    def break_off() -> None:
        assert half.wait(60)
        far.target.cancel() if how == "interrupted" else far.target.lose()

    thread = threading.Thread(target=break_off)
    thread.start()
    record = far.push()
    thread.join()
    assert record.exit == (130 if how == "interrupted" else 1), record.as_json()
    assert not list(nas.rglob("manifest.json"))
    far.target.close()
    far.target = connect(far.host)
    done = far.push()
    assert done.ok, done.as_json()
    assert contents(nas / "survey.prod" / far.made.name) == contents(far.made)
