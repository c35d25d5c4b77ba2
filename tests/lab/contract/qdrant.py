"""Qdrant under the contract."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opslib.command import Secret, bash
from opslib.engines import qdrant
from opslib.engines.find import find_instances
from opslib.engines.instance import Instance
from opslib.settings.kinds import Qdrant
from tests.lab.contract.subject import Subject
from tests.lab.project import Project

KEY = "-k w'\"$x `;%\\"  # what a header may hold
DOCS, ODD = "docs", "-o d'd $é `x` %41&?=1"
POINTS = 300


def alias(name: str, collection: str) -> tuple[str, str, Any]:
    """A request that gives a collection another name."""
    action = {"create_alias": {"alias_name": name, "collection_name": collection}}
    return "POST", "/collections/aliases", {"actions": [action]}


class QdrantSubject(Subject):
    kind = "qdrant"
    image = "qdrant:v1.15.4"
    environment = {qdrant.KEY: KEY, "QDRANT__SERVICE__HTTP_PORT": "7333"}
    healthy = ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/7333"]
    volume = ("qdrant", "/qdrant/storage")
    name = grows = ODD
    counts = {DOCS: {"points": POINTS}, ODD: {"points": 5}}
    read = "snapshot"
    over = True
    into = "-new é"
    secret = KEY
    wrong = Qdrant(service="qdrant", api_key=Secret("not the one"))
    denied = "Invalid API key"
    spoil = "{ cat >/dev/null; tar -c -C / etc/hostname; }"

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self._at: Instance | None = None
        self._more: list[str] = []

    def at(self) -> Instance:
        """The server; looked for once."""
        if self._at is None:
            found = find_instances(self.project.target, self.project.look())
            self._at = next(one for one in found if one.kind == "qdrant")
        return self._at

    def ask(self, *requests: Any) -> list[Any]:
        return qdrant.ask(self.project.target, self.at(), *requests)

    def fill(self) -> None:
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

    def ruin(self) -> None:
        """A collection lost points and got one, with another index; another was made anew with other vectors."""
        self.ask(
            ("POST", qdrant.path(DOCS, "points", "delete", wait=True), {"points": list(range(100))}),
            ("PUT", qdrant.path(DOCS, "points", wait=True), {"points": [{"id": 9999, "vector": [1, 1, 1, 1]}]}),
            ("DELETE", qdrant.path(DOCS, "index", "text")),
            ("PUT", qdrant.path(DOCS, "index"), {"field_name": "other", "field_schema": "integer"}),
            ("DELETE", qdrant.path(ODD)), ("PUT", qdrant.path(ODD), {"vectors": {"size": 9, "distance": "Dot"}}),
            alias("prod", ODD),
        )  # fmt: skip

    def more(self) -> int:
        self._more.append(str(uuid.UUID(int=1000 + len(self._more))))
        new = {"id": self._more[-1], "vector": {"a": [1000, 1]}}
        self.ask(("PUT", qdrant.path(ODD, "points", wait=True), {"points": [new]}))
        return 1

    def less(self) -> None:
        self.ask(("POST", qdrant.path(ODD, "points", "delete", wait=True), {"points": self._more}))
        self._more.clear()

    def content(self, place: str) -> Any:
        return self._contents(place)[place]

    def seen(self) -> Any:
        there = qdrant.present(self.project.target, self.at())
        return there.aliases, self._contents(*there.collections)

    def _contents(self, *names: str) -> dict[str, Any]:
        body = {"limit": 1000, "with_vector": True}
        each = [(("POST", qdrant.path(name, "points", "scroll"), body), ("GET", qdrant.path(name))) for name in names]
        said = self.ask(*(request for pair in each for request in pair))
        return dict(zip(names, zip(said[::2], said[1::2], strict=True), strict=True))

    def forget(self, place: str) -> None:
        self.ask(("DELETE", qdrant.path(place)))

    def lies(self) -> dict[str, Any]:
        """No digest to compare: a tar archive it is, but no snapshot."""
        return {"checksum": ""}

    @contextmanager
    def dumping(self) -> Iterator[Callable[[], None]]:
        """The program's notes are a pipe, which holds it back."""
        notes = f"{self.project.target.state}/snapshots.qdrant.qdrant"
        hold = 'set -e; mkdir -p -- "${1%/*}"; mkfifo -- "$1"; exec 3>"$1"; echo held; read -r _ || true; exec 3>&-; cat -- "$1"'
        target = self.project.way()
        process = target.start(bash(hold, notes, streams=True, limit=120.0))

        def held() -> None:
            assert process.read() == b"held\n"

        try:
            yield held
        finally:
            process.end_input()
            target.finish(process)
