"""The kinds of parts that a recovery log can hold."""

from __future__ import annotations

import msgspec

from opslib.backup.restore.context import Place
from opslib.backup.restore.files import TreePart
from opslib.backup.restore.part import Part
from opslib.backup.restore.postgres import PostgresPart
from opslib.backup.restore.postgres_inplace import PostgresInPlace
from opslib.backup.restore.postgres_tables import PostgresTables
from opslib.backup.restore.redis import RedisPart
from opslib.backup.restore.redis_volume import RedisVolumePart
from opslib.backup.restore.reload import ReloadPart
from opslib.backup.restore.reload_some import ReloadSome
from opslib.backup.restore.sqlite import SqlitePart


class ColdPart(Part, frozen=True, kw_only=True, tag="cold"):
    """What a part is before its engine has been given new data: only looked at, never loaded."""

    service: str
    place: Place


AnyPart = (
    PostgresPart
    | PostgresInPlace
    | PostgresTables
    | RedisPart
    | RedisVolumePart
    | ReloadPart
    | ReloadSome
    | TreePart
    | SqlitePart
    | ColdPart
)

msgspec.json.Decoder(list[AnyPart])  # learned by one thread, while the module is loaded, as of manifests
