"""A small MongoDB with hostile names on one target, for the tests of its backup and restore."""

from __future__ import annotations

import json
from typing import Any

from opslib.command import Command
from opslib.engines.find import find_instances
from opslib.engines.instance import Instance, Login
from opslib.settings.model import Host
from opslib.target.docker import exec_in
from tests.lab.project import Project

PASSWORD = "-p w'\"$x é\\;: #"
USER = "-ro'ot \"ü"
SHOP = "-sh'op-`ü;"
ODD = '-co\'ll "x.y" `z` é;\\'
# The collections' documents and indexes; one with an odd name, one without documents, a view.
FILL = """
import json, sys, pymongo, bson
words = json.load(sys.stdin)
client = pymongo.MongoClient("127.0.0.1", username=words["user"], password=words["password"], directConnection=True)
shop = client[words["shop"]]
shop.orders.insert_many([{"n": n, "text": "é" * (n % 50), "at": bson.Int64(n)} for n in range(1500)])
shop.orders.create_index([("n", 1), ("text", -1)], unique=True, name="by 'n'")
shop.orders.create_index("at", expireAfterSeconds=10**8, sparse=True)
shop[words["odd"]].insert_many([{"_id": n} for n in range(7)])
shop.create_collection("empty", validator={"n": {"$gte": 3}})
shop.create_collection("ring", capped=True, size=4096, max=10)
shop.ring.insert_one({"a": 1})
shop.create_collection("few", viewOn="orders", pipeline=[{"$match": {"n": {"$lt": 3}}}])
client.blog.posts.insert_many([{"_id": n, "body": bson.Binary(bytes(2000))} for n in range(900)])
for name, database in (("writer", words["shop"]), ("reader", "blog")):
    client[database].command("createUser", name, pwd="x", roles=[{"role": "read", "db": database}])
"""
SEE = """
import hashlib, json, sys, bson, pymongo
words = json.load(sys.stdin)
client = pymongo.MongoClient("127.0.0.1", username=words["user"], password=words["password"], directConnection=True)
found = {}
for name in sorted(set(client.list_database_names()) - {"admin", "local", "config"}):
    for info in sorted(client[name].list_collections(), key=lambda one: one["name"]):
        coll = client[name][info["name"]]
        data = b"".join(bson.encode(one) for one in coll.find().sort("_id"))
        kinds = [] if info["type"] == "view" else sorted((one["name"], str(one)) for one in coll.list_indexes())
        options = {key: str(value) for key, value in info["options"].items() if key != "uuid"}
        found[f"{name}.{info['name']}"] = [info["type"], hashlib.sha256(data).hexdigest(), kinds, options]
users = client.admin["system.users"].find()
print(json.dumps([found, sorted((one["db"], one["user"], str(one["roles"])) for one in users)]))
"""

CHECK = ["CMD", "mongosh", "--quiet", "--eval", "EJSON.stringify(db.adminCommand({ping: 1}))"]
"""The health check of a container."""


def statements(text: str) -> str:
    """A program of statements with `client`, a PyMongo client, and `shop`, the database."""
    return f"""import json, sys, pymongo; words = json.load(sys.stdin)
client = pymongo.MongoClient("127.0.0.1", username=words["user"], password=words["password"], directConnection=True)
shop = client[words["shop"]]
{text}
"""


def words(host: Host, container: str, program: str, **given: str) -> Command:
    """A program on PyMongo in a container, which reads names and password from its standard input."""
    feed = json.dumps({"user": USER, "password": PASSWORD, "shop": SHOP, "odd": ODD, **given}).encode()
    return exec_in(host, container, "python3", "-c", program, feed=feed)


class Mongo(Project):
    """The stack: `db` with accounts, `set` a replica set without, `app` that has to stop for a restore."""

    def __init__(self, kind: str, images: str) -> None:
        super().__init__(kind, images, "mon")

    def begin(self) -> None:
        """Bring it up with the same data in both."""
        image, check = f"{self.images}mongo:7", self.healthy(*CHECK)
        own = {"MONGO_INITDB_ROOT_USERNAME": USER, "MONGO_INITDB_ROOT_PASSWORD": PASSWORD}
        services = {
            "app": self.idle(),
            "db": {"image": image, "environment": own, "volumes": ["db:/data/db"], "healthcheck": check},
            "set": {"image": image, "command": ["mongod", "--replSet", "rs0"], "volumes": ["set:/data/db"],
                    "healthcheck": check},
        }  # fmt: skip
        self.start(services, ["db", "set"])
        self.python(FILL)
        self.python(FILL, "set")

    def python(self, program: str, service: str = "db", **given: str) -> str:
        """What a program on PyMongo in the container prints."""
        if service != "db":
            program = program.replace('username=words["user"], password=words["password"], ', "")
        return self.target.run(words(self.host, self.container(service), program, **given)).text

    def see(self, service: str = "db") -> Any:
        """Everything that a restore must bring back."""
        return json.loads(self.python(SEE, service))

    def do(self, text: str, service: str = "db") -> None:
        """Statements with `client`, a PyMongo client, and `shop`, the database."""
        self.python(statements(text), service)

    def instance(self, service: str, login: Login | None = None) -> Instance:
        """A server, as opslib finds it."""
        found = find_instances(self.target, self.look(), {service: login} if login else {})
        return next(one for one in found if one.service == service)
