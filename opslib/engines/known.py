"""The engines that opslib can dump and restore. A new one is a module with an `ENGINE`, named here."""

from __future__ import annotations

import re

from opslib.engines import others
from opslib.engines.engine import Engine
from opslib.engines.mongo import ENGINE as MONGO
from opslib.engines.mysql import ENGINE as MYSQL
from opslib.engines.postgres import ENGINE as POSTGRES
from opslib.engines.qdrant import ENGINE as QDRANT
from opslib.engines.redis import ENGINE as REDIS

ENGINES: dict[str, Engine] = {one.kind: one for one in (POSTGRES, MYSQL, REDIS, MONGO, QDRANT)}
"""By kind."""

MARKERS = {**others.MARKERS, **{mark: one.kind for one in ENGINES.values() for mark in one.marks}}
"""Names in a data folder, or one or two levels below, that tell whose it is."""


def stopped_kind(image: str) -> str:
    """The engine of ours that a container which does not run is, by its image ("" for none): it cannot be looked
    into."""
    name = image.rsplit("@", 1)[0].rsplit("/", 1)[-1].split(":")[0].lower()
    if others.is_tool(name):
        return ""
    return next((one.kind for one in ENGINES.values() if re.search(one.images, name)), "")
