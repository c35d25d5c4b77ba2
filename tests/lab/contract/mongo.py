"""MongoDB under the contract: one database that the host file names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opslib.backup import sets
from opslib.command import Secret, bash
from opslib.settings.kinds import Mongo
from tests.lab.contract.subject import Subject
from tests.lab.mongo_stack import CHECK, FILL, ODD, PASSWORD, SEE, SHOP, USER, statements, words
from tests.lab.site import until


class MongoSubject(Subject):
    kind = "mongo"
    image = "mongo:7"
    environment = {"MONGO_INITDB_ROOT_USERNAME": USER, "MONGO_INITDB_ROOT_PASSWORD": PASSWORD}
    healthy = CHECK
    volume = ("mongo", "/data/db")
    name = SHOP
    counts = {SHOP: {"orders": 1500, ODD: 7, "empty": 0, "ring": 1}}
    read = "archive"
    over = True
    into = "sh'op2"
    secret = PASSWORD
    sources = (Mongo(service="mongo", database=SHOP),)
    wrong = Mongo(service="mongo", password=Secret("not the one"))
    denied = "does not take the password"
    spoil = "cat"

    def python(self, program: str) -> str:
        return "\n".join(self.run(words(self.project.host, self.container, program)))

    def fill(self) -> None:
        self.python(FILL)

    def ruin(self) -> None:
        self.python(statements('shop.orders.drop(); shop.intruder.insert_one({"a": 1}); shop.ring.drop_indexes(); '
                               'shop.few.drop(); shop[words["odd"]].delete_one({"_id": 1}); '
                               'shop.command("dropUser", "writer"); shop.command("createUser", "other", pwd="x", roles=[])'))  # fmt: skip

    def content(self, place: str) -> Any:
        found, _ = json.loads(self.python(SEE))
        return {name.removeprefix(f"{place}."): one for name, one in found.items() if name.startswith(f"{place}.")}

    def seen(self) -> Any:
        return json.loads(self.python(SEE))

    def forget(self, place: str) -> None:
        self.python(statements(f"client.drop_database({place!r})"))

    def lies(self) -> dict[str, Any]:
        """An index that is not in the archive: found out when all is loaded."""
        return {"indexes": {"orders": [{"name": "_id_", "key": [["other", 1]]}]}}

    @contextmanager
    def dumping(self) -> Iterator[Callable[[], None]]:
        """So much data that the dump takes its time when its file has begun."""
        large = 'import os\nshop.large.insert_many([{"b": os.urandom(1000000)} for _ in range(60)])'
        for _ in range(2):
            self.python(statements(large))
        begun = 'for f in "$1"/.*.part/mongo.*.zst; do [ ! -s "$f" ] || echo begun; done'
        folder = sets.directory(self.project.target)
        yield lambda: until(lambda: bool(self.run(bash(begun, folder))), 90, "the dump never began")

    def tidy(self) -> None:
        self.python(statements("shop.large.drop()"))
