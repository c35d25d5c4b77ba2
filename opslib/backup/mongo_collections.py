"""Single collections of MongoDB put over the live ones: their documents, indexes and options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.backup.mongo_replace import MongoReplace, as_pattern
from opslib.engines import mongo
from opslib.engines.mongo_inventory import differences
from opslib.errors import OpsError

if TYPE_CHECKING:
    from opslib.backup.manifest import Artifact
    from opslib.command import Command
    from opslib.engines.instance import Instance
    from opslib.target.base import Target


@dataclass(frozen=True, slots=True)
class Collections:
    """Collections of a server, by `database.collection`, or of a database, by `collection`."""

    replace: MongoReplace

    def hanging(self, target: Target, at: Instance, name: str, only: Sequence[str]) -> list[str]:
        """The views on them."""
        spaces = self._spaces(name, only)
        seen = mongo.inventory(target, at, sorted({one.partition(".")[0] for one in spaces}), count=False)
        return [f"view {view} reads it, and stays" for view in sorted(seen.views)
                if f"{view.partition('.')[0]}.{seen.options.get(view, {}).get('viewOn')}" in spaces]  # fmt: skip

    def stage(self, target: Target, at: Instance, raw: Command, name: str, artifact: Artifact, only: Sequence[str],
              scratch: str) -> None:  # fmt: skip
        """Nothing hangs on a collection that could stop it, and the archive has been read to its end."""

    def put(self, target: Target, at: Instance, raw: Command, name: str, artifact: Artifact,
            only: Sequence[str]) -> None:  # fmt: skip
        """mongorestore of these alone, then indexes and options are compared. An oplog is not replayed for some."""
        options = [f"--nsInclude={as_pattern(one)}" for one in self._spaces(name, only)]
        series = set(artifact.facts.get("timeseries") or ())
        for key, one in zip(only, self._spaces(name, only), strict=True):
            if key in series:
                options.append(f"--nsInclude={as_pattern(one.replace('.', '.system.buckets.', 1))}")
        self.replace.run(target, at, raw, options)
        spaces = self._spaces(name, only)
        seen = mongo.inventory(target, at, sorted({one.partition(".")[0] for one in spaces}), count=False)
        there = (seen if name in ("", self.replace.whole) else seen.within(name)).facts()
        what = ("indexes", "options")
        wrong = differences(
            {**{one: {key: artifact.facts[one][key] for key in only if key in artifact.facts[one]} for one in what},
             "views": [], "timeseries": []},
            {**{one: {key: there[one][key] for key in only if key in there[one]} for one in what},
             "views": [], "timeseries": []},
        )  # fmt: skip
        if wrong:
            text = "\n    ".join([f"MongoDB in service {at.service} is not what the set says:", *wrong[:8]])
            raise OpsError(text, host=target.host.name)

    def discard(self, target: Target, at: Instance, scratch: str) -> None:
        """Nothing was made."""

    def _spaces(self, name: str, only: Sequence[str]) -> list[str]:
        return list(only) if name in ("", self.replace.whole) else [f"{name}.{one}" for one in only]
