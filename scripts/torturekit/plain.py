"""A project without an engine: a SQLite file and a folder, used through `inv` or, where that will do, in here."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import Any

from opslib.backup import sets, take
from opslib.backup.restore.options import Options
from opslib.backup.restore.steps import RECOVERIES, steps
from opslib.run.fleet import carry_out
from opslib.run.record import Record
from opslib.run.task import Task
from opslib.settings.load import load_host
from opslib.target.local import Local

from .stack import prove
from .tally import Bad

INV = Path(sys.executable).parent / "inv"
KNOWN = {**take.RECOVERIES, **RECOVERIES}


class Plain:
    """The project. `size` are the bytes of its folder, random, so that they do not shrink."""

    def __init__(self, folder: Path, size: int = 40, stores: str = "", more: str = "") -> None:
        self.root, self.proven, self.said = folder, set[str](), deque[str](maxlen=8)
        (folder / "up").mkdir()
        (folder / "up/data").write_bytes(os.urandom(size))
        (folder / "tasks.py").write_text("import opslib\n\nns = opslib.namespace()\n")
        (folder / "hosts").mkdir()
        self.settings(stores, more)
        base = sqlite3.connect(folder / "app.db")
        base.executescript("pragma page_size = 512; create table t (x); insert into t values (1), (2), (3);")
        base.close()
        self.expected = self.content()

    def settings(self, stores: str = "", more: str = "") -> None:
        """Write its host file."""
        text = f"project: plain\nbackup:\n  sources: [sqlite: app.db, files: [up]]\n  reserve: 0%\n{more}"
        (self.root / "hosts/there.yml").write_text(f"{text}  stores: [{stores}]\n" if stores else text)

    # -- runs

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """`inv` as a person starts it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OPSLIB_")}
        return subprocess.Popen(
            [str(INV), *words, "--host", "there"], cwd=self.root, text=True, start_new_session=True, env=kept,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def ended(self, process: subprocess.Popen[str], seconds: float = 300) -> int:
        """Wait for its end; its exit code."""
        out, _ = process.communicate(timeout=seconds)
        self.said.append(f"{process.args!r}: {process.returncode}\n{out}")
        if "Traceback" in out:
            raise Bad("it ended with a traceback")
        return int(process.returncode)

    def inv(self, *words: str, codes: Collection[int] = (0,)) -> str:
        """A run that is not to be disturbed; what it said."""
        code = self.ended(self.begin(*words))
        if code not in codes:
            raise Bad(f"inv {' '.join(words)} ended with {code}: {self.said[-1][-800:]}")
        return self.said[-1]

    def target(self) -> Local:
        """A way to it, with the settings that its host file has now."""
        return Local(load_host(self.root, "there", {}))

    def restore(self, file: str) -> Record:
        """`inv restore` in this process."""
        with closing(self.target()) as target:
            options = Options(file, root=self.root)
            return carry_out(Task("restore", lambda run: steps(run, options), known=KNOWN, wait=60.0), [target])

    def back_up(self) -> Record:
        """`inv backup.all` in this process."""
        with closing(self.target()) as target:
            return carry_out(Task("backup.all", lambda run: take.steps(run), known=KNOWN, wait=60.0), [target])

    def asked(self, look: Callable[[Local], Any]) -> Any:
        """What `look` returns."""
        with closing(self.target()) as target:
            return look(target)

    # -- looks

    def content(self) -> str:
        """What it holds, in one word."""
        digest = hashlib.sha256()
        for path in sorted((self.root / "up").rglob("*")):
            digest.update(f"{path.relative_to(self.root)}\n".encode() + (path.read_bytes() if path.is_file() else b""))
        with closing(sqlite3.connect(self.root / "app.db")) as base:
            digest.update(repr(base.execute("select * from t order by x").fetchall()).encode())
        return digest.hexdigest()

    def change(self, number: int) -> str:
        """Other live data than any set has; returns what they are."""
        (self.root / "up/data").write_text(f"changed {number}")
        with closing(sqlite3.connect(self.root / "app.db")) as base, base:
            base.execute("insert into t values (?)", (1000 + number,))
        self.expected = self.content()
        return self.expected

    def left(self) -> list[str]:
        """What a run has left behind."""
        names = (".opslib/run.log", ".opslib/restore-*", ".opslib/procs/*", "backups/.*", "**/.opslib-*")
        return [str(path.relative_to(self.root)) for name in names for path in self.root.glob(name)]

    def examine(self, *also: str) -> int:
        """As that of a stack. Raises Bad."""

        def proven(target: Local) -> int:
            new = [one for one in sets.list_sets(target) if one.id not in self.proven]
            for one in new:
                prove(target, one, "")
                self.proven.add(one.id)
            return len(new)

        count = int(self.asked(proven))
        if left := self.left():
            raise Bad(f"left behind: {left}")
        if (now := self.content()) not in (self.expected, *also):
            raise Bad("the live data are others")
        self.expected = now
        return count

    def evidence(self) -> dict[str, str]:
        """What may tell why something is wrong."""
        look = subprocess.run(["ls", "-laR", str(self.root)], capture_output=True, text=True).stdout
        return {f"{self.root.name}-runs.txt": "\n\n".join(self.said), f"{self.root.name}-left.txt": look}
