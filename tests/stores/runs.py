"""Whole runs of this machine's own backups, with a bucket as the store."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from opslib.backup import sets, take
from opslib.backup.offsite import look, pull, push, remove
from opslib.events import Event, Progress
from opslib.run.fleet import carry_out, look_on
from opslib.run.record import Record
from opslib.run.step import AnyStep, Run
from opslib.run.task import Task
from opslib.settings.keep import Keep
from opslib.settings.kinds import Files
from opslib.settings.model import Backup, Host
from opslib.settings.stores import StoreSpec
from opslib.target.local import Local

RECOVERIES = {**take.RECOVERIES, **push.RECOVERIES, **pull.RECOVERIES, **remove.RECOVERIES}


class Project:
    """A folder with two sources, a small one and a large one, of several parts of an upload; and one store."""

    def __init__(self, folder: Path, store: StoreSpec, size: int = 8_400_000, **more: Any) -> None:
        self.root, self.store = folder / "pro 'ject' $x", replace(store, folder="survey", **more)
        for name, length in (("first", 20_000), ("up loads", size)):
            (self.root / name).mkdir(parents=True)
            (self.root / name / "a").write_bytes(os.urandom(length))

    def target(self, store: StoreSpec | None = None, keep: Keep | None = None) -> Local:
        """The project's host; `store` is the same one, as another machine may have it."""
        sources = (Files(paths=("first",)), Files(paths=("up loads/",)))
        offsite = replace(store or self.store, folder="survey", name="offsite", keep=keep)
        return Local(Host(name="local", path=str(self.root), backup=Backup(sources=sources, stores=(offsite,))))

    def back_up(self) -> str:
        """A new set, in both places; its id."""
        record = self.back_up_to(self.target())
        take.judge(record)
        return str(result(record)["set"])

    def back_up_to(self, target: Local) -> Record:
        """`backup.all`."""
        return self.run(target, "backup.all", lambda run: take.steps(run))

    def run(self, target: Local, name: str, steps: Callable[[Run], list[AnyStep]]) -> Record:
        """A task."""
        return carry_out(Task(name, steps, RECOVERIES), [target])

    def push(self, target: Local | None = None) -> Record:
        """`backup.push`."""
        return self.run(target or self.target(), "backup.push", lambda run: push.steps(run, None, None))

    def pull(self, wanted: str, store: StoreSpec | None = None, *, hidden: bool = False) -> Record:
        """`backup.pull --set`."""
        target = self.target(store)
        return self.run(target, "backup.pull", lambda run: pull.steps(run, wanted, None, hidden=hidden))

    def prune(self, keep: Keep, store: StoreSpec | None = None) -> Record:
        """`backup.prune --store`."""
        return self.run(self.target(store, keep), "backup.prune", lambda run: remove.steps(run, "offsite"))

    def verify(self) -> Record:
        """`backup.verify --set latest --store`."""
        return look_on("backup.verify", [self.target()], lambda run: look.verify(run, "latest", "offsite"))

    def listed(self) -> dict[str, dict[str, str | None]]:
        """By set the places where it is, and what is wrong with it there."""
        record = look_on("backup.list", [self.target()], look.show_list)
        return {one["id"]: one["places"] for one in result(record)["sets"]}

    def forget(self) -> None:
        """Lose the host's own sets."""
        shutil.rmtree(self.root / "backups")

    def files(self, set_id: str) -> dict[str, bytes]:
        """What the host has of a set."""
        return {path.name: path.read_bytes() for path in (self.root / "backups" / set_id).iterdir()}

    def whole(self) -> list[str]:
        """The sets that the host has whole."""
        return [one.id for one in sets.list_sets(self.target()) if one.whole]


def interrupted_at(target: Local, count: int) -> None:
    """Let Ctrl-C come to whatever the target does when so many bytes of an artifact have gone to the store."""
    listen, half = target.tell, threading.Event()

    def tell(event: Event) -> None:
        listen(event)
        if isinstance(event, Progress) and event.what.endswith(", offsite") and event.done >= count:
            half.set()

    def wait() -> None:
        assert half.wait(60)
        target.cancel()

    target.tell = tell  # type: ignore[method-assign]
    threading.Thread(target=wait, daemon=True).start()


def result(record: Record) -> dict[str, Any]:
    """What a task that went well has to say."""
    assert record.ok, record.as_json()
    return record.hosts[0].result


def error(record: Record) -> str:
    """What a task that failed has to say."""
    assert not record.ok, record.as_json()
    return str((record.hosts[0].error or {})["what"])
