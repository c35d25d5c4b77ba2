"""Which backup sets stay, as a host file says it for the host and for each of its stores."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from opslib.settings import units
from opslib.settings.units import Parse

Count = Annotated[int, Meta(ge=1)]


class Keep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which verified backup sets stay. Each rule keeps on its own: so many of the newest sets (`last`), the newest of
    each of so many hours, days, weeks, months or years (in UTC), and all that were made `within` a time before the
    newest. No rule at all: the last 7."""

    LAST: ClassVar[int] = 7

    last: Count | None = None
    hourly: Count | None = None
    daily: Count | None = None
    weekly: Count | None = None
    monthly: Count | None = None
    yearly: Count | None = None
    within: Annotated[float, Parse(units.seconds)] | None = None

    @property
    def rules(self) -> dict[str, float]:
        """The rules by their names, and how much they keep."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: count for name, count in given.items() if count is not None} or {"last": self.LAST}
