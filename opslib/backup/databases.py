"""The kinds of databases that can be backed up. A new one is a module with a `DATABASE`, named here."""

from __future__ import annotations

from opslib.backup.database import Database
from opslib.backup.mongo import DATABASE as MONGO
from opslib.backup.mysql import DATABASE as MYSQL
from opslib.backup.postgres import DATABASE as POSTGRES
from opslib.backup.qdrant import DATABASE as QDRANT
from opslib.backup.redis import DATABASE as REDIS

DATABASES: dict[str, Database] = {one.kind: one for one in (POSTGRES, MYSQL, REDIS, MONGO, QDRANT)}
"""By kind."""
