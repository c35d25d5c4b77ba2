"""The contract of sources: one module for each kind says what its data are; `tests/lab/test_sources.py` what must be
true of them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from opslib.backup.manifest import KINDS
from tests.lab.contract.mongo import MongoSubject
from tests.lab.contract.mysql import MysqlSubject
from tests.lab.contract.postgres import PostgresSubject
from tests.lab.contract.qdrant import QdrantSubject
from tests.lab.contract.redis import RedisSubject
from tests.lab.contract.sqlite import SqliteSubject
from tests.lab.contract.subject import Subject
from tests.lab.contract.trees import FilesSubject, VolumeSubject
from tests.lab.project import Project

_ALL: tuple[type[Subject], ...] = (
    PostgresSubject, MysqlSubject, MongoSubject, QdrantSubject, RedisSubject, SqliteSubject, VolumeSubject, FilesSubject,
)  # fmt: skip
SUBJECTS = {one.kind: one for one in _ALL}
"""By kind."""
ENGINES = [one.kind for one in _ALL if one.image]
"""The kinds with a server that asks for a password and can be gone."""
ELSEWHERE = [one.kind for one in _ALL if one.into]
"""The kinds that can be restored to another place."""
GROWING = [one.kind for one in _ALL if one.grows]
"""The kinds whose copies have a snapshot to begin with."""
OVER = [one.kind for one in _ALL if one.over]
"""The kinds whose artifacts are proven when the live data are gone: these come back when that fails."""
# a project's own files are no data: they come back by `restore --bare` alone
assert set(SUBJECTS) == set(KINDS) - {"project"}, "every kind of source has a subject"


class Ground(Project):
    """A project with a subject of each of some kinds."""

    def __init__(self, kind: str, images: str, kinds: Sequence[str], **backup: Any) -> None:
        chosen = [SUBJECTS[one] for one in KINDS if one in kinds]
        backup.setdefault("sources", tuple(spec for one in chosen for spec in one.sources))
        super().__init__(kind, images, "src", **backup)
        self.subjects: dict[str, Subject] = {one.kind: one(self) for one in chosen}

    def begin(self) -> None:
        """Bring it up with data in it."""
        each = self.subjects.values()
        engines = {one.kind: one.service(self.images) for one in each if one.image}
        idle = self.idle([":".join(one.volume) for one in each if not one.image])
        self.start({"app": idle, **engines}, [one.volume[0] for one in each if not one.volume[0].startswith(".")])
        for one in each:
            one.fill()

    def seen(self) -> dict[str, Any]:
        """By kind, everything that a restore must bring back."""
        return {kind: one.seen() for kind, one in self.subjects.items()}


@contextmanager
def on_ground(request: pytest.FixtureRequest, *kinds: str) -> Iterator[Ground]:
    """A ground of these kinds on the target that a fixture's parameter names, `local` or `ssh`."""
    request.getfixturevalue("ssh_config")
    made = Ground(request.param, request.getfixturevalue("lab")["images_prefix"], kinds)
    try:
        made.begin()
        yield made
    finally:
        made.remove()
