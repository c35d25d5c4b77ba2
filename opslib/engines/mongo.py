"""Speaking with MongoDB: its shell, its tools, and the password that goes to them by the environment and a file that
only its owner may read."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opslib.command import Secret
from opslib.engines.engine import Engine, Facts, first
from opslib.engines.instance import Instance, Login
from opslib.engines.mongo_inventory import OWN, Inventory, counted, plain
from opslib.errors import CommandFailed, OpsError
from opslib.target.process import mask

if TYPE_CHECKING:
    from opslib.compose.stack import Container
    from opslib.target.base import Target

COUNTING = 6 * 3600.0  # seconds
_NO_SET = "everything: no backup set was made"
_CODE = 60_000  # characters of code in one argument, of which Linux takes 128 KiB

# A tool with its password in a file that lies in memory, with mode 0600: its arguments are seen by everybody. What an
# earlier one left when it was killed goes; nobody else works on the server. $1 the tool, then its options.
WITH_PASSWORD = """umask 077; [ -n "$MONGO_CONFIG" ] || exec "$@"
[ -w /dev/shm ] && d=/dev/shm || d=/tmp; rm -f "$d"/opslib-mongo.*; f=$(mktemp "$d/opslib-mongo.XXXXXX") || exit 1
trap 'rm -f "$f"' EXIT; trap 'exit 143' HUP INT TERM
printf '%s\\n' "$MONGO_CONFIG" >"$f" && unset MONGO_CONFIG MONGO_PASSWORD || exit 1
tool=$1; shift; "$tool" --config="$f" "$@" """


def with_password(at: Instance, tool: str, *options: str) -> list[str]:
    """One of MongoDB's tools with its options, logged in: to be run where `at.env` is."""
    login = []
    if at.env.get("MONGO_USER"):
        login = [f"--username={at.env['MONGO_USER']}", f"--authenticationDatabase={at.env['MONGO_AUTH_DATABASE']}"]
    return ["sh", "-c", WITH_PASSWORD, "sh", tool, "--host=127.0.0.1", f"--port={at.port}", *login, *options]


def ask(target: Target, at: Instance, *expressions: str, limit: float = 120.0) -> list[Any]:
    """What each JavaScript expression is worth, in plain JSON. Raises OpsError with the server's own words."""
    if not expressions:
        return []
    code = [f"print(EJSON.stringify({one}))" for one in expressions]
    if at.env.get("MONGO_USER"):
        source = json.dumps(at.env["MONGO_AUTH_DATABASE"])
        code.insert(0, f"db.getSiblingDB({source}).auth(process.env.MONGO_USER, process.env.MONGO_PASSWORD)")
    cmd = at.tool(target.host, *_SHELL, "--port", str(at.port), "--eval", "; ".join(code), limit=limit)
    try:
        lines = target.run(cmd).lines
        found = [json.loads(line) for line in lines if line.strip()]
    except CommandFailed as error:
        raise refused(target, at, mask(error.stderr or error.what, cmd.secrets())) from None
    except ValueError:
        raise refused(target, at, f"mongosh answered what is no JSON: {lines[:3]}") from None
    if len(found) != len(expressions):
        raise refused(target, at, f"mongosh gave {len(found)} answers to {len(expressions)} questions")
    return found


_SHELL = ("mongosh", "--quiet", "--norc", "--host", "127.0.0.1")


def command(database: str, **words: Any) -> str:
    """An expression: a command of the server, run in a database."""
    return f"db.getSiblingDB({json.dumps(database)}).runCommand({json.dumps(words)})"


def counting(database: str, name: str, **query: Any) -> str:
    """An expression: how many documents of a collection there are."""
    place = f"db.getSiblingDB({json.dumps(database)}).getCollection({json.dumps(name)})"
    return f"{place}.countDocuments({json.dumps(query)})"


def refused(target: Target, at: Instance, said: str, left: str | None = _NO_SET) -> OpsError:
    """The error for what MongoDB did not do: whether the password is wrong, a right is missing, or something else."""
    user, said = str(at.env.get("MONGO_USER") or ""), said.strip()
    what = f"MongoDB in service {at.service}: " + "\n    ".join(said.splitlines()[-6:])
    following = f"docker logs --tail 50 {at.container}"
    line = f'`- mongo: {{service: {at.service}, user: …, password: "${{MONGO_PASSWORD}}"}}` under `backup: sources:`'
    missing = re.search(r"not authorized on (\S+) to execute command (?:\{ ?|\(action: )\"?(\w+)", said)
    if "Authentication failed" in said or "AuthenticationFailed" in said:
        what = (f"MongoDB in service {at.service} does not take the password of user {user!r} "
                f"(authentication database {at.env.get('MONGO_AUTH_DATABASE')})")  # fmt: skip
        following = f"the container's variable says what it was when the database was made; now: {line}"
    elif missing is not None:
        account = f"user {user!r}" if user else "nobody (no user is given)"
        what = f"MongoDB in service {at.service}: {account} may not run {missing[2]} on database {missing[1]}"
        following = f'in mongosh: db.getSiblingDB("admin").grantRolesToUser("{user}", ["backup", "restore"])'
    elif "requires authentication" in said:
        what = f"MongoDB in service {at.service} asks for a password, and its container does not know one"
        following = line
    return OpsError(what, host=target.host.name, left=left, next=following)


def logged_in(target: Target, at: Instance, passwords: Sequence[Secret]) -> Instance:
    """The instance with its version and its replica set ("" for none), when it takes the password."""
    hello, build = ask(target, at, command("admin", hello=1), command("admin", buildInfo=1))
    if hello.get("msg") == "isdbgrid":
        raise OpsError(f"service {at.service} is mongos, the router of a sharded cluster, which opslib cannot dump",
                       host=target.host.name, next=f"put {at.service} under `backup: exclude:`")  # fmt: skip
    return replace(at, version=str(build["version"]), env={**at.env, "MONGO_SET": str(hello.get("setName") or "")})


def databases(target: Target, at: Instance) -> dict[str, int]:
    """The databases that hold data of users, and their bytes on the disk."""
    (found,) = ask(target, at, command("admin", listDatabases=1))
    return {one["name"]: int(one.get("sizeOnDisk") or 0) for one in found["databases"] if one["name"] not in OWN}


def inventory(target: Target, at: Instance, names: Collection[str], *, count: bool = True) -> Inventory:
    """What these databases hold now; with `count`, every document is counted. Two calls of the shell, if few enough."""
    listed = collections(target, at, names)
    asked = []
    for number, (database, one) in enumerate(listed):
        if one["type"] != "view":
            asked.append((number, command(database, listIndexes=one["name"], cursor={"batchSize": 1000})))
        if count and one["type"] not in ("view", "timeseries"):
            asked.append((number, counting(database, one["name"])))
    found = Inventory()
    indexes: dict[int, Any] = {}
    for part in _parts(asked):
        for (number, _), answer in zip(part, ask(target, at, *(text for _, text in part), limit=COUNTING), strict=True):
            database, one = listed[number]
            if isinstance(answer, dict) and "cursor" in answer:
                indexes[number] = answer["cursor"]["firstBatch"]
            else:
                found.counts[f"{database}.{one['name']}"] = plain(answer)
    for number, (database, one) in enumerate(listed):
        found.add(f"{database}.{one['name']}", one["type"], one.get("options") or {}, indexes.get(number, []))
    return found


def _parts(asked: Sequence[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    part: list[tuple[int, str]] = []
    for one in asked:
        if part and sum(len(text) + 30 for _, text in part) + len(one[1]) > _CODE:
            yield part
            part = []
        part.append(one)
    if part:
        yield part


def collections(target: Target, at: Instance, names: Collection[str]) -> list[tuple[str, dict[str, Any]]]:
    """The collections, views and time series that are not the server's own, each with its database."""
    questions = [command(database, listCollections=1, cursor={"batchSize": 1_000_000}) for database in names]
    found = []
    for database, answer in zip(names, ask(target, at, *questions), strict=True):
        if answer["cursor"].get("id") not in (0, {"$numberLong": "0"}):
            raise refused(target, at, f"database {database} has more collections than one answer holds")
        found += [(database, one) for one in answer["cursor"]["firstBatch"] if counted(database, one["name"])]
    return found


# -- recognised

# Its options and configuration file say the port and the folder; /proc hides the rest from root without SYS_PTRACE.
_INSIDE = r"""
    tr '\0' '\n' <"$p/cmdline" | sed 's/^/arg /'
    c=$(tr '\0' '\n' <"$p/cmdline" | sed -n -e '/^-f$/{n;p;}' -e '/^--config$/{n;p;}' -e 's/^--config=//p')
    [ -z "$c" ] || sed 's/^/conf /' "$c"
    command -v mongodump >&2 && command -v mongorestore >&2 && command -v mongosh >&2 || { missing; printf 'bare\n'; }
    printf 'owner %s:%s\n' "$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "$p/status")" \
      "$(sed -n 's/^Gid:[[:space:]]*\([0-9]*\).*/\1/p' "$p/status")"
"""


def _instance(
    container: Container, facts: Facts, env: Mapping[str, str], login: Login
) -> tuple[Instance, tuple[Secret, ...]]:
    words, conf = facts.get("arg", ()), "\n".join(facts.get("conf", ()))
    user = login.user or env.get("MONGO_INITDB_ROOT_USERNAME") or env.get("MONGODB_ROOT_USER") or ""
    known = env.get("MONGO_INITDB_ROOT_PASSWORD") or env.get("MONGODB_ROOT_PASSWORD") or ""
    password = login.password or Secret(known)
    user = user or ("root" if password else "")
    variables: dict[str, str | Secret] = {"PATH": first(facts, "path"), "HOME": "/tmp"}
    if user:
        # JSON is YAML; the tools read a few keys only, in one line each.
        config = f"password: {json.dumps(password.reveal(), ensure_ascii=False)}"
        variables |= {"MONGO_USER": user, "MONGO_AUTH_DATABASE": login.auth_database or "admin",
                      "MONGO_PASSWORD": password, "MONGO_CONFIG": Secret(config)}  # fmt: skip
    port = _option(words, "--port") or _setting(conf, "port") or "27017"
    data = _option(words, "--dbpath") or _setting(conf, "dbPath") or "/data/db"
    return Instance(
        kind="mongo", service=container.service, container=container.name, image=container.image, version="",
        data=data, pid=int(first(facts, "pid") or 0), user=first(facts, "owner"), port=int(port), id=container.id,
        tools_image=login.tools_image if "bare" in facts and login.tools_image else "", env=variables,
    ), ()  # fmt: skip


def _option(words: Sequence[str], name: str) -> str:
    for number, word in enumerate(words):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name and number + 1 < len(words):
            return words[number + 1]
    return ""


def _setting(conf: str, name: str) -> str:
    found = re.search(rf"^\s*{name}:\s*['\"]?([^\s'\"#]+)", conf, re.MULTILINE)
    return found[1] if found else ""


def _ready(at: Instance) -> Sequence[str]:
    return (*_SHELL, "--port", str(at.port), "--eval", "EJSON.stringify(db.adminCommand({ping: 1}))")


ENGINE = Engine(
    kind="mongo", images="^mongo(db.*)?$|-mongodb$", processes=("mongod",), inside=_INSIDE, marks=("WiredTiger",),
    secrets=("MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD", "MONGODB_ROOT_PASSWORD"),
    instance=_instance, ready=_ready, data=lambda container, facts: "/data/db", log_in=logged_in, sets_up=True,
)  # fmt: skip
