"""What a MongoDB server or an archive of it holds, in one form for both, so that they can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

OWN = ("local", "config")  # the server's own databases, which belong to the machine that it runs on
_INDEX_NOISE = ("v", "ns", "background")
_OPTION_NOISE = ("uuid", "autoIndexId")


@dataclass(slots=True)
class Inventory:
    """By `database.collection`: documents, indexes, options that are set; and which of them are views and time series.
    A time series' documents are counted in its buckets."""

    counts: dict[str, int] = field(default_factory=dict)
    indexes: dict[str, list[Any]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    views: list[str] = field(default_factory=list)
    timeseries: list[str] = field(default_factory=list)

    def add(self, namespace: str, kind: str, options: Mapping[str, Any], indexes: Sequence[Mapping[str, Any]]) -> None:
        """Note a collection that is no part of the server itself."""
        if ".system." in namespace:
            return
        kept = {name: plain(value) for name, value in options.items() if name not in _OPTION_NOISE}
        if kept:
            self.options[namespace] = kept
        if kind == "view":
            self.views.append(namespace)
            return
        if kind == "timeseries":
            self.timeseries.append(namespace)
        self.indexes[namespace] = sorted((_index(one) for one in indexes), key=lambda one: str(one["name"]))

    def within(self, database: str) -> Inventory:
        """The same of one database, by `collection`."""
        start = f"{database}."

        def cut(names: Iterable[str]) -> list[tuple[str, str]]:
            return [(name, name[len(start) :]) for name in names if name.startswith(start)]

        return Inventory(
            {short: self.counts[name] for name, short in cut(self.counts)},
            {short: self.indexes[name] for name, short in cut(self.indexes)},
            {short: self.options[name] for name, short in cut(self.options)},
            [short for _, short in cut(self.views)], [short for _, short in cut(self.timeseries)],
        )  # fmt: skip

    def forget(self, namespace: str) -> None:
        """A collection that is gone."""
        for one in (self.counts, self.indexes, self.options):
            one.pop(namespace, None)
        for names in (self.views, self.timeseries):
            if namespace in names:
                names.remove(namespace)

    def facts(self) -> dict[str, Any]:
        """All but the counts, for a manifest."""
        return {"indexes": self.indexes, "options": self.options, "views": sorted(self.views),
                "timeseries": sorted(self.timeseries)}  # fmt: skip


@dataclass(slots=True)
class Contents:
    """What the reader of an archive said: `raw` the documents of everything in it, by database and name."""

    inventory: Inventory = field(default_factory=Inventory)
    raw: dict[tuple[str, str], int] = field(default_factory=dict)
    tool: str = ""
    oplog: int | None = None
    moving: list[str] = field(default_factory=list)
    login: str = ""
    whole: bool = False


def counted(database: str, name: str) -> bool:
    """Whether a collection belongs to the users of a server rather than to itself."""
    if database in ("", *OWN) or name.startswith("$"):
        return False
    return not name.startswith("system.") or name == "system.js" or name.startswith("system.buckets.")


def contents(lines: Iterable[str]) -> Contents:
    """What the archive holds, from the lines that its reader printed."""
    found = Contents()
    series: set[tuple[str, str]] = set()
    for line in lines:
        said = json.loads(line)
        if "archive" in said:
            found.tool = said["archive"]["tool"]
        elif "collection" in said:
            database, name, kind, metadata = said["collection"]
            meta = json.loads(metadata) if metadata else {}
            if counted(database, name):
                found.inventory.add(f"{database}.{name}", kind, meta.get("options") or {}, meta.get("indexes") or [])
            if kind in ("timeseries", "view"):
                series.add((database, name))
        elif "documents" in said:
            database, name, number = said["documents"]
            found.raw[database, name] = number
            if counted(database, name) and (database, name) not in series:
                found.inventory.counts[f"{database}.{name}"] = number
        elif "oplog" in said:
            found.oplog, found.moving = said["oplog"], said["moving"]
        else:
            found.login, found.whole = said.get("login", found.login), said.get("whole", found.whole)
    return found


def facts_of(seen: Contents, database: str) -> dict[str, Any]:
    """What a manifest says of an archive, of one database or ("") the whole server, beside the counts."""
    own = seen.inventory.within(database) if database else seen.inventory
    place = (database, "$admin.system.") if database else ("admin", "system.")
    users, roles = (seen.raw.get((place[0], place[1] + what), 0) for what in ("users", "roles"))
    return {"oplog": seen.oplog, "replay": bool(seen.moving), "moving": _moving(seen, own), "users": users,
            "roles": roles, **own.facts()}  # fmt: skip


def _moving(seen: Contents, own: Inventory) -> list[str]:
    """The collections whose number of documents is another after a restore: the oplog is replayed into them, or
    documents whose time has come go by themselves."""
    databases = tuple(one for one in seen.moving if one.endswith("."))
    names = {one for one in seen.moving if not one.endswith(".")}
    names |= {one for one in own.counts if one.startswith(databases)}
    names |= {one for one, found in own.indexes.items() if any("expireAfterSeconds" in index for index in found)}
    return sorted(names)


def dumped(log: str) -> dict[str, int]:
    """The documents of each collection as mongodump's own lines say them: in backticks since its version 100.16."""
    found = re.findall(r"done dumping (.+?) \((\d+) documents?\)$", log, re.DOTALL | re.MULTILINE)
    return {name[1:-1] if name[:1] == name[-1:] == "`" else name: int(number) for name, number in found}


def witnesses_differ(log: str, seen: Contents) -> str:
    """What mongodump said it wrote and the archive does not hold, or the other way round ("": nothing)."""
    told = dumped(log)
    held = {f"{database}.{name}": number for (database, name), number in seen.raw.items()}
    plain_names = {name.removeprefix("`").removesuffix("`") for name in held} - set(held)
    names = (told.keys() | held.keys()) - set(seen.inventory.views)
    for name in sorted(names - plain_names):
        series = name.replace(".", ".system.buckets.", 1)
        here = held.get(name, held.get(series))
        there = told.get(name, told.get(name.replace(".system.buckets.", ".", 1)))
        if here != there and not (here is None and not there):
            return f"mongodump said {there} documents of {name}, and the archive holds {here}"
    return ""


def differences(wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    """How two `facts()` differ, in words."""
    found = [
        f"{name}: {what} {wanted[what].get(name, 'none')} in the set, {seen[what].get(name, 'none')} restored"
        for what in ("indexes", "options")
        for name in sorted(wanted[what].keys() | seen[what].keys())
        if wanted[what].get(name) != seen[what].get(name)
    ]
    return found + [
        f"{what}: {', '.join(wanted[what]) or 'none'} in the set, {', '.join(seen[what]) or 'none'} restored"
        for what in ("views", "timeseries")
        if list(wanted[what]) != list(seen[what])
    ]


def plain(value: Any) -> Any:
    """A value of extended JSON, whichever of its spellings: numbers as numbers, moments as milliseconds."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name in ("$numberInt", "$numberLong"):
            return int(inner)
        if name == "$numberDouble":
            return float(inner) if inner not in ("NaN", "Infinity", "-Infinity") else inner
        if name == "$date":
            return {name: _moment(inner) if isinstance(inner, str) else plain(inner)}
    return {name: plain(one) for name, one in value.items()}


def _moment(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000


def _index(one: Mapping[str, Any]) -> dict[str, Any]:
    """An index; its key is a list, for in it the order counts."""
    found = {name: plain(value) for name, value in one.items() if name not in _INDEX_NOISE}
    return {**found, "key": [[name, value] for name, value in found.get("key", {}).items()]}
