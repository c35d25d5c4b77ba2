"""A small MongoDB with hostile names on one target, for the tests of its backup and restore."""

from __future__ import annotations

import json
import uuid
from typing import Any

import msgspec

from opslib.command import bash
from opslib.compose.stack import look
from opslib.engines.find import find_instances
from opslib.engines.instance import Instance, Login
from opslib.images.ship import same_engine, ship
from opslib.images.tools import ensure_tools
from opslib.run.fleet import Task, carry_out
from opslib.run.record import Record
from opslib.settings.model import Backup, Host
from opslib.settings.units import Address
from opslib.target.connect import connect
from opslib.target.docker import docker, exec_in, mount, run_in
from opslib.target.transfer import put_bytes

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
users = client.admin.command("usersInfo", {"forAllDBs": True})["users"]
print(json.dumps([found, sorted((one["db"], one["user"], str(one["roles"])) for one in users)]))
"""


class Mongo:
    """The stack: `db` with accounts, `set` a replica set without, `app` that has to stop for a restore."""

    def __init__(self, kind: str, images: str, folder: str) -> None:
        self.images, self.name = images, f"opslib-mongo-{uuid.uuid4().hex[:8]}"
        address, path = (Address("one"), f"{self.name}/a 'b' $c") if kind == "ssh" else (None, folder)
        self.host = Host(name="one" if kind == "ssh" else "local", path=path, address=address, project=self.name,
                         compose=("compose.yml",))  # fmt: skip
        self.here = connect(Host(name="local", path=folder))
        self.target = connect(self.host)
        self.events: list[Any] = []

    def up(self) -> None:
        self.tools = ensure_tools(self.target, self.here, {"OPSLIB_TOOLS_BASE": f"{self.images}debian:bookworm-slim"})
        image = f"{self.images}mongo:7"
        if not same_engine(self.here, self.target):
            ship(self.here, self.target, [image, f"{self.images}busybox:1"])
        ping = ["CMD", "mongosh", "--quiet", "--eval", "EJSON.stringify(db.adminCommand({ping: 1}))"]
        check = {"test": ping, "interval": "3s", "retries": 40}
        own = {"MONGO_INITDB_ROOT_USERNAME": USER, "MONGO_INITDB_ROOT_PASSWORD": PASSWORD}
        services = {
            "db": {"image": image, "environment": own, "volumes": ["db:/data/db"], "healthcheck": check},
            "set": {"image": image, "command": ["mongod", "--replSet", "rs0"], "volumes": ["set:/data/db"],
                    "healthcheck": check},
            "app": {"image": f"{self.images}busybox:1", "command": ["sleep", "100000"], "init": True},
        }  # fmt: skip
        text = json.dumps({"services": services, "volumes": {"db": {}, "set": {}}}, ensure_ascii=False)
        put_bytes(self.target, text.replace("$", "$$").encode(), f"{self.target.root}/compose.yml", mode=0o600)
        self.compose("up", "-d", "--wait", "--wait-timeout", "120")

    def compose(self, *words: str) -> None:
        root = self.target.root
        self.target.run(docker(self.host, "compose", "-p", self.name, "--project-directory", root, "-f",
                               f"{root}/compose.yml", *words, limit=180.0))  # fmt: skip

    def python(self, program: str, service: str = "db", **words: str) -> str:
        """A program on PyMongo in the container."""
        given = {"user": USER, "password": PASSWORD, "shop": SHOP, "odd": ODD, **words}
        if service != "db":
            program = program.replace('username=words["user"], password=words["password"], ', "")
        cmd = exec_in(self.host, self.container(service), "python3", "-c", program, feed=json.dumps(given).encode())
        return self.target.run(cmd).text

    def see(self, service: str = "db") -> Any:
        return json.loads(self.python(SEE, service))

    def do(self, text: str, service: str = "db") -> None:
        """Statements with `client`, a PyMongo client, and `shop`, the database."""
        head = """import json, sys, pymongo; words = json.load(sys.stdin)
client = pymongo.MongoClient("127.0.0.1", username=words["user"], password=words["password"], directConnection=True)
shop = client[words["shop"]]
"""
        self.python(head + text, service)

    def container(self, service: str) -> str:
        return look(self.target, self.name).service(service)[0].name

    def instance(self, service: str, login: Login | None = None) -> Instance:
        stack = look(self.target, self.name)
        found = find_instances(self.target, stack, {service: login} if login else {})
        return next(one for one in found if one.service == service)

    def with_(self, **backup: Any) -> Any:
        """Another way to the same project, with other backup settings. To be closed."""
        return connect(msgspec.structs.replace(self.host, backup=Backup(**backup)), self.events.append)

    def backup(self, target: Any = None, **options: Any) -> Record:
        from opslib.backup import take

        wanted = take.Options(here=self.here, kinds=("mongo",), **options)
        return self._carry_out("backup.all", lambda run: take.steps(run, wanted), target)

    def restore(self, file: str, target: Any = None, **options: Any) -> Record:
        from opslib.backup.restore.options import Options
        from opslib.backup.restore.steps import steps

        wanted = Options(file=file, here=self.here, **options)
        return self._carry_out("restore.all", lambda run: steps(run, wanted), target)

    def _carry_out(self, name: str, steps: Any, target: Any) -> Record:
        from opslib.backup.restore.steps import RECOVERIES as restoring
        from opslib.backup.take import RECOVERIES as taking

        return carry_out(Task(name, steps, known={**taking, **restoring}, wait=60.0), [target or self.target])

    def down(self) -> None:
        self.target.resume()
        script = """l=label=com.docker.compose.project=$1
docker ps -aq --filter "$l" | xargs -r docker rm -fv; docker volume ls -q --filter "$l" | xargs -r docker volume rm -f
docker network ls -q --filter "$l" | xargs -r docker network rm"""
        self.target.run(bash(script, self.name, limit=120), check=False)
        wipe = run_in(self.host, f"{self.images}busybox:1", "sh", "-c", "rm -rf /x/* /x/.opslib",
                      mounts=[mount("bind", self.target.root, "/x")])  # fmt: skip
        self.target.run(wipe, check=False)
        self.target.run(bash('rm -rf -- "$1"', self.target.root), check=False)
        self.target.close()
        self.here.close()
