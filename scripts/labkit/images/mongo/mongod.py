#!/usr/bin/python3.11
"""mongod of the lab: not MongoDB but SecantusDB, a server that speaks its protocol, under mongod's name and options.

Known options: --auth, --bind_ip, --bind_ip_all, --dbpath, --port, --replSet, --keyFile (taken as --auth), --quiet.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from typing import Any

import secantus
from pymongo import MongoClient
from secantus import commands, rbac, storage
from secantus.query import matches
from secantus.server import SecantusDBServer


def main() -> int:
    options = _options()
    server = SecantusDBServer(
        host="127.0.0.1" if options.first_user else "0.0.0.0" if options.bind_ip_all else options.bind_ip.split(",")[0],
        port=0 if options.first_user else options.port,
        storage_path=options.dbpath,
        require_auth=not options.first_user and (options.auth or options.keyFile is not None),
        replica_set_name=options.replSet,
        cache_size="256M",
        enable_test_commands=False,
    )
    if options.first_user:
        _make_first_user(server, options.first_user)
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    _complete()

    def stop(_signal: int, _frame: object) -> None:
        server.stop()
        sys.exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    server.start()
    server.wait()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mongod", description=__doc__, allow_abbrev=False)
    said = f"db version v{commands.SERVER_VERSION}\nThe lab's stand-in: SecantusDB {secantus.__version__}."
    parser.add_argument("--version", action="version", version=said)
    parser.add_argument("--auth", action="store_true")
    parser.add_argument("--bind_ip", default="127.0.0.1")
    parser.add_argument("--bind_ip_all", action="store_true")
    parser.add_argument("--dbpath", default="/data/db")
    parser.add_argument("--port", type=int, default=27017)
    parser.add_argument("--replSet", help="a replica set of one member, which needs no rs.initiate()")
    parser.add_argument("--keyFile")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--first-user", help="the lab's own: make this root user, its password on stdin, and end")
    return parser.parse_args()


def _make_first_user(server: SecantusDBServer, name: str) -> None:
    password = sys.stdin.readline().removesuffix("\n")
    server.start()
    try:
        client: MongoClient[dict[str, Any]] = MongoClient("127.0.0.1", server.port, directConnection=True)
        roles = [{"role": "root", "db": "admin"}]
        client.admin.command("createUser", name, pwd=password, roles=roles)
    finally:
        server.stop()


def _complete() -> None:
    """What a dump and restore of users need of a real server and this one lacks.

    Roles are found in admin.system.roles, users in admin.system.users come with their credentials (a server lets only
    those read it who may make a backup), and `_mergeAuthzCollections`, with which mongorestore puts both back.
    """
    find = storage.Storage.find_matching

    def find_matching(self: Any, db: str, coll: str, filter: Any = None, **others: Any) -> Any:
        if (db, coll) == ("admin", "system.roles"):
            return [role for role in self.list_roles(None, limit=1000) if matches(role, filter or {})]
        return find(self, db, coll, filter, **others)

    storage.Storage.find_matching = find_matching  # type: ignore[method-assign]
    storage.Storage._without_credentials = staticmethod(dict)  # type: ignore[method-assign,assignment]
    commands._HANDLERS["_mergeAuthzCollections"] = _merge
    commands._COMMAND_ACTIONS["_mergeAuthzCollections"] = (rbac.A_CREATE_USER, commands.SCOPE_DATABASE)


def _merge(doc: dict[str, Any], ctx: Any) -> dict[str, Any]:
    """Take users and roles over from temporary collections; `drop`: those of `db` that are not there go."""
    store, only = ctx.storage, doc.get("db") or ""
    for field, kind, listed, drop, add in (
        ("tempUsersCollection", "user", store.list_users, store.drop_user, store.add_user),
        ("tempRolesCollection", "role", store.list_roles, store.drop_role, store.add_role),
    ):
        if not doc.get(field):
            continue
        database, _, collection = doc[field].partition(".")
        records = [one for one in store.find_matching(database, collection, {}) if only in ("", one["db"])]
        kept = {(one["db"], one[kind]) for one in records}
        if doc.get("drop"):
            for one in listed(None, limit=1000):
                if only in ("", one["db"]) and (one["db"], one[kind]) not in kept:
                    drop(one["db"], one[kind])
        for one in records:
            if kind == "user":
                one.setdefault("mechanisms", sorted(one.get("credentials", {})))
            add(one["db"], one[kind], one, replace=True)
    return {"ok": 1.0}


if __name__ == "__main__":
    sys.exit(main())
