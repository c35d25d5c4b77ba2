"""Volumes and mounted folders under the contract."""

from __future__ import annotations

import json
from typing import Any

from opslib.target.docker import docker, mount
from tests.lab.contract.subject import Subject
from tests.lab.project import Project
from tests.lab.restore_stack import SEE, TREE

_RUIN = "cd /v && rm -rf sub hard 'two words' && echo no >-dash && mkdir sub && : >intruder && chmod 700 ."
_COUNTS = {"files": 7, "dirs": 3, "links": 2, "bytes": 67114664}


class _Tree(Subject):
    read = "tar"

    def place(self, where: str) -> str:
        """A mount to look at it."""
        raise NotImplementedError

    def fill(self) -> None:
        self.project.inside(self.place(self.name), "python3", "-c", TREE, "/v")

    def ruin(self) -> None:
        self.project.inside(self.place(self.name), "sh", "-c", _RUIN)

    def content(self, place: str) -> Any:
        return json.loads(self.project.inside(self.place(place), "python3", "-c", SEE, "/v"))


class VolumeSubject(_Tree):
    kind = "volume"
    volume = ("uploads", "/uploads")
    name = "uploads"
    counts = {name: _COUNTS}
    into = "other"

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.into = f"{project.name}_other"  # every project's volumes stand side by side

    def place(self, where: str) -> str:
        return mount("volume", f"{self.project.name}_{where}" if where == self.name else where, "/v")

    def forget(self, place: str) -> None:
        self.run(docker(self.project.host, "volume", "rm", place))


class FilesSubject(_Tree):
    kind = "files"
    volume = ("./up load's", "/folder")
    name = "up load's"
    counts = {name: _COUNTS}
    into = "copied 'files' é"

    def place(self, where: str) -> str:
        inner = where if where == self.name else f"{where}/{self.name}"
        return mount("bind", f"{self.project.target.root}/{inner}", "/v")

    def forget(self, place: str) -> None:
        self.project.inside(mount("bind", self.project.target.root, "/v"), "rm", "-rf", f"/v/{place}")
