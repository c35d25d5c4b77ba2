#!/usr/bin/python3.11
"""mongosh of the lab: its stand-in for MongoDB's shell, written on PyMongo. It has no JavaScript.

--eval takes statements with `;` between them, each one of these; it prints what print() is given and the last value:
    db[.getSiblingDB("NAME")].runCommand(COMMAND)       COMMAND is JSON, also {key: process.env.NAME}, or a "name"
    db[.getSiblingDB("NAME")].adminCommand(COMMAND)
    db[.getSiblingDB("NAME")].auth(USER, PASSWORD)      a string or process.env.NAME each
    db[.getSiblingDB("NAME")].getCollection("NAME").countDocuments({}) and db.hello(), db.version(), rs.status()
with `.field` or `[0]` behind it, and print(), EJSON.stringify() or JSON.stringify() around it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

from bson import json_util
from mongolab import CONNECTION, CONNECTION_SHORT, FLAG, LIST, STAND_IN, VALUE, Failed, connect, parse
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

VERSION = "2.3.1"
KINDS = {**CONNECTION, "password": VALUE, "eval": LIST, "file": LIST, **dict.fromkeys(("norc", "json", "tls"), FLAG)}
NAME = r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'"
WRAPPED = re.compile(r"(print|printjson|EJSON\.stringify|JSON\.stringify)\s*\((.*)\)", re.DOTALL)
CALL = re.compile(
    r"(db|rs)\s*(?:\.\s*getSiblingDB\s*\(\s*(?P<db>NAME)\s*\))?\s*"
    r"(?:\.\s*getCollection\s*\(\s*(?P<collection>NAME)\s*\))?\s*\.\s*(?P<call>\w+)\s*\(".replace("NAME", NAME)
)


class Unknown(Exception):
    """Something that only a real shell understands."""


def main() -> int:
    if "--version" in sys.argv[1:]:
        print(f"{VERSION}\n{STAND_IN}")
        return 0
    options, others = parse("mongosh", sys.argv[1:], KINDS, CONNECTION_SHORT)
    if options.get("username") and "password" not in options and sys.stdin.isatty():
        sys.stderr.write("Enter password: ")
    database = _database(options, others)
    options.pop("db", None)
    try:
        client = connect(options, others)
    except Failed as error:
        text = str(error)
        wrong = "auth error" in text
        print("MongoServerError: Authentication failed." if wrong else f"MongoNetworkError: {text}", file=sys.stderr)
        return 1
    source = ";".join(options["eval"]) or sys.stdin.read()
    try:
        shell = Shell(client, database)
        statements = _split(source, ";")
        for number, statement in enumerate(statements, 1):
            value, show = shell.evaluate(statement)
            if number < len(statements) and statement.lstrip().startswith("print"):
                print(_shown(value))
    except OperationFailure as error:
        details = error.details or {}
        print(f"MongoServerError[{details.get('codeName', '')}]: {details.get('errmsg', error)}", file=sys.stderr)
        return 1
    except ConnectionFailure as error:
        print(f"MongoNetworkError: {error}", file=sys.stderr)
        return 1
    except Unknown as error:
        print(f"mongosh: {STAND_IN} It cannot evaluate: {error}", file=sys.stderr)
        return 1
    if show:
        print(_shown(value))
    return 0


def _database(options: dict[str, Any], others: list[str]) -> str:
    """The database's name: `shop`, `host:port/shop` or in a URI; an address goes into the options."""
    for word in list(others):
        if not re.match(r"mongodb(\+srv)?://", word):
            others.remove(word)
            address, slash, name = word.rpartition("/")
            if slash:
                options["host"] = address
            return name
    for word in others:
        match = re.match(r"mongodb(?:\+srv)?://[^/]*/([^?]+)", word)
        if match:
            return match[1]
    return "test"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    if isinstance(value, float):
        return json.dumps(int(value) if value.is_integer() else value)
    return _ejson(value, 2)


def _ejson(value: Any, indent: int | None = None) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, dict):
        value = {key: int(one) if isinstance(one, float) and one.is_integer() else one for key, one in value.items()}
    separators = None if indent else (",", ":")
    return json_util.dumps(
        value, json_options=json_util.RELAXED_JSON_OPTIONS, indent=indent, separators=separators, ensure_ascii=False
    )


class Shell:
    """Evaluates one statement after the other against a server."""

    def __init__(self, client: MongoClient[Any], database: str) -> None:
        self._client, self._database = client, database

    def evaluate(self, text: str) -> tuple[Any, bool]:
        """The value of a statement, and whether it is to be shown."""
        text = text.strip()
        wrapped = WRAPPED.fullmatch(text)
        if wrapped:
            value, _ = self.evaluate(wrapped[2])
            return (_ejson(value) if "stringify" in wrapped[1] else value), True
        call = CALL.match(text)
        if call is None:
            raise Unknown(text)
        end = _closing(text, call.end() - 1)
        value = self._call(call, text[call.end() : end])
        for step in re.findall(r"\.\s*(\w+)|\[\s*(\d+)\s*\]|(\S)", text[end + 1 :]):
            if step[2]:
                raise Unknown(text)
            value = value.get(step[0]) if step[0] else value[int(step[1])]
        return value, True

    def _call(self, call: re.Match[str], argument: str) -> Any:
        database = self._client[_string(call["db"]) if call["db"] else self._database]
        name, of_set, collection = call["call"], call[1] == "rs", call["collection"]
        if of_set or collection:
            if of_set and name == "status":
                return self._client.admin.command("replSetGetStatus")
            if collection and name == "countDocuments":
                return database[_string(collection)].count_documents(_value(argument) if argument.strip() else {})
            if collection and name == "estimatedDocumentCount":
                return database[_string(collection)].estimated_document_count()
        elif name == "auth":
            user, password = (_string(part.strip()) for part in _split(argument, ","))
            source = database.name if call["db"] else "admin"
            known = self._client.address
            assert known is not None
            self._client = MongoClient(
                *known, username=user, password=password, authSource=source, directConnection=True, retryReads=False
            )
            return self._client.admin.command("ping")
        elif name in ("runCommand", "adminCommand"):
            command = _value(argument)
            command = {command: 1} if isinstance(command, str) else command
            return (self._client.admin if name == "adminCommand" else database).command(command)
        elif name in ("hello", "isMaster"):
            return self._client.admin.command(name)
        elif name == "version":
            return self._client.admin.command("buildInfo")["version"]
        raise Unknown(call[0])


def _string(text: str) -> str:
    found = re.fullmatch(r"process\.env\.(\w+)", text)
    if found:
        return os.environ.get(found[1], "")
    if not re.fullmatch(NAME, text, re.DOTALL):
        raise Unknown(text)
    return str(json.loads('"' + re.sub(r'(?<!\\)"', r"\"", text[1:-1].replace("\\'", "'")) + '"'))


def _value(text: str) -> Any:
    """JSON, with keys that need no quotes, strings in single quotes as JavaScript has them, and process.env.NAME."""
    tokens = re.findall(NAME + r"|[A-Za-z_$][\w$.]*|[^\"']", text, re.DOTALL)
    plain = ("true", "false", "null")
    parts = [
        json.dumps(_string(one))
        if one[0] in "\"'" or one.startswith("process.env.")
        else one
        if one in plain
        else json.dumps(one)
        for one in tokens
        if one[0] in "\"'" or re.match(r"[A-Za-z_$]", one)
    ]
    words = iter(parts)
    source = "".join(next(words) if one[0] in "\"'" or re.match(r"[A-Za-z_$]", one) else one for one in tokens)
    try:
        return json_util.loads(source)
    except ValueError:
        raise Unknown(text) from None


def _closing(text: str, start: int) -> int:
    """Where the bracket that opens at `start` closes."""
    depth = 0
    for match in re.finditer(NAME + r"|[()\[\]{}]", text[start:], re.DOTALL):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(match[0], 0)
        if depth == 0 and match[0] in ")]}":
            return start + match.start()
    raise Unknown(text)


def _split(text: str, at: str) -> list[str]:
    """Parts between `at`, where it is in no string and no bracket."""
    parts, depth, begin = [], 0, 0
    for match in re.finditer(NAME + r"|[()\[\]{};,]", text, re.DOTALL):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(match[0], 0)
        if depth == 0 and match[0] == at:
            parts.append(text[begin : match.start()])
            begin = match.end()
    return [part for part in [*parts, text[begin:]] if part.strip()]


if __name__ == "__main__":
    sys.exit(main())
